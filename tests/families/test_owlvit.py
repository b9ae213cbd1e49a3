"""OWL-ViT and OWLv2: half of what explains a detection is its patch, half [CLS], beside the words of its text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    Inputs,
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_item,
    assert_same_items,
    close,
    own_forward,
    picture,
)
from torch import Tensor

import mmx
from mmx.demo.samples import samples_for
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.images import open_picture
from mmx.methods import all_methods, get_method
from mmx.model import Job, Model
from mmx.results import Asked, Patches, Words
from mmx.schedule import Site
from mmx.studies.exam.asking import exam_of

# Logits are float32 even in a float64 model; every step before them, and every gradient, is in float64.
EXACT = 1e-9
PATCHES, TEXTS = 16, ["a red cat", "dog", "a dog or a cat"]
QUERY, TEXT = 6, 2


@pytest.fixture(scope="module", params=["tiny_owlvit", "tiny_owlv2"])
def owl(request: pytest.FixtureRequest) -> Model:
    folder: Path = request.getfixturevalue(request.param)
    return mmx.load(folder, dtype="float64")


@pytest.fixture(scope="module")
def inputs(owl: Model) -> Inputs:
    return owl.encode(picture(), text=TEXTS)


def stock(model: Model, inputs: Inputs) -> tuple[Tensor, dict[str, tuple[Tensor, ...]]]:
    """Logits, and the maps of both towers, of the class's own eager forward."""
    found = own_forward(model, inputs)
    return found.logits, {"image": found.vision_model_output.attentions, "text": found.text_model_output.attentions}


def halves(matrix: Tensor, query: int, identity: float) -> Tensor:
    """What is read of R or of a map, (1 + patches, 1 + patches): patches alone."""
    matrix = matrix - identity * torch.eye(len(matrix), dtype=matrix.dtype)
    return (0.5 * matrix[0] + 0.5 * matrix[1 + query])[1:]


def end_of(inputs: Inputs, text: int) -> int:
    """Where the model reads a text."""
    return int(inputs["input_ids"][text].argmax())


@pytest.mark.parametrize(("query", "text"), [(0, 0), (QUERY, TEXT), (PATCHES - 1, 1)])
def test_relevance_is_the_dense_calculation(owl: Model, inputs: Inputs, query: int, text: int) -> None:
    logits, maps = stock(owl, inputs)
    for start in (0, -1):
        found = owl.attribute(inputs, target=(query, text), start_layer=start, start_layer_text=start)
        for stream, own in (("image", 0), ("text", text)):
            used = {Site(str(i), stream, stream): map_ for i, map_ in enumerate(maps[stream])}
            fused = dense_fused_of(used, logits[0, query, text], own)
            sites = tuple(used)[start:]
            matrix = dense_walk(tuple((site,) for site in sites), {site: fused[site] for site in sites},
                                {stream: used[sites[0]].shape[-1]})[stream, stream]
            expected = halves(matrix, query, 1) if stream == "image" else matrix[end_of(inputs, text)]
            close(found[stream][0], expected, EXACT)


def dense_fused_of(maps: dict[Site, Tensor], score: Tensor, entry: int) -> dict[Site, Tensor]:
    """Eq. 5 of one entry of a batch of maps."""
    gradients = torch.autograd.grad(score, list(maps.values()), retain_graph=True)
    alone = {site: map_[entry:entry + 1].detach().requires_grad_() for site, map_ in maps.items()}
    linear = [(one * of_all[entry:entry + 1]).sum() for one, of_all in zip(alone.values(), gradients, strict=True)]
    return dense_fused(alone, torch.stack(linear).sum())


def test_raw_attention_and_rollout_are_the_dense_calculation(owl: Model, inputs: Inputs) -> None:
    _, maps = stock(owl, inputs)
    for method in ("raw-attention", "rollout"):
        found = owl.attribute(inputs, method, target=(QUERY, TEXT))
        for stream, entry in (("image", 0), ("text", TEXT)):
            own = [map_[entry:entry + 1] for map_ in maps[stream]]
            matrix = dense_mean(own[-1]) if method == "raw-attention" else dense_rollout(own)
            expected = halves(matrix, QUERY, 0) if stream == "image" else matrix[end_of(inputs, TEXT)]
            close(found[stream][0], expected, EXACT)


