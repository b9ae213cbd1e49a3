"""Grad-ECLIP against loops over tokens and channels, on stock classes; the oracle's cases where they are."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from eager_runs import TEXTS, Exactly, clip, found, pictures, vit
from torch import Tensor

import mmx
from mmx.asking.scoring import ByFunction
from mmx.engine import attribute
from mmx.errors import CaptureError
from mmx.methods import get_method
from mmx.model.fitting import layout_of


def by_hand(attention: Any, states: Tensor, gradient: Tensor, row: int, cols: list[int]) -> Tensor:
    """Of states (tokens, width) that enter an attention and the gradient at the row of its output, heads joined."""
    names = ("q_proj", "k_proj", "v_proj")
    query, keys, values = (getattr(attention, name)(states) for name in names)
    cosines = {col: float(query[row] @ keys[col]) / math.sqrt(float(query[row] @ query[row])
                                                              * float(keys[col] @ keys[col])) for col in cols}
    low, high = min(cosines.values()), max(cosines.values())
    scores = torch.zeros(len(states), dtype=torch.float64)
    for col in cols:
        total = sum(float(gradient[c]) * float(values[col, c]) for c in range(values.shape[1]))
        scores[col] = max(0.0, total * (cosines[col] - low) / (high - low))
    return scores


def seen_at(attention: Any, output: str, run: Any) -> tuple[Any, Tensor, Tensor]:
    """What a network gave, what entered the attention, and what enters its output projection, in the graph."""
    entered: list[Tensor] = []
    handles = [attention.register_forward_pre_hook(
        lambda _module, args, given: entered.append(args[0] if args else given["hidden_states"]), with_kwargs=True),
        getattr(attention, output).register_forward_pre_hook(lambda _module, args: entered.append(args[0]))]
    try:
        with Exactly():
            outputs = run()
    finally:
        for handle in handles:
            handle.remove()
    return outputs, *entered


@pytest.mark.parametrize("padded", [False, True])
def test_a_similarity_is_told_by_the_last_attention_of_each_tower(padded: bool) -> None:
    """Of the class token over the patches, and of the end token over what stands before it."""
    network: Any = clip().network.requires_grad_(True)
    one = {"pixel_values": pictures(1, 16), "input_ids": TEXTS}
    given = found(clip(), "grad-eclip", one, None, ignore_padding=padded)
    some = 0
    for stream, tower, number, row in (("image", network.vision_model, 0, 0), ("text", network.text_model, 0, 5),
                                       ("image", network.vision_model, 1, 0), ("text", network.text_model, 1, 4)):
        attention = tower.encoder.layers[-1].self_attn
        outputs, states, mixed = seen_at(attention, "out_proj", lambda number=number: network(
            pixel_values=one["pixel_values"], input_ids=TEXTS[number:number + 1]))
        cosine = outputs.logits_per_image[0, 0] / network.logit_scale.exp()
        gradient = torch.autograd.grad(cosine, mixed)[0][0, row]
        cols = list(range(1, states.shape[1])) if stream == "image" else list(range(row))
        want = by_hand(attention, states[0], gradient, row, cols)
        expected = want[1:] if stream == "image" else want
        torch.testing.assert_close(given[stream][number], expected, rtol=1e-9, atol=1e-12)
        some += int(want.any())
    assert some >= 3


def test_classes_of_pictures_are_told_alike() -> None:
    network: Any = vit().network.requires_grad_(True)
    both, targets = pictures(2), [3, 1]
    given = found(vit(), "grad-eclip", {"pixel_values": both}, targets)["image"]
    several = found(vit(), "grad-eclip", {"pixel_values": both[:1]}, [3, 1, 0])["image"]
    attention = network.vit.layers[-1].attention
    for number, target in [(0, 3), (1, 1), (0, 0)]:
        outputs, states, mixed = seen_at(attention, "o_proj", lambda number=number: network(
            both[number:number + 1]))
        gradient = torch.autograd.grad(outputs.logits[0, target], mixed)[0][0, 0]
        want = by_hand(attention, states[0], gradient, 0, list(range(1, states.shape[1])))[1:]
        found_one = several[2] if target == 0 else given[number]
        torch.testing.assert_close(found_one, want, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(several[0], given[0])


def test_a_function_of_the_outputs_is_not_taken_for_a_multiple_of_a_similarity() -> None:
    one = {"pixel_values": pictures(1, 16), "input_ids": TEXTS[:1]}
    own = found(clip(), "grad-eclip", one, None)
    given = found(clip(), "grad-eclip", one, ByFunction(lambda outputs: outputs["logits"][:, 0], (0, 0)))
    scale: Any = clip().network.logit_scale
    for stream, scores in own.items():
        torch.testing.assert_close(given[stream], scores * scale.exp())


def test_where_the_softmax_is_the_models_own_it_is_undefined(tiny_vilt: Path) -> None:
    model = mmx.load(tiny_vilt)
    with pytest.raises(CaptureError, match="Queries and keys are not seen here"):
        attribute(model.described, model.small_inputs(), [get_method("grad-eclip")])


def test_where_several_rows_are_read_it_is_undefined(tiny_dinov2: Path) -> None:
    model = mmx.load(tiny_dinov2)
    found = attribute(model.described, model.small_inputs(), [get_method("grad-eclip"), get_method("relevance")])
    assert found.left_out == {"grad-eclip": "It reads one row, and here the score is read off several."}
    assert list(found.scores) == ["relevance"]


@pytest.mark.parametrize(("name", "said"), [
    ("tiny_clip", ""), ("tiny_siglip", ""), ("tiny_lxmert", "here streams attend to each other"),
    ("tiny_detr", "here streams attend to each other"), ("tiny_llava", "here answers are written")])
def test_families_on_which_it_is_not_defined(request: pytest.FixtureRequest, name: str, said: str) -> None:
    model = mmx.load(request.getfixturevalue(name))
    why = get_method("grad-eclip").why_not(layout_of(model.described.family, model.network.config))
    assert why.endswith(said) and bool(why) is bool(said)
