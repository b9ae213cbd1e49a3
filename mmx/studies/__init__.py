"""Evaluations of explanations, resumable and callable from Python: perturb, segment, and the exam on drawn scenes."""
