"""Pictures that the image processor cuts into patches: a grid of its own for each, padded to as many as all have."""

from collections.abc import Mapping
from math import isqrt

import torch
from torch import Tensor

from mmx.arrays import Shaped
from mmx.capture import Outputs
from mmx.elements.base import Located, Prepared
from mmx.elements.pixels import PixelEncoder
from mmx.errors import CheckpointError
from mmx.results import Asked, Patches, Picture
from mmx.wiring import Inputs

_MOST_SIDE = 14


class PatchedPixelEncoder(PixelEncoder):
    def _prepared(self, picture: Picture) -> Prepared:
        assert picture.image is not None
        encoded = self._encoded(picture.image)
        self._check_patches(encoded)
        rows, columns = encoded["spatial_shapes"][0].tolist()
        tensors = {name: encoded[name][0] for name in self.declared.names}
        # Such a processor stretches the whole picture to its grid, a little, so that it is whole patches.
        return Prepared(tensors, (Patches(rows, columns, (0, 0, *picture.size)),),
                        size=tuple(tensors["pixel_values"].shape))

    def _check_patches(self, encoded: Mapping[str, Tensor]) -> None:
        said = f"The image processor of {self._whose}"
        pixels, numbers = encoded["pixel_values"], self._numbers
        if pixels.dim() != 3 or len(pixels) != 1 or not set(self.declared.names) <= encoded.keys():
            raise CheckpointError(f"{said} makes whole pictures ({' x '.join(map(str, pixels.shape))} numbers); the "
                                  "model takes patches.", "Give one that cuts them, such as Siglip2ImageProcessor.")
        if pixels.shape[2] != numbers:
            raise CheckpointError(f"{said} makes patches of {pixels.shape[2]} numbers; the model takes {numbers}.",
                                  "Its preprocessor_config.json and config.json differ in patch_size.")
        if not torch.isfinite(pixels).all():
            raise CheckpointError(f"{said} makes pictures whose numbers are not finite (NaN or infinite).",
                                  "Look at image_mean and image_std in its preprocessor_config.json.")

    @property
    def _numbers(self) -> int:
        """Of one patch."""
        return self._channels * self._vision.patch_size**2

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """Without the padding behind its own patches."""
        return Located(self.part, prepared.elements, inputs[self.declared.mask][sample].bool().cpu())

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        side = min(isqrt(self._vision.num_patches), _MOST_SIDE)
        pixels = torch.randn(1, side**2, self._numbers, generator=generator)
        return {"pixel_values": pixels, self.declared.mask: torch.ones(1, side**2, dtype=torch.int32),
                "spatial_shapes": torch.tensor([[side, side]])}


ENCODER = PatchedPixelEncoder
