"""Model families: one file each, named after the `model_type` in a checkpoint's config."""
