"""ViLT: words and patches in one stream, in the grid's order though the stock class shuffles them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, assert_same_items, close, picture
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.schedule import Site

QUESTION = "what color is the circles?"
WORDS, ROWS, COLUMNS = 9, 4, 5
FIRST_PATCH = WORDS + 1
"""Behind the words and the picture's own [CLS]."""
# Every step of this class is in float64; sums over patches in another order differ in their last bits.
EXACT = 1e-9


@pytest.fixture(scope="module")
def vilt(tiny_vilt: Path) -> Model:
    return mmx.load(tiny_vilt, dtype="float64")


@pytest.fixture(scope="module")
def inputs(vilt: Model) -> dict[str, Tensor]:
    return vilt.encode(picture(), QUESTION)


@contextmanager
def places_drawn(model: Model) -> Iterator[list[Tensor]]:
    """Where in the grid each patch of the stock class's own forwards is, (patches,) row by row numbers."""
    embeddings, drawn = model.network.vilt.embeddings, []
    stock = embeddings.visual_embed

    def seen(*given: object, **named: object) -> tuple:
        values, mask, (places, grid) = stock(*given, **named)
        drawn.append((places[..., 0] * grid[1] + places[..., 1])[0])
        return values, mask, (places, grid)

    embeddings.visual_embed = seen
    try:
        yield drawn
    finally:
        del embeddings.visual_embed


def stock(model: Model, inputs: dict[str, Tensor], seed: int) -> tuple[Tensor, list[Tensor]]:
    """Logits and attention maps of the class itself, whose patches are put back into the grid's order."""
    model.network.requires_grad_(True)
    torch.manual_seed(seed)
    try:
        with places_drawn(model) as drawn:
            found = model.network(**inputs, output_attentions=True)
    finally:
        model.network.requires_grad_(False)
    order = torch.cat([torch.arange(FIRST_PATCH), FIRST_PATCH + drawn[0].argsort()])
    return found.logits, [*found.attentions, order]


def in_order(matrix: Tensor, order: Tensor) -> Tensor:
    return matrix[order][:, order]


@pytest.mark.parametrize("target", [0, 2])
def test_relevance_is_the_dense_calculation_on_the_class_itself(vilt: Model, inputs: dict[str, Tensor],
                                                                target: int) -> None:
    logits, (*maps, order) = stock(vilt, inputs, seed=1)
    sites = {Site(str(i), "joint", "joint"): map_ for i, map_ in enumerate(maps)}
    fused = {site: in_order(one, order) for site, one in dense_fused(sites, logits[0, target]).items()}
    size = {"joint": FIRST_PATCH + ROWS * COLUMNS}
    row = dense_walk(tuple((site,) for site in fused), fused, size)["joint", "joint"][0]
    found = vilt.attribute(inputs, target=target)
    assert found.keys() == {"text", "image"}
    close(found["text"][0], row[:WORDS], EXACT)
    close(found["image"][0], row[FIRST_PATCH:], EXACT)


def test_raw_attention_and_rollout_are_the_dense_calculation(vilt: Model, inputs: dict[str, Tensor]) -> None:
    _, (*maps, order) = stock(vilt, inputs, seed=2)
    for method, matrix in (("raw-attention", dense_mean(maps[-1])), ("rollout", dense_rollout(maps))):
        row, found = in_order(matrix, order)[0], vilt.attribute(inputs, method)
        close(found["text"][0], row[:WORDS], EXACT)
        close(found["image"][0], row[FIRST_PATCH:], EXACT)


def test_the_captured_forward_gives_the_logits_of_the_class(vilt: Model, inputs: dict[str, Tensor]) -> None:
    """In every order of the patches: only the order of sums differs."""
    captured = vilt.described.run(inputs)["logits"]
    for seed in range(3):
        torch.manual_seed(seed)
        with torch.no_grad():
            torch.testing.assert_close(captured, vilt.network(**inputs).logits, rtol=1e-10, atol=1e-12)


def test_two_forwards_give_the_same_map_though_the_class_shuffles(vilt: Model, inputs: dict[str, Tensor]) -> None:
    orders, maps = [], []
    for seed in range(2):
        torch.manual_seed(seed)
        with places_drawn(vilt) as drawn, torch.no_grad():
            vilt.network(**inputs)
        orders.append(drawn[0].tolist())
        torch.manual_seed(seed)
        maps.append(vilt.attribute(inputs, target=1)["image"])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == list(range(ROWS * COLUMNS))
    assert torch.equal(*maps)


@pytest.mark.parametrize("place", [(0, 0), (1, 3), (3, 4)])
def test_patches_are_in_the_order_of_the_grid(vilt: Model, inputs: dict[str, Tensor], place: tuple[int, int]) -> None:
    """The token of a patch that is made brighter is the only one that enters the layers as another."""
    row, column = place
    pixels = inputs["pixel_values"].clone()
    pixels[..., 8 * row:8 * row + 8, 8 * column:8 * column + 8] += 1
    seen: list[Tensor] = []
    handle = vilt.network.vilt.embeddings.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output[0].detach()[0]))
    for one in (inputs, {**inputs, "pixel_values": pixels}):
        vilt.attribute(one)
    handle.remove()
    assert (seen[0] != seen[1]).any(dim=1).nonzero().flatten().tolist() == [FIRST_PATCH + row * COLUMNS + column]


