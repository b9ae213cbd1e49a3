"""Swin and Swin V2: windows, shifted and padded, stages linked by merged tokens, and a mean of the last stage read."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fuse, dense_mean, dense_row_normalize, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
    with_maps,
)
from torch import Tensor, nn
from transformers.models.swin.modeling_swin import window_partition

import mmx
from mmx.asking.base import Each
from mmx.engine import attribute
from mmx.errors import CheckpointError, UsageError
from mmx.methods import all_methods, get_method
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Link, Site, links_of, sites_of

# Swin's own softmax is in float32; every step of V2 is in float64.
EXACT = {"tiny_swin": 1e-5, "tiny_swinv2": 1e-9}
HEIGHT, WIDTH, LAYERS = 36, 44, 6


@dataclass(frozen=True)
class Tiny:
    name: str
    model: Model

    @property
    def exact(self) -> float:
        return EXACT[self.name]

    def inputs(self, height: int = HEIGHT, width: int = WIDTH, batch: int = 1) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(height + width)
        return {"pixel_values": torch.randn(batch, 3, height, width, generator=generator, dtype=torch.float64)}


@pytest.fixture(scope="module", params=EXACT)
def swin(request: pytest.FixtureRequest) -> Tiny:
    folder: Path = request.getfixturevalue(request.param)
    return Tiny(request.param, mmx.load(folder, dtype="float64"))


class Enough(Exception):
    """What was looked for has been seen."""


def merged_numbers(downsample: nn.Module, rows: int, columns: int) -> Tensor:
    """(merged tokens, 4): the numbers of the tokens of each from 1 on, 0 for padding, by the class's own merge."""
    seen: list[Tensor] = []

    def see(_module: nn.Module, args: tuple[Tensor]) -> None:
        seen.append(args[0])
        raise Enough

    handles = [inside.register_forward_pre_hook(see) for inside in (downsample.norm, downsample.reduction)]
    with pytest.raises(Enough):
        downsample(torch.arange(1, rows * columns + 1).view(1, -1, 1).float(), (rows, columns))
    for handle in handles:
        handle.remove()
    return seen[0][0].long()


def window_numbers(block: nn.Module, rows: int, columns: int) -> Tensor:
    """(windows, tokens): the same of each window, by the class's own padding and partition."""
    numbers = torch.arange(1, rows * columns + 1).view(1, rows, columns, 1).float()
    padded, _ = block.maybe_pad(numbers, rows, columns)
    shifted = torch.roll(padded, (-block.shift_size, -block.shift_size), (1, 2))
    return window_partition(shifted, block.window_size).view(-1, block.window_size**2).long()


def in_full(windows: Tensor, numbers: Tensor) -> Tensor:
    """Maps of windows (windows, heads, w², w²) as one of all tokens, (1, heads, tokens, tokens), entry by entry."""
    size = int(numbers.max())
    whole = torch.zeros(1, windows.shape[1], size, size, dtype=torch.float64)
    for window, places in zip(windows, numbers.tolist(), strict=True):
        for row, one in enumerate(places):
            for col, other in enumerate(places):
                if one and other:
                    whole[0, :, one - 1, other - 1] = window[:, row, col]
    return whole


@dataclass(frozen=True)
class Dense:
    """Whole maps of each stage, what eq. 5 makes of them, and the matrices between stages."""

    maps: list[list[Tensor]]
    fused: list[list[Tensor]]
    links: list[Tensor]

    def walked(self, start: int = 0) -> Tensor:
        """R of the last stage's tokens over the patches; without the layers before the start."""
        schedule, fused, links, before = [], {}, {}, start
        for stage, layers in enumerate(self.fused):
            if stage:
                link = Link(str(stage), str(stage - 1), lambda *_: None)
                schedule, links[link] = [*schedule, link], self.links[stage - 1]
            for layer, matrix in enumerate(layers):
                site, before = Site(f"{stage}.{layer}", str(stage), str(stage)), before - 1
                schedule.append((site,))
                fused |= {site: matrix} if before < 0 else {}
        sizes = {str(stage): maps[0].shape[-1] for stage, maps in enumerate(self.maps)}
        return dense_walk(tuple(schedule), fused, sizes, links=links)[str(len(self.maps) - 1), "0"]

    def rolled(self) -> Tensor:
        product = torch.eye(self.maps[0][0].shape[-1], dtype=torch.float64)
        for stage, maps in enumerate(self.maps):
            product = self.links[stage - 1] @ product if stage else product
            for map_ in maps:
                product = dense_row_normalize(dense_mean(map_) + torch.eye(len(product))) @ product
        return product

    def attended(self) -> Tensor:
        product = dense_mean(self.maps[-1][-1])
        for link in reversed(self.links):
            product = product @ link
        return product


