"""Pictures of noise that are the same on every day."""

import numpy as np
from PIL import Image


def noise(size: tuple[int, int], spread: float, seed: int = 0) -> Image.Image:
    """Grey, `spread` around the middle; as `PIL.Image.effect_noise`, which takes no seed."""
    drawn = np.random.default_rng(seed).normal(128, spread, size[::-1]).clip(0, 255)
    return Image.fromarray(drawn.astype(np.uint8)).convert("RGB")
