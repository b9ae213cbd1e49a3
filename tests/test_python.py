"""What a person at a Python prompt gives and gets: pictures of any kind, several questions, torch's objects, reprs."""

import inspect
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mmx
from mmx.cli.errors import as_told
from mmx.cli.fields import with_options
from mmx.demo.answers import told
from mmx.elements.providers.frcnn import load_region_detector
from mmx.errors import ImageError, MmxError, UsageError
from mmx.model import Model
from mmx.model.inspection import inspect as look_over
from mmx.perturbation.encoded import Perturbation
from mmx.results import Block, Item, Patches

QUESTIONS = ["is it red?", "is it a circle?"]


@pytest.fixture(scope="module")
def lxmert(tiny_lxmert: Path) -> Model:
    return mmx.load(tiny_lxmert, "cpu")


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(24, 32, 3), dtype=np.uint8))


def assert_same(found: mmx.Explanation, other: mmx.Explanation) -> None:
    assert found.asked == other.asked and found.pictures == other.pictures
    for one, same in zip(found, other, strict=True):
        assert (one.index, one.label) == (same.index, same.label)
        for stream, scores in one.scores.items():
            np.testing.assert_allclose(scores, same.scores[stream], atol=1e-6)


def test_a_list_of_questions_gives_a_result_each(lxmert: Model) -> None:
    found = lxmert.explain(picture(), QUESTIONS)
    assert [one.asked.question for one in found] == QUESTIONS
    for one, question in zip(found, QUESTIONS, strict=True):
        assert_same(one, lxmert.explain(picture(), question))


def test_one_in_a_list_gives_a_list_of_one(lxmert: Model) -> None:
    for found in (lxmert.explain([picture()], "is it red?"), lxmert.explain(picture(), ["is it red?"]),
                  lxmert.explain((picture(),), ("is it red?",))):
        [one] = found
        assert_same(one, lxmert.explain(picture(), "is it red?"))
    assert lxmert.explain([], "is it red?") == [] == lxmert.explain(picture(), [])


def test_several_pictures_and_questions_go_in_pairs(lxmert: Model) -> None:
    found = lxmert.explain([picture(0), picture(1)], QUESTIONS)
    for place, one in enumerate(found):
        assert_same(one, lxmert.explain(picture(place), QUESTIONS[place]))
    with pytest.raises(UsageError, match="3 pictures and 2 questions do not go together"):
        lxmert.explain([picture()] * 3, QUESTIONS)


def test_every_question_is_checked_before_any_is_asked(lxmert: Model) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        lxmert.explain(picture(), ["is it red?", " "])


def test_several_methods_of_several_questions(lxmert: Model) -> None:
    names = ["relevance", "rollout"]
    found = lxmert.explain_methods(picture(), QUESTIONS, names)
    assert [[(one.asked.question, one.method) for one in by_method] for by_method in found] == [
        [(question, name) for name in names] for question in QUESTIONS]
    assert [one.method for one in lxmert.explain_methods(picture(), QUESTIONS[0], names)] == names