def blocks_of(network: nn.Module) -> Iterator[tuple[int, nn.Module]]:
    for number, stage in enumerate(network.base_model.encoder.layers):
        for block in stage.blocks:
            yield number, block


def dense(tiny: Tiny, inputs: dict[str, Tensor], target: int) -> Dense:
    """Of the class's own forward, in which it makes its maps itself; on a copy, as the class remembers sizes."""
    network = deepcopy(tiny.model.network).requires_grad_(True)
    seen: list[Tensor] = []
    for _, block in blocks_of(network):
        attention = block.attention
        module = attention if not hasattr(attention, "self") else attention.self.dropout
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(
            output[1] if isinstance(output, tuple) else output))
    with with_maps(network):
        score = network(**inputs).logits[0, target]
    found = torch.autograd.grad(score, seen)
    stages, sides = len(network.base_model.encoder.layers), [-(-side // 4) for side in inputs["pixel_values"].shape[2:]]
    maps: list[list[Tensor]] = [[] for _ in range(stages)]
    fused: list[list[Tensor]] = [[] for _ in range(stages)]
    for (stage, block), map_, gradient in zip(blocks_of(network), seen, found, strict=True):
        numbers = window_numbers(block, *(-(-side // 2**stage) for side in sides))
        maps[stage].append(in_full(map_.detach(), numbers))
        windows = [dense_fuse(one, slope) for one, slope in zip(map_.detach(), gradient, strict=True)]
        fused[stage].append(in_full(torch.stack(windows)[:, None], numbers)[0, 0])
    links = []
    for stage, layer in enumerate(network.base_model.encoder.layers[:-1]):
        rows, columns = (-(-side // 2**stage) for side in sides)
        numbers = merged_numbers(layer.downsample, rows, columns)
        link = torch.zeros(len(numbers), rows * columns, dtype=torch.float64)
        for row, places in enumerate(numbers.tolist()):
            made_of = [one - 1 for one in places if one]
            for one in made_of:
                link[row, one] = 1 / len(made_of)
        links.append(link)
    return Dense(maps, fused, links)


def mean(matrix: Tensor) -> Tensor:
    """What is read: each row of the last stage has the same weight."""
    return sum(row for row in matrix) / len(matrix)


def assert_dense(swin: Tiny, size: tuple[int, int], target: int) -> None:
    inputs = swin.inputs(*size)
    want = dense(swin, inputs, target)
    for start in (0, 1, 3, -1):
        found = swin.model.attribute(inputs, target=target, start_layer=start)
        assert found.keys() == {"image"}
        # What each token has of itself is left out: R where no layer attends.
        close(found["image"][0], mean(want.walked(start % LAYERS) - want.walked(LAYERS)), swin.exact)
    for method, matrix in (("raw-attention", want.attended()), ("rollout", want.rolled())):
        close(swin.model.attribute(inputs, method, target=target)["image"][0], mean(matrix), swin.exact)


# Of 34 x 42 pixels, the patches at the edge are padded.
@pytest.mark.parametrize(("size", "target"), [((HEIGHT, WIDTH), 0), ((34, 42), 2)], ids=str)
def test_every_row_is_the_dense_calculation(swin: Tiny, size: tuple[int, int], target: int) -> None:
    assert_dense(swin, size, target)


def test_a_stage_may_be_smaller_than_a_window_where_the_class_takes_it(swin: Tiny) -> None:
    if swin.name == "tiny_swinv2":
        return assert_dense(swin, (8, 20), 1)
    with pytest.raises(CheckpointError, match=r"SwinForImageClassification fails on pixel_values \(1 x 3 x 8 x 20\)"):
        swin.model.attribute(swin.inputs(8, 20))


def test_what_the_dense_calculation_is_made_of_is_padded_and_shifted(swin: Tiny) -> None:
    found = dense(swin, swin.inputs(), 0)
    assert [[tuple(map_.shape[1:3]) for map_ in maps] for maps in found.maps] == [
        [(2, 99), (2, 99)], [(2, 30), (2, 30)], [(4, 9), (4, 9)]]
    plain, shifted = found.maps[0]
    assert ((plain[0, 0] > 0) ^ (shifted[0, 0] > 0)).any()
    assert (plain[0, 0, -1].sum() < 0.99) and plain[0, 0, 0].sum() == pytest.approx(1)
    assert set(found.links[0].unique().tolist()) == {0, 0.25, 0.5, 1}


def test_the_schedule_has_a_stream_for_each_stage(swin: Tiny) -> None:
    schedule = swin.model.family.schedule(swin.model.network.config)
    assert [(site.rows, site.layer_of) for site in sites_of(schedule)] == [
        (stream, "image") for stream in ("image", "stage 2", "top") for _ in range(2)]
    assert [(link.rows, link.cols) for link in links_of(schedule)] == [("stage 2", "image"), ("top", "stage 2")]


@pytest.mark.parametrize("start", [6, -7])
def test_layers_are_counted_over_all_stages(swin: Tiny, start: int) -> None:
    with pytest.raises(UsageError, match=rf"There is no image layer {start}; the model has 6 \(0 to 5, or -1"):
        swin.model.attribute(swin.inputs(), start_layer=start)


def test_the_captured_forward_gives_the_logits_of_the_class(swin: Tiny) -> None:
    found = attribute(swin.model.described, swin.inputs(), all_methods()[:1]).outputs["logits"]
    with torch.no_grad():
        assert torch.equal(found, swin.model.network(**swin.inputs()).logits)


def test_the_classifier_reads_every_token_of_the_last_stage_alike(swin: Tiny) -> None:
    """The mean of its tokens is all that counts: so does their order not."""
    plain = swin.model.described.run(swin.inputs())["logits"]
    handle = swin.model.network.base_model.layernorm.register_forward_hook(lambda _module, _in, output: output.flip(1))
    torch.testing.assert_close(swin.model.described.run(swin.inputs())["logits"], plain)
    handle.remove()


def test_a_batch_is_what_each_is_alone(swin: Tiny) -> None:
    pixels, methods = swin.inputs(batch=3)["pixel_values"], swin.model.fitting_methods(["all"])[0]
    found = attribute(swin.model.described, {"pixel_values": pixels}, methods, Each([(2,), (0,), (1,)])).scores
    for sample, target in enumerate((2, 0, 1)):
        alone = attribute(swin.model.described, {"pixel_values": pixels[sample:sample + 1]}, methods, Each([(target,)]),
                          seeds=[sample]).scores
        for method in methods:
            close(found[method.name]["image"][sample], alone[method.name]["image"][0],
                  1e-6 if "lrp" in method.needs else 1e-9)


@torch.no_grad()
def looking_for(swin: Tiny, bright: Tensor) -> Model:
    """One that attends to a patch of these pixels, (3, 4, 4), and not to black ones; later layers move nothing."""
    model = deepcopy(swin.model)
    base = model.network.base_model
    (_, first), *later = blocks_of(model.network)
    seen, black = (base.embeddings(one[None])[0][0, 0] for one in (bright, torch.zeros_like(bright)))
    if swin.name == "tiny_swin":  # which attends to what is normalised
        seen, black = first.layernorm_before(seen), first.layernorm_before(black)
    for name, weights in first.attention.named_parameters():
        if any(one in name for one in ("position_bias", "q_proj", "query", "k_proj.bias", "key.bias")):
            weights.fill_(name.endswith(("q_proj.bias", "query.bias")))
        elif "logit_scale" in name:
            weights.fill_(3)
        elif any(one in name for one in ("k_proj", "key")):
            weights.copy_((seen - black).expand_as(weights))
    for _, block in later:
        for name, weights in block.attention.named_parameters():
            weights.mul_(not any(one in name for one in ("v_proj", "value")))
    return model


def test_a_bright_patch_is_found_where_it_is(swin: Tiny) -> None:
    """By the class whose score it raises most: in the middle of a window, at a seam, and at the edge."""
    bright = torch.ones(3, 4, 4, dtype=torch.float64)
    model = looking_for(swin, bright)
    blank = torch.zeros(1, 3, 48, 48, dtype=torch.float64)
    before = model.network(blank).logits
    for row, column in ((1, 1), (2, 3), (5, 6), (11, 10), (0, 9)):
        pixels = blank.clone()
        pixels[0, :, 4 * row:4 * row + 4, 4 * column:4 * column + 4] = bright
        target = int((model.network(pixels).logits - before).argmax())
        for method in ("relevance", "rollout"):
            scores = model.attribute({"pixel_values": pixels}, method, target=target)["image"][0]
            assert divmod(int(scores.argmax()), 12) == (row, column)


def test_several_targets_of_several_pictures_are_what_each_is_alone(swin: Tiny) -> None:
    pictures = [picture(), picture((40, 90), seed=1)]
    for one, found in zip(pictures, swin.model.explain(pictures, target=["dog", 0]), strict=True):
        assert [item.label for item in found] == ["dog", "cat"]
        assert_same_items(found, swin.model.explain(one, target=["dog", 0]), 1e-9)


def test_targets_in_turns_are_what_they_are_at_once(swin: Tiny) -> None:
    methods = [get_method(name) for name in ("relevance", "rollout", "relevance-lrp")]
    at_once, in_turns = (attribute(swin.model.described, swin.inputs(batch=2), methods, Each([(2, 0), (1,)]),
                                   max_memory=room).scores for room in (None, 1))
    for method, scores in at_once.items():
        close(in_turns[method]["image"], scores["image"], 1e-6)


def test_noise_has_room_for_the_windows_of_the_last_stage(swin: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of windows of 12 x 12 at 384 pixels, which 224 would be too few for."""
    monkeypatch.setattr(swin.model.network.config, "image_size", 384)
    assert swin.model.small_inputs()["pixel_values"].shape[-2:] == (384, 384)


def test_a_picture_is_explained_over_patches_of_the_first_stage(swin: Tiny) -> None:
    found = swin.model.explain(picture())
    assert found.elements["image"] == (Patches(9, 11, (0, 0, 70, 50)),)
    assert (found[0].kind, found[0].unit, found[0].scores["image"].shape) == ("class", "softmax", (99,))


def test_patches_of_a_padded_picture_reach_over_its_edge(swin: Tiny) -> None:
    """70 x 50 pixels become 42 x 34, in 11 x 9 patches of 4 x 4."""
    model = deepcopy(swin.model)
    model.parts.pictures.processor.size = {"height": 34, "width": 42}
    [patches] = model.explain(picture()).elements["image"]
    assert isinstance(patches, Patches)
    assert (patches.rows, patches.columns) == (9, 11)
    assert patches.box_xyxy_px == pytest.approx((0, 0, 70 * 44 / 42, 50 * 36 / 34))


def test_a_small_picture_changes_nothing_for_the_next(tiny_swin: Path) -> None:
    """The class itself goes on without the shift that a smaller one could not have."""
    swin = Tiny("tiny_swin", mmx.load(tiny_swin, dtype="float64"))
    small, large = swin.inputs(36, 36), swin.inputs(52, 52)
    before = swin.model.attribute(large)["image"]
    swin.model.attribute(small)
    assert torch.equal(swin.model.attribute(large)["image"], before)
    swin.model.network(**small)
    assert not torch.equal(swin.model.attribute(large)["image"], before)


def test_the_network_is_left_as_it_was(swin: Tiny) -> None:
    assert_left_alone(swin.model, swin.inputs(), swin.model.network.classifier)


def test_every_method_explains_it(swin: Tiny) -> None:
    assert_every_method_is_there(swin.model, lambda methods: swin.model.explain_methods(picture(), methods=methods))


@pytest.mark.parametrize("method", ["relevance-no-norm", "ablation-no-self-in-10"])
def test_a_method_without_sense_of_its_own_is_refused(swin: Tiny, method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} says nothing of its own about"):
        swin.model.explain(picture(), method=method)


def test_layers_that_run_again_give_the_same(swin: Tiny) -> None:
    methods = all_methods()[:1]
    want, found = (attribute(swin.model.described, swin.inputs(), methods, 1, checkpoint=again).scores
                   for again in (False, True))
    close(found["relevance"]["image"], want["relevance"]["image"], 1e-9)