def test_a_score_reads_its_patch_and_cls_and_each_has_an_equal_share(owl: Model, inputs: Inputs) -> None:
    """No other token changes it; each number of either state, times its gradient, is the same."""
    norm = next(module for name, module in owl.network.named_modules() if name.endswith("post_layernorm"))
    calls: list[Tensor] = []

    def kept(_module: object, _inputs: object, output: Tensor) -> None:
        if output.dim() == 3:  # it runs over the pooled state as well
            calls.append(output.requires_grad_())

    handle = norm.register_forward_hook(kept)
    with torch.enable_grad():
        logits = owl.described.run(inputs)["logits"]
        [states] = calls
        (gradient,) = torch.autograd.grad(logits[0, QUERY, TEXT], states)
    handle.remove()
    assert gradient[0].abs().sum(dim=1).nonzero().flatten().tolist() == [0, 1 + QUERY]
    share = (states * gradient)[0].detach()
    close(share[0], share[1 + QUERY], 1e-6)
    assert share[0].abs().max() > 1e-3


def test_the_captured_forward_finds_what_the_class_finds(owl: Model, inputs: Inputs) -> None:
    outputs = attribute(owl.described, inputs, all_methods()[:1], (QUERY, TEXT)).outputs
    with torch.no_grad():
        plain = owl.network(**inputs)
    close(outputs["logits"], plain.logits, 1e-6)
    close(outputs["boxes"], plain.pred_boxes, 1e-12)


@pytest.mark.parametrize("size", [(70, 50), (40, 90), (32, 32)])
def test_scores_and_boxes_are_those_of_the_processors_own_post_processing(owl: Model, size: tuple[int, int]) -> None:
    """OWLv2's boxes are shares of the square that a picture is padded to."""
    image = picture(size)
    found = owl.explain(image, text=TEXTS, threshold=0.02)
    with torch.no_grad():
        plain = owl.network(**owl.encode(image, text=TEXTS))
    [listed] = owl.processor.post_process_object_detection(plain, threshold=0.02, target_sizes=[size[::-1]])
    order = listed["scores"].argsort(descending=True, stable=True).tolist()
    assert len(found) == len(order) > 0
    for item, place in zip(found, order, strict=True):
        assert item.score == pytest.approx(float(listed["scores"][place]), rel=1e-6)
        assert (item.kind, item.index, item.label) == ("detection", int(listed["labels"][place]), TEXTS[item.index])
        assert item.box_xyxy_px == pytest.approx(listed["boxes"][place].tolist(), abs=1e-4)
        assert (item.unit, len(item.predictions)) == ("sigmoid", len(TEXTS))


def test_patches_cover_what_the_model_is_shown(tiny_owlvit: Path, tiny_owlv2: Path) -> None:
    """OWL-ViT squeezes pictures, OWLv2 pads them."""
    for folder, shown in ((tiny_owlvit, (0, 0, 70, 50)), (tiny_owlv2, (0, 0, 70, 70))):
        found = mmx.load(folder).explain(picture((70, 50)), text="dog", query=3)
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches)
        assert (patches.rows, patches.columns, patches.box_xyxy_px) == (4, 4, shown)
        assert found.heatmap().shape == (50, 70)
        assert found.to_image().mode == "RGB"


def test_each_detection_has_patches_and_the_words_of_its_own_text(owl: Model) -> None:
    found = owl.explain(picture(), text=TEXTS, threshold=0.0)
    assert len(found) == PATCHES and [item.score for item in found] == sorted(
        (item.score for item in found), reverse=True)
    for item in found:
        [words] = item.elements["text"]
        assert isinstance(words, Words) and words.text == item.label == TEXTS[item.index]
        assert {stream: scores.shape for stream, scores in item.scores.items()} == {
            "image": (PATCHES,), "text": (len(words),)}
        assert item.score == max(one.score for one in item.predictions)
        assert item.predictions[0].label == item.label


