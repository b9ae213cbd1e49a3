"""CLIP: two towers that run once each, pairs of a picture and a text that are what each is alone."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

import mmx
from mmx.asking.pairs import PairsAsked
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.families.base import Pairs
from mmx.families.clip import FAMILY
from mmx.methods import get_method, method_names, with_samples
from mmx.model import Model
from mmx.results import Explanation, Patches, Words
from mmx.wiring import readouts, run, valid_tokens

TEXTS = ("red", "a red circle", "zebra")


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> Model:
    return mmx.load(tiny_clip, dtype="float64")


@pytest.fixture
def long_clip(tiny_clip: Path, tmp_path: Path) -> Model:
    """The same with text positions for 248 tokens."""
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "long"))
    config = CLIPConfig.from_pretrained(folder)
    config.text_config.max_position_embeddings = 248
    torch.manual_seed(5)
    CLIPModel(config).save_pretrained(folder)
    return mmx.load(folder)


def encoded(model: Model, texts: Sequence[str], pictures: int = 1, first: int = 0) -> dict[str, Tensor]:
    """`pictures` random ones from number `first` on, and the texts."""
    images = torch.randn(first + pictures, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    encoder = model.parts.texts
    assert encoder is not None
    return {"pixel_values": images[first:], **encoder.collate(encoder.prepare(texts))}


def photo(color: tuple[int, int, int] = (200, 30, 30)) -> Image.Image:
    image = Image.new("RGB", (90, 50), "white")
    image.paste(color, (30, 5, 50, 40))
    return image


def matched(found: object) -> Explanation:
    assert isinstance(found, Explanation)
    return found


@pytest.fixture(scope="module")
def pairs(clip: Model) -> PairsAsked:
    """What is asked of it, without a model."""
    return PairsAsked(Pairs(), clip.asking.subject)


def test_every_pair_is_what_it_is_alone_by_every_method(clip: Model) -> None:
    methods = with_samples([get_method(name) for name in method_names() if name != "random"], 3)
    starts = {"image": 0, "text": 1}
    together = attribute(clip.described, encoded(clip, TEXTS, 2), methods, start_layers=starts,
                         ignore_padding=True, seeds=[0, 0]).scores
    pairs = [(picture, text) for picture in range(2) for text in TEXTS]
    for method in methods:
        for number, (picture, text) in enumerate(pairs):
            alone = clip.attribute(encoded(clip, [text], first=picture), method.name, start_layer=0,
                                   start_layer_text=1, samples=3)
            length = alone["text"].shape[1]
            found = {stream: rows[number] for stream, rows in together[method.name].items()}
            # Attention takes its softmax in float32.
            torch.testing.assert_close(found["image"], alone["image"][0], rtol=1e-4, atol=1e-7)
            torch.testing.assert_close(found["text"][:length], alone["text"][0], rtol=1e-4, atol=1e-7)
            assert not found["text"][length:].any()


@pytest.mark.parametrize("memory", [None, 1])
def test_each_tower_runs_once_over_its_own_batch(clip: Model, memory: int | None) -> None:
    seen: list[int] = []
    handles = [tower.register_forward_hook(lambda _module, _inputs, output: seen.append(len(output)))
               for tower in (clip.network.vision_model.embeddings, clip.network.text_model.embeddings)]
    inputs = encoded(clip, TEXTS, 2)
    found = attribute(clip.described, inputs, [get_method("relevance")], max_memory=memory).scores
    for handle in handles:
        handle.remove()
    assert seen == [2, 3]
    torch.testing.assert_close(found["relevance"], clip.attribute(inputs))


def test_by_default_the_last_layers_are_read_alone(clip: Model) -> None:
    inputs = encoded(clip, TEXTS)
    torch.testing.assert_close(clip.attribute(inputs), clip.attribute(inputs, start_layer=-1, start_layer_text=2))
    everything = clip.attribute(inputs, start_layer=0)
    assert not torch.allclose(everything["image"], clip.attribute(inputs)["image"])
    torch.testing.assert_close(everything["text"], clip.attribute(inputs)["text"])


@pytest.mark.parametrize(("target", "expected"), [
    (None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]), ((1, 2), [(1, 2)]), ([(1, 0), (0, 2)], [(1, 0), (0, 2)])])
def test_pairs_as_targets(clip: Model, pairs: PairsAsked, target: object, expected: list[tuple[int, int]]) -> None:
    logits, ends = torch.arange(6.0).reshape(2, 3), torch.tensor([3, 5, 4])
    outputs = {"logits": logits, "ends": ends, "scale": torch.tensor(7.0)}
    chosen = pairs.choose(outputs, target)
    assert list(zip(chosen.samples.tolist(), chosen.entries_of("text").tolist(), strict=True)) == expected
    assert chosen.scores.tolist() == [logits[pair] for pair in expected]
    assert chosen.scale == 7
    assert chosen.targets.tolist() == [text for _, text in expected]
    image, text = readouts(FAMILY, {}, outputs, chosen, {"image": 17, "text": 6}, clip.network.config)
    assert (image.stream, text.stream) == ("image", "text")
    assert image.index.tolist() == [0] * len(expected)
    assert text.index.tolist() == [int(ends[text]) for _, text in expected]


@pytest.mark.parametrize(("target", "message"), [
    ((2, 0), r"There is no pair \(2, 0\) of 2 images and 3 texts"), ((0, -1), "There is no pair"),
    (1, "not 1"), ([0, 1], r"not \[0, 1\]"), ([], r"not \[\]")])
def test_what_is_no_pair_is_named(pairs: PairsAsked, target: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pairs.choose({"logits": torch.zeros(2, 3), "ends": torch.zeros(3, dtype=torch.long)}, target)


@pytest.mark.parametrize(("end_token", "ends"), [(9, [2, 1]), (2, [2, 3])])
def test_the_end_of_a_text_is_where_the_model_reads_it(clip: Model, end_token: int, ends: list[int],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The first end token; under the end token of old configs, the largest id."""
    monkeypatch.setattr(clip.network.config.text_config, "eos_token_id", end_token)
    monkeypatch.setattr(clip.network.text_model, "eos_token_id", end_token)
    inputs = {**encoded(clip, ["x"]), "input_ids": torch.tensor([[8, 1, 9, 9], [8, 9, 1, 11]])}
    outputs = run(clip.network, FAMILY, inputs)
    assert outputs["ends"].tolist() == ends
    valid = valid_tokens(FAMILY, inputs, outputs, {"image": 17, "text": 4})
    assert valid["text"].sum(dim=1).tolist() == [end + 1 for end in ends]
    assert "image" not in valid


