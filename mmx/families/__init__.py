"""Model families: one file each, a table for each `transformers` class; found in mmx/checkpoints/families.py."""