def test_several_pictures_and_texts_of_a_batch_are_what_each_is_alone(owl: Model) -> None:
    """Of several lengths and orders, and a text that only one of them is asked about."""
    asked = [Asked(texts=("a red cat", "dog"), threshold=0.0), Asked(texts=("a dog or a cat", "dog"), queries=(2, 5)),
             Asked(texts=("dog", "a red cat"), threshold=0.0, class_name="dog"),
             Asked(texts=("cat",), queries=(4,), class_name="cat")]
    jobs = [Job(open_picture(picture(seed=seed)), one) for seed, one in enumerate(asked)]
    methods = [get_method(name) for name in ("relevance", "rollout", "partial-lrp", "random")]
    for job, together in zip(jobs, owl.explain_batch(jobs, methods), strict=True):
        [alone] = owl.explain_batch([job], methods)
        for one, other in zip(together, alone, strict=True):
            assert_same_items(one, other, 1e-7)
            assert [item.query for item in one] == [item.query for item in other]
            for item, twin in zip(one.others, other.others, strict=True):
                assert_same_item(item, twin, 1e-7)


def test_a_text_is_what_it_is_without_the_others(owl: Model) -> None:
    several = owl.explain(picture(), text=TEXTS, query=QUERY, class_name=TEXTS[1])[0]
    alone = owl.explain(picture(), text=TEXTS[1], query=QUERY)[0]
    assert_same_item(replace(several, index=0), alone, EXACT)


def test_a_class_is_one_of_the_texts(owl: Model) -> None:
    every = owl.explain(picture(), text=TEXTS, threshold=0.0)
    kept = owl.explain(picture(), text=TEXTS, threshold=0.0, class_name=every[0].label.upper())
    assert kept.asked.class_name == every[0].label
    assert [item.query for item in kept] == [item.query for item in every if item.label == every[0].label]
    [item] = owl.explain(picture(), text=TEXTS, query=QUERY, class_name="1")
    assert (item.query, item.index, item.label) == (QUERY, 1, "dog")


def test_little_memory_gives_the_same(owl: Model) -> None:
    one, other = (owl.explain(picture(), text=TEXTS, threshold=0.0, max_memory=size) for size in (2_000_000, None))
    assert_same_items(one, other, 1e-7)


def test_the_network_is_left_as_it_was(owl: Model, inputs: Inputs) -> None:
    assert_left_alone(owl, inputs, owl.network.class_head)


def test_every_method_explains_it(owl: Model) -> None:
    assert_every_method_is_there(
        owl, lambda methods: owl.explain_methods(picture(), methods=methods, text=TEXTS, query=[QUERY, 2]))


def test_the_patch_that_is_read_does_not_outshine_all_that_it_looks_at(owl: Model) -> None:
    """With the identity, half of 1 would be added to its own relevance."""
    scores = owl.explain(picture(), text=TEXTS, query=QUERY)[0].scores["image"]
    assert scores[QUERY] < 0.5 and np.count_nonzero(scores) == PATCHES


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": " "}, "A text is empty"),
    ({"text": TEXTS, "query": PATCHES}, r"There is no query 16; .* has 16 \(0 to 15\)"),
    ({"text": TEXTS, "class_name": "cow"}, "'cow' is none of the texts"),
    ({"text": TEXTS, "target": 1}, "finds what texts say: a target does not fit it"),
    ({"text": TEXTS, "question": "a cat?"}, "a question does not fit it"),
    ({"text": TEXTS, "query": 1, "threshold": 0.4}, "no threshold fits it"),
    ({"text": "a cat and " * 9}, "tokens; .* takes 16 at most")])
def test_what_cannot_be_asked_of_it(owl: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        owl.explain(picture(), **asked)


def test_what_is_for_detectors_of_classes_is_refused(owl: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finds what texts say; only a detector of classes can be scored by masks"):
        mmx.segment(owl, protocol="clean", out=tmp_path / "out")
    with pytest.raises(UsageError, match=r"There is no exam on drawn scenes for what .* does"):
        exam_of(owl)
    assert all(sample.texts for sample in samples_for(owl.asking))
