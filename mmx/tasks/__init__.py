"""What models are asked: one file per task."""
