"""ViT: its schedule, what may be named as a class, and that several classes of several pictures share one forward."""

from pathlib import Path

import pytest
import torch
from family_checks import with_maps
from PIL import Image
from transformers import ViTConfig

import mmx
from mmx.asking.base import Each
from mmx.engine import attribute
from mmx.errors import CheckpointError, UsageError
from mmx.families.vit import FAMILY
from mmx.methods import get_method, method_names, with_samples
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import sites_of


@pytest.fixture(scope="module")
def vit(tiny_vit: Path) -> Model:
    return mmx.load(tiny_vit, dtype="float64")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 24, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def photo(size: tuple[int, int] = (70, 50)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    image.paste((200, 30, 30), (5, 5, 30, 40))
    return image


def test_the_schedule_is_a_self_attention_for_each_layer() -> None:
    sites = sites_of(FAMILY.schedule(ViTConfig(num_hidden_layers=2)))
    assert [(site.module, site.rows, site.cols) for site in sites] == [
        ("vit.layers.0.attention", "image", "image"), ("vit.layers.1.attention", "image", "image")]


def test_classes_of_each_sample_become_items_in_order(vit: Model) -> None:
    logits = torch.tensor([[0.1, 0.9, 0.5], [3.0, 2.0, 1.0]])
    chosen = vit.asking.choose({"logits": logits}, Each([(2, None), (None,)]))
    assert chosen.samples.tolist() == [0, 0, 1]
    assert chosen.targets.tolist() == [2, 1, 0]
    assert torch.equal(chosen.scores, torch.tensor([0.5, 0.9, 3.0]))


def test_several_classes_in_a_batch_are_what_each_is_alone(vit: Model, pixels: torch.Tensor) -> None:
    methods = with_samples([get_method(name) for name in method_names() if name != "random"], 3)
    found = attribute(vit.described, {"pixel_values": pixels}, methods, Each([(3, None, 0), (1,)]), seeds=[0, 0]).scores
    for method in methods:
        alone = [vit.attribute({"pixel_values": pixels[sample:sample + 1]}, method.name, target=target,
                               samples=3)["image"] for sample, target in ((0, 3), (0, None), (0, 0), (1, 1))]
        assert found[method.name]["image"].shape == (4, 6)
        # Attention takes its softmax in float32.
        torch.testing.assert_close(found[method.name]["image"], torch.cat(alone), rtol=1e-4, atol=1e-7)


def test_relevance_is_the_class_tokens_row_of_the_product(vit: Model, pixels: torch.Tensor) -> None:
    """R = (I + Ā_3)(I + Ā_2)(I + Ā_1), in full matrices; from a start layer on, the later ones alone."""
    maps: list[torch.Tensor] = []
    handles = [layer.attention.register_forward_hook(lambda _module, _inputs, output: maps.append(output[1]))
               for layer in vit.network.vit.layers]
    root = vit.network.vit.embeddings.register_forward_hook(lambda _module, _inputs, output: output.requires_grad_())
    with with_maps(vit.network):
        score = vit.network(pixel_values=pixels[:1]).logits[0, 3]
    for handle in (*handles, root):
        handle.remove()
    fused = [(a * g).clamp(min=0).mean(dim=1)[0] for a, g in
             zip(maps, torch.autograd.grad(score, maps), strict=True)]
    identity = torch.eye(7, dtype=torch.float64)
    for start in (0, 1, 2, -1):
        product = identity
        for layer in fused[start:]:
            product = (identity + layer) @ product
        found = vit.attribute({"pixel_values": pixels[:1]}, target=3, start_layer=start)["image"][0]
        # The class makes its own maps by a softmax in float32.
        torch.testing.assert_close(found, product[0, 1:], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("options", "message"), [
    ({"start_layer": 3}, r"There is no image layer 3; the model has 3 \(0 to 2, or -1 for the last\)"),
    ({"start_layer": -4}, "There is no image layer -4"),
    ({"start_layer_text": 0}, "tiny-vit has no text layers of its own")])
def test_a_start_layer_that_there_is_not_is_refused(vit: Model, pixels: torch.Tensor, options: dict[str, int],
                                                    message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vit.attribute({"pixel_values": pixels}, **options)


def test_other_families_have_no_start_layer(tiny_lxmert: Path) -> None:
    with pytest.raises(UsageError, match="tiny-lxmert always reads all its image layers"):
        mmx.load(tiny_lxmert).explain(photo(), "is it red?", start_layer=1)


def test_the_grid_is_that_of_a_picture_that_is_not_square(vit: Model) -> None:
    found = vit.explain(photo())
    assert [(one.kind, one.label, one.unit) for one in found] == [("class", found.predictions[0].label, "softmax")]
    assert found.elements == {"image": (Patches(2, 3, (0, 0, 70, 50)),)}
    assert found[0].scores["image"].shape == (6,)
    assert len(found.predictions) == 5
    assert sum(one.score for one in found.predictions) == pytest.approx(1)


@pytest.mark.parametrize(("target", "indices"), [
    ("red circle", [3]), (" Red Circle ", [3]), ("tabby cat", [0]), ("tiger", [4]), ("2", [2]), (1, [1]), (0, [0]),
    (["red circle", 0, "3"], [3, 0]), (("tiger", "tabby, tabby cat"), [4, 0])])
def test_classes_by_name_one_of_their_names_or_number(vit: Model, target: object, indices: list[int]) -> None:
    assert [one.index for one in vit.explain(photo(), target=target)] == indices


@pytest.mark.parametrize(("target", "message"), [
    ("crane", r"'crane' names several classes: 1 \(crane\), 2 \(crane\)\. Give the number of one"),
    ("tabby", r"'tabby' names several classes: 0 \(tabby, tabby cat\), 4 \(tiger, tabby\)"),
    ("red cirle", r"not a class of [\w/.-]+\. Did you mean 'red circle'\?"), (5, "'5' is not a class"),
    (["tiger", ""], "'' is not a class")])
def test_what_is_no_class_is_named(vit: Model, target: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vit.explain(photo(), target=target)


@pytest.mark.parametrize(("asked", "what"), [
    ({"question": "is it red?"}, "a question does"), ({"text": "a dog"}, "a text does"),
    ({"threshold": 0.5}, "a threshold does"), ({"query": 0}, "a query does"),
    ({"class_name": "crane"}, "a class of detections does")])
def test_what_is_not_asked_of_a_classifier(vit: Model, asked: dict, what: str) -> None:
    with pytest.raises(UsageError, match=f"classifies pictures: {what} not fit it"):
        vit.explain(photo(), **asked)


def test_several_pictures_give_a_result_each(vit: Model) -> None:
    pictures = [photo(), photo((40, 90))]
    together = vit.explain(pictures, target=["tiger", 1])
    assert [found.picture.image.size for found in together] == [(70, 50), (40, 90)]
    for picture, found in zip(pictures, together, strict=True):
        for one, alone in zip(found, vit.explain(picture, target=["tiger", 1]), strict=True):
            torch.testing.assert_close(torch.tensor(one.scores["image"]), torch.tensor(alone.scores["image"]))


@pytest.mark.parametrize("method", ["relevance-no-norm", "relevance-lrp-no-norm", "ablation-no-self-in-10"])
def test_a_method_without_sense_of_its_own_is_refused(vit: Model, method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} says nothing of its own about"):
        vit.explain(photo(), method=method)


def test_a_processor_of_another_size_than_the_model_is_an_error(tiny_vit: Path) -> None:
    model = mmx.load(tiny_vit)
    model.parts.pictures.processor.size = {"height": 24, "width": 24}
    with pytest.raises(CheckpointError, match="makes pictures of 24 x 24 pixels; the model takes 24 x 36"):
        model.explain(photo())


def test_parameters_stay_as_they_were(vit: Model, pixels: torch.Tensor) -> None:
    vit.attribute({"pixel_values": pixels}, "transformer-attribution")
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in vit.network.parameters())


def test_classes_without_names_are_numbers_and_a_note_says_so(tiny_vit: Path) -> None:
    model = mmx.load(tiny_vit)
    count = model.network.config.num_labels
    model.network.config.id2label = {index: f"LABEL_{index}" for index in range(count)}
    assert list(model.labels) == [f"class {index}" for index in range(count)]
    [note] = model.warnings
    assert note.endswith("does not name its classes, so they are numbers: give `answers=FILE`")