def test_a_patch_that_is_moved_takes_its_scores_with_it(vilt: Model, inputs: dict[str, Tensor]) -> None:
    """Where no position embedding says that it was moved."""
    embeddings = vilt.network.vilt.embeddings
    kept = embeddings.position_embeddings.clone()
    embeddings.position_embeddings[:, 1:] = 0
    try:
        pixels = inputs["pixel_values"].clone()
        pixels[..., :8, :8], pixels[..., 16:24, 24:32] = (inputs["pixel_values"][..., 16:24, 24:32],
                                                          inputs["pixel_values"][..., :8, :8])
        before, after = (vilt.attribute(one, target=0)["image"][0] for one in
                         (inputs, {**inputs, "pixel_values": pixels}))
    finally:
        embeddings.position_embeddings.copy_(kept)
    moved = list(range(ROWS * COLUMNS))
    moved[0], moved[2 * COLUMNS + 3] = moved[2 * COLUMNS + 3], moved[0]
    close(after, before[moved], EXACT)
    assert abs(float(before[0] - before[moved[0]])) > 1e-6


def test_a_batch_of_two_is_what_each_is_alone(vilt: Model) -> None:
    """With questions of two lengths, which are padded."""
    alone = [vilt.encode(picture(seed=seed), question) for seed, question in ((0, QUESTION), (1, "red?"))]
    encoder = vilt.parts.texts
    assert encoder is not None
    together = vilt.to_model({**encoder.collate(encoder.prepare([QUESTION, "red?"])), **{
        name: torch.cat([one[name] for one in alone]) for name in ("pixel_values", "pixel_mask")}})
    for flip in (False, True):
        given = {name: value.flip(0) for name, value in together.items()} if flip else together
        found = mmx.engine.attribute(vilt.described, given, [mmx.methods.get_method("relevance")], [1, 1],
                                     ignore_padding=True).scores["relevance"]
        for place, one in enumerate(reversed(alone) if flip else alone):
            want = vilt.attribute(one, target=1)
            length = want["text"].shape[1]
            close(found["text"][place, :length], want["text"][0], EXACT)
            close(found["image"][place], want["image"][0], EXACT)
            assert not found["text"][place, length:].any()


def test_pictures_of_two_sizes_in_one_call_have_grids_of_their_own(vilt: Model) -> None:
    pictures = [picture((70, 50)), picture((30, 60), seed=1), picture((70, 50), seed=2)]
    together = vilt.explain(pictures, QUESTION, target=0)
    grids = []
    for one, found in zip(pictures, together, strict=True):
        assert_same_items(found, vilt.explain(one, QUESTION, target=0), EXACT)
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches)
        assert patches.box_xyxy_px == (0, 0, *one.size)
        grids.append((patches.rows, patches.columns))
        assert found[0].scores["image"].shape == (len(patches),)
    # 70 x 50 pixels become 44 x 32; 30 x 60 become 26 x 53, as one side is at most 1333/800 of 32; then whole patches.
    assert grids == [(4, 5), (6, 3), (4, 5)]


def test_a_picture_that_is_padded_in_its_batch_has_its_own_patches_first_and_nothing_behind(vilt: Model) -> None:
    """The class draws padding at random, in the place of patches that there are not."""
    large, small = (vilt.encode(picture(size), QUESTION) for size in ((70, 50), (50, 50)))
    assert [one["pixel_values"].shape[-2:] for one in (large, small)] == [(32, 40), (32, 32)]
    padded = {name: torch.cat([large[name], small[name]]) for name in large if "pixel" not in name}
    for name in ("pixel_values", "pixel_mask"):
        padded[name] = torch.cat([large[name], torch.nn.functional.pad(small[name], (0, 8))])
    for seed in range(3):
        torch.manual_seed(seed)
        found = vilt.attribute(padded, target=0)["image"]
        close(found[0], vilt.attribute(large, target=0)["image"][0], EXACT)
        close(found[1, :16], vilt.attribute(small, target=0)["image"][0], EXACT)
        assert not found[1, 16:].any()


def test_an_answer_is_explained_with_its_own_probability(vilt: Model) -> None:
    """It was trained with a sigmoid for each answer, which need not sum to 1."""
    found = vilt.explain(picture(), QUESTION, target=["blue", 0])
    logits = vilt.described.run(vilt.encode(picture(), QUESTION))["logits"][0]
    assert [(item.kind, item.label, item.unit) for item in found] == [
        ("answer", "blue", "sigmoid"), ("answer", "red", "sigmoid")]
    assert [item.score for item in found] == pytest.approx(logits.sigmoid()[[1, 0]].tolist(), abs=1e-6)
    assert [one.index for one in found.predictions] == logits.argsort(descending=True).tolist()
    assert all(one.unit == "sigmoid" for one in found.predictions)
    [words] = found.elements["text"]
    assert isinstance(words, Words)
    assert [token.text for token in words.tokens] == ["[CLS]", "what", "color", "is", "the", "circle", "s", "?",
                                                      "[SEP]"]
    assert all(item.scores["text"].shape == (WORDS,) for item in found)


def test_the_network_is_left_as_it_was(vilt: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(vilt, inputs, vilt.network.vilt.encoder.layer[1])
    assert "visual_embed" not in vars(vilt.network.vilt.embeddings)


def test_every_method_explains_it(vilt: Model) -> None:
    assert_every_method_is_there(vilt, lambda methods: vilt.explain_methods(picture(), QUESTION, methods))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No question was given"), ({"question": " "}, "The question is empty"),
    ({"question": "red " * 19}, "The question has 21 tokens; .* takes 20 at most"),
    ({"question": "red?", "target": "green"}, "'green' is not an answer of "),
    ({"question": "red?", "text": "red"}, "a text does not fit it"),
    ({"question": "red?", "start_layer": 0}, "has no image layers of its own")])
def test_what_cannot_be_asked_of_it(vilt: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vilt.explain(picture(), **asked)
