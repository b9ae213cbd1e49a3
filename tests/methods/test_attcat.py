"""AttCAT against loops over the layers of stock classes, with the states and gradients that autograd gives."""

from pathlib import Path

import pytest
import torch
from eager_runs import HEADS, TEXTS, Eager, clip, found, of_clip, of_vit, pictures, vit
from torch import Tensor

import mmx
from mmx.engine import attribute
from mmx.methods import get_method


def impacts(run: Eager, tokens: int) -> Tensor:
    """Of the first tokens, which are those that count."""
    scores = torch.zeros(len(run.states[0]), dtype=torch.float64)
    for layer, map_ in enumerate(run.maps):
        for token in range(tokens):
            own = float(run.states[layer][token] @ run.state_gradients[layer][token])
            got = sum(float(map_[head, row, token]) for head in range(HEADS) for row in range(tokens))
            scores[token] += own * got / (HEADS * tokens)
    return scores


def test_classes_of_a_picture_have_signed_scores() -> None:
    one = {"pixel_values": pictures(1)}
    rows = found(vit(), "attcat", one, [3, 0, 4])["image"]
    want = torch.stack([impacts(of_vit(one, target), 10)[1:] for target in (3, 0, 4)])
    torch.testing.assert_close(rows, want, rtol=1e-9, atol=1e-12)
    assert (rows < 0).any() and (rows > 0).any()


def test_pictures_of_a_batch_are_what_they_are_alone() -> None:
    both = pictures(2)
    together = found(vit(), "attcat", {"pixel_values": both}, [3, 1])["image"]
    alone = [found(vit(), "attcat", {"pixel_values": both[number:number + 1]}, target)["image"]
             for number, target in enumerate((3, 1))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("start", [0, -1])
def test_both_towers_of_a_pair_are_read_and_no_padding(start: int) -> None:
    """From a layer on, too: its states are those that enter it."""
    one = {"pixel_values": pictures(1, 16), "input_ids": TEXTS}
    given = found(clip(), "attcat", one, None, start_layers={"image": start, "text": start}, ignore_padding=True)
    scale = float(clip().network.logit_scale.detach().exp())
    for number, ends in enumerate((5, 4)):
        for stream, run in of_clip({"pixel_values": one["pixel_values"],
                                    "input_ids": TEXTS[number:number + 1]}).items():
            read = Eager(run.maps[start:], run.map_gradients, run.states[:-1][start:], run.state_gradients[:-1][start:])
            want = scale * impacts(read, len(run.states[0]) if stream == "image" else ends + 1)
            torch.testing.assert_close(given[stream][number], want[1:] if stream == "image" else want,
                                       rtol=1e-9, atol=1e-12)


def test_where_several_streams_run_through_a_layer_it_is_undefined(tiny_lxmert: Path) -> None:
    model = mmx.load(tiny_lxmert)
    found = attribute(model.described, model.small_inputs(), [get_method("attcat"), get_method("relevance")])
    assert found.left_out == {"attcat": "The states that enter each layer are not seen here."}
