"""Trains the checkpoints that ship with mmx: `python -m mmx.shapes.train NAME`."""