@pytest.mark.parametrize(("length", "count"), [(100, 102), (246, 248)])
def test_the_models_own_length_holds_whatever_its_tokenizer_says(long_clip: Model, length: int, count: int) -> None:
    """As of Long-CLIP: 248 positions beside a tokenizer that was made for 77."""
    assert long_clip.tokenizer.model_max_length == 16
    [item] = long_clip.explain(photo(), text="z" * length)
    [words] = item.elements["text"]
    assert len(words) == item.scores["text"].shape[0] == count
    inputs = dict(long_clip.encode(photo(), text="z" * length))
    assert inputs["input_ids"].shape == (1, count)
    with torch.no_grad():
        expected = long_clip.network(**inputs).logits_per_image
    assert item.also["logit"] == pytest.approx(float(expected), abs=1e-5)
    with pytest.raises(UsageError, match=r"has 249 tokens; .* takes 248 at most\. Say it in fewer words"):
        long_clip.explain(photo(), text="z" * 247)


def test_texts_are_explained_with_their_words_and_similarity(clip: Model) -> None:
    found = matched(clip.explain(photo(), text=["a red circle", "zebra", "a red circle"]))
    assert [(one.kind, one.index, one.label, one.unit) for one in found] == [
        ("text", 0, "a red circle", "similarity"), ("text", 1, "zebra", "similarity")]
    first = found[0]
    [words], [patches] = first.elements["text"], found.elements["image"]
    assert isinstance(words, Words)
    assert isinstance(patches, Patches)
    assert [token.piece for token in words.tokens] == ["<|startoftext|>", "a</w>", "red</w>", "circ", "le</w>",
                                                       "<|endoftext|>"]
    assert [token.text for token in words.tokens[1:-1]] == ["a", "red", "circ", "le"]
    assert (patches.rows, patches.columns) == (4, 4)
    assert first.scores["text"].shape == (6,)
    assert patches.box_xyxy_px == pytest.approx((20, 0, 70, 50), abs=90 / 57)
    assert -1 <= first.score <= 1
    assert first.also["logit"] == pytest.approx(first.score * float(clip.network.logit_scale.exp()))
    assert sum(one.also["softmax"] for one in found) == pytest.approx(1)
    assert sorted((one.label, one.score) for one in found.predictions) == [
        (one.label, one.also["softmax"]) for one in found]


def test_targets_choose_which_texts_are_explained_and_all_are_ranked(clip: Model) -> None:
    every = matched(clip.explain(photo(), text=TEXTS))
    chosen = matched(clip.explain(photo(), text=TEXTS, target=["zebra", 0]))
    assert [item.label for item in chosen] == ["zebra", "red"]
    for item in chosen:
        assert item.also == pytest.approx(every[item.index].also)
        for stream, scores in item.scores.items():
            torch.testing.assert_close(torch.tensor(scores), torch.tensor(every[item.index].scores[stream]),
                                       rtol=1e-4, atol=1e-7)
    assert {one.label for one in chosen.predictions} == set(TEXTS)


def test_one_text_and_several_pictures(clip: Model) -> None:
    pictures = [photo(), photo((0, 200, 0)), photo((0, 0, 90))]
    together = clip.explain(pictures, text="red")
    assert isinstance(together, list)
    for picture, found in zip(pictures, together, strict=True):
        alone = matched(clip.explain(picture, text="red"))[0]
        assert found[0].also["logit"] == pytest.approx(alone.also["logit"], abs=1e-6)
        torch.testing.assert_close(torch.tensor(found[0].scores["image"]), torch.tensor(alone.scores["image"]),
                                   rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": ""}, "A text is empty"), ({"text": ["red", " "]}, "A text is empty"),
    ({"text": "z" * 15}, "has 17 tokens; .* takes 16 at most"),
    ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "red", "target": 1}, "'1' is none of the texts"), ({"text": "red", "query": 0}, "a query does not fit"),
    ({"text": "red", "target": "rad"}, r"'rad' is none of the texts\. Did you mean 'red'\?"),
    ({"text": "red", "threshold": 0.5}, "a threshold does not fit"),
    ({"text": "red", "start_layer_text": 3}, "There is no text layer 3")])
def test_what_cannot_be_asked_of_it(clip: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        clip.explain(photo(), **asked)


@pytest.mark.parametrize(("fixture", "message"), [
    ("tiny_lxmert", "answers questions: a text does not fit it"), ("tiny_detr", "finds objects: a text does not fit")])
def test_texts_fit_no_other_model(request: pytest.FixtureRequest, fixture: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mmx.load(request.getfixturevalue(fixture)).explain(photo(), text="red")
