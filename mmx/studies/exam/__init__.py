"""The exam on drawn scenes, whose truth is known: accuracy, and whether relevance lies on what the answer needs."""