def test_a_picture_that_several_questions_are_about_is_looked_at_once(
        lxmert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encoder = lxmert.parts.pictures
    prepare = encoder.prepare
    monkeypatch.setattr(encoder, "prepare", lambda given: seen.append(len(given)) or prepare(given))
    lxmert.explain([picture(0), picture(0), picture(1)], "is it red?")
    assert seen == [2]


def content(image: Image.Image, kind: str = "PNG") -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


def test_pictures_of_every_kind_are_one(lxmert: Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content(picture()))
    kinds: list[Any] = [tmp_path / "a.png", str(tmp_path / "a.png"), picture(), np.asarray(picture()),
                        content(picture())]
    first, *others = (one[0].scores["image"] for one in lxmert.explain(kinds, "is it red?"))
    for scores in others:
        np.testing.assert_allclose(scores, first, atol=1e-6)
    assert lxmert.explain(content(picture()), "is it red?").picture.source == "<bytes>"
    grey = np.asarray(picture().convert("L"))
    assert lxmert.explain(grey, "is it red?").picture.size == (32, 24)


@pytest.mark.parametrize(("given", "said"), [
    (np.zeros((4, 4), np.float32), "An array of float32 with shape (4, 4) is not a picture. Give uint8"),
    (np.zeros((2, 4, 4, 3), np.uint8), "An array of uint8 with shape (2, 4, 4, 3) is not a picture."),
    (np.zeros((3, 5, 6), np.uint8), "An array of uint8 with shape (3, 5, 6) is not a picture."),
    (b"", "<bytes> is no picture"), (b"no picture", "<bytes> is no picture"),
    (content(picture())[:-40], "<bytes> cannot be read"), (torch.zeros(3, 4, 4), "A Tensor is not a picture."),
    (None, "A NoneType is not a picture. Give a path, a PIL image, a numpy array, or the bytes of a picture's file.")])
def test_what_is_no_picture_is_refused_in_one_line(lxmert: Model, given: Any, said: str) -> None:
    with pytest.raises(ImageError) as raised:
        lxmert.explain(given, "is it red?")
    assert str(raised.value).startswith(said) and "\n" not in str(raised.value)


@pytest.mark.parametrize(("device", "dtype"), [
    ("cpu", "float64"), (torch.device("cpu"), torch.float64), (torch.device("cpu"), "float64"),
    ("auto", torch.float64)])
def test_devices_and_dtypes_are_names_or_torchs(tiny_vit: Path, device: Any, dtype: Any) -> None:
    model = mmx.load(tiny_vit, device, dtype)
    assert model.info.dtype == "float64" and model.network.dtype == torch.float64
    assert model.info.device == str(model.network.device.type)


@pytest.mark.parametrize(("given", "said"), [
    ({"device": torch.device("meta")}, "No device named 'meta'. There are: auto, cpu, cuda, mps."),
    ({"dtype": torch.int8}, "No dtype named 'int8'."), ({"dtype": "int8"}, "No dtype named 'int8'.")])
def test_torchs_that_no_model_runs_on_are_refused(tiny_vit: Path, given: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        mmx.load(tiny_vit, **given)
    assert str(raised.value).startswith(said)


def test_python_and_the_command_line_have_one_default_device() -> None:
    from mmx.cli import demo, explain, models, perturb, segment, shapes

    commands = [explain.explain, demo.demo, models.check, models.pull, perturb.perturb, segment.segment]
    for one in (mmx.load, load_region_detector, look_over, *commands, shapes.evaluate):
        assert inspect.signature(one).parameters["device"].default == "auto", one


def test_reprs_are_of_one_line(lxmert: Model) -> None:
    explanation = lxmert.explain(picture(), "is it red?")
    [item] = explanation
    assert repr(item) == (f"<Item answer {item.index}, {item.label} {item.score:.3g} softmax: "
                          f"{len(item.scores['text'])} text scores, {len(item.scores['image'])} image scores>")
    assert repr(Item("text", 0, "a\nred\tcircle", 0.5, "softmax")) == (
        "<Item text 0, a red circle 0.5 softmax: not explained>")
    assert repr(Block("image", Patches(2, 3, (0, 0, 6, 4)), np.zeros(6))) == "<Block of 6 patches, image>"
    assert repr(Perturbation((0.0, 1.0), [[[0]], [[1]], [[0]]], torch.zeros(3, 2, 4))) == (
        "<Perturbation of 3 samples in 2 steps>")
    for one in (lxmert, explanation, item, explanation.picture, *explanation.blocks(item), *explanation.predictions):
        assert "\n" not in repr(one)
    assert repr(lxmert).startswith("<Model ")


# What is said at a prompt, and on a command line.
SAID = {'add `question="..."`.': 'add --question "...".', 'Use `device="cpu"`, or wait.': "Use --device cpu, or wait.",
        'add `text=["..."]`.': 'add --text "...".', "`images=` and `annotations=` go": "--images and --annotations go",
        'give `regions={"provider": "frcnn", "checkpoint": FOLDER}`.': "give --regions frcnn:FOLDER.",
        '`regions={"provider": "grid"}` runs': "--regions grid runs", "give `answers=FILE`": "give --answers FILE",
        "go on with `resume=True`": "go on with --resume",
        "`class_name=` and `num_samples=`": "--class and --num-samples",
        "what `attribute` returns": "what `attribute` returns", "'a=b' is no class": "'a=b' is no class"}


@pytest.mark.parametrize("said", SAID)
def test_a_field_is_an_option_on_the_command_line(said: str) -> None:
    error = as_told(UsageError(said, said))
    assert with_options(said) == error.message == error.hint == SAID[said]
    assert str(error) == f"{SAID[said]} {SAID[said]}" and error.exit_code == 2


def test_python_is_told_fields_and_a_visitor_words(lxmert: Model, tiny_clip: Path) -> None:
    clip = mmx.load(tiny_clip)
    for model, at_a_prompt, on_the_page in ((lxmert, 'add `question="..."`.', "add a question."),
                                            (clip, 'add `text=["..."]`.', "add a text.")):
        with pytest.raises(UsageError) as raised:
            model.explain(picture())
        assert str(raised.value).endswith(at_a_prompt) and "--" not in str(raised.value)
        assert on_the_page in told(raised.value) and "`" not in told(raised.value)


def test_studies_speak_of_fields_and_never_of_options(lxmert: Model, tiny_detr: Path, tmp_path: Path) -> None:
    detector = mmx.load(tiny_detr)
    (tmp_path / "run.json").write_text("[]")
    asked = [lambda: mmx.segment(detector, images=tmp_path), lambda: mmx.segment(detector, seed=1),
             lambda: mmx.segment(lxmert, protocol="clean"), lambda: mmx.segment(detector, resume=True),
             lambda: mmx.segment(detector, limit=1, out=tmp_path, resume=True),
             lambda: mmx.perturb(lxmert, annotations=tmp_path), lambda: mmx.compare(tmp_path, tmp_path / "b"),
             lambda: mmx.perturb(lxmert, tmp_path / "a.json", images=tmp_path / "nowhere")]
    for one in asked:
        with pytest.raises(MmxError) as raised:
            one()
        assert "--" not in str(raised.value) and "\n" not in str(raised.value)
