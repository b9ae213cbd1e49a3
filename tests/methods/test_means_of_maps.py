"""Methods that read all maps alike, against loops over the maps of stock classes' own eager attention."""

from pathlib import Path

import pytest
import torch
from eager_runs import HEADS, LAYERS, TEXTS, Eager, clip, found, of_clip, of_vit, pictures, vit
from torch import Tensor

import mmx
from mmx.model import Model

WHOLE = {"image": 0, "text": 0}
TARGETS = [3, 0, 4]


def mean_map(run: Eager) -> Tensor:
    return sum(map_[head] for map_ in run.maps for head in range(HEADS)) / (LAYERS * HEADS)


def weighted(run: Eager) -> Tensor:
    """Entry by entry, what of the gradient is positive times attention."""
    total = torch.zeros_like(run.maps[0][0])
    for map_, gradient in zip(run.maps, run.map_gradients, strict=True):
        for head in range(HEADS):
            for row, col in torch.cartesian_prod(*map(torch.arange, total.shape)).tolist():
                if gradient[head, row, col] > 0:
                    total[row, col] += map_[head, row, col] * gradient[head, row, col] / (LAYERS * HEADS)
    return total


DENSE = {"mean-attention": mean_map, "grad-sam": weighted}


@pytest.mark.parametrize("method", DENSE)
def test_classes_of_a_picture_are_told_by_the_row_of_cls(method: str) -> None:
    one = {"pixel_values": pictures(1)}
    rows = found(vit(), method, one, TARGETS)["image"]
    want = torch.stack([DENSE[method](of_vit(one, target))[0, 1:] for target in TARGETS])
    torch.testing.assert_close(rows, want, rtol=1e-9, atol=1e-12)
    assert torch.equal(rows[0], rows[1]) is (method == "mean-attention")


@pytest.mark.parametrize("method", DENSE)
def test_pictures_of_a_batch_are_what_they_are_alone(method: str) -> None:
    both = pictures(2)
    together = found(vit(), method, {"pixel_values": both}, [3, 1])["image"]
    alone = [found(vit(), method, {"pixel_values": both[number:number + 1]}, target)["image"]
             for number, target in enumerate((3, 1))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", DENSE)
def test_both_towers_of_a_pair_are_read_and_no_padding(method: str) -> None:
    one = {"pixel_values": pictures(1, 16), "input_ids": TEXTS}
    given = found(clip(), method, one, None, start_layers=WHOLE, ignore_padding=True)
    scale = 1.0 if method == "mean-attention" else float(clip().network.logit_scale.detach().exp())
    for number, ends in enumerate((5, 4)):
        runs = of_clip({"pixel_values": one["pixel_values"], "input_ids": TEXTS[number:number + 1]})
        image, text = DENSE[method](runs["image"])[0, 1:], DENSE[method](runs["text"])[ends]
        torch.testing.assert_close(given["image"][number], scale * image, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(given["text"][number], scale * text, rtol=1e-9, atol=1e-12)
        assert not given["text"][number, ends + 1:].any()


@pytest.fixture(scope="module")
def llava(tiny_llava: Path) -> Model:
    return mmx.load(tiny_llava, dtype="float64")


@pytest.mark.parametrize("method", DENSE)
def test_a_written_token_is_told_by_the_row_before_it(llava: Model, method: str) -> None:
    size = (60, 40)
    inputs = llava.encode(torch.zeros(3, size[1], size[0]).byte().permute(1, 2, 0).numpy(), "what color is it?")
    ids = inputs["input_ids"]
    network = llava.network.requires_grad_(True)
    before = network.config._attn_implementation
    try:
        network.set_attn_implementation("eager")
        outputs = network(**inputs, output_attentions=True)
        places = [ids.shape[1] - 2, ids.shape[1] - 1]
        scores = [outputs.logits[0, place - 1, ids[0, place]] for place in places]
        gradients = [torch.autograd.grad(score, outputs.attentions, retain_graph=True) for score in scores]
    finally:
        network.set_attn_implementation(before)
        network.requires_grad_(False)
    rows = llava.attribute(inputs, method, target=places)
    is_image = ids[0] == network.config.image_token_id
    for number, place in enumerate(places):
        fused = sum((map_[0] * (1 if method == "mean-attention" else gradient[0].clamp(min=0))).mean(dim=0)
                    for map_, gradient in zip(outputs.attentions, gradients[number], strict=True))
        want = fused.detach()[place - 1] / len(outputs.attentions)
        torch.testing.assert_close(rows["image"][number].double(), want[is_image].double(), rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(rows["text"][number].double(), want[~is_image].double(), rtol=1e-4, atol=1e-7)
