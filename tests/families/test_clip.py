"""CLIP: two towers that run once each, pairs of a picture and a text that are what each is alone."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import mmx
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.explainer import Model
from mmx.families.clip import FAMILY
from mmx.methods import get_method, method_names
from mmx.types import Explanations

TEXTS = ("red", "a red circle", "zebra")


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> Model:
    return mmx.load(tiny_clip, dtype="float64")


def encoded(model: Model, texts: Sequence[str], pictures: int = 1, first: int = 0) -> dict[str, Tensor]:
    """`pictures` random ones from number `first` on, and the texts."""
    images = torch.randn(first + pictures, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return {"pixel_values": images[first:],
            "input_ids": model.tokenizer(list(texts), padding=True, return_tensors="pt")["input_ids"]}


def photo(color: tuple[int, int, int] = (200, 30, 30)) -> Image.Image:
    image = Image.new("RGB", (90, 50), "white")
    image.paste(color, (30, 5, 50, 40))
    return image


def matched(found: object) -> Explanations:
    assert isinstance(found, Explanations)
    return found


def test_every_pair_is_what_it_is_alone_by_every_method(clip: Model) -> None:
    methods = [get_method(name) for name in method_names() if name != "random"]
    starts = {"image": 0, "text": 1}
    together, _ = attribute(clip.network, FAMILY, encoded(clip, TEXTS, 2), methods, start_layers=starts,
                            ignore_padding=True)
    pairs = [(picture, text) for picture in range(2) for text in TEXTS]
    for method in methods:
        for number, (picture, text) in enumerate(pairs):
            alone = clip.attribute(encoded(clip, [text], first=picture), method.name, start_layer=0,
                                   start_layer_text=1)
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
    found, _ = attribute(clip.network, FAMILY, inputs, [get_method("relevance")], max_memory=memory)
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


@pytest.mark.parametrize(("target", "pairs"), [
    (None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]), ((1, 2), [(1, 2)]), ([(1, 0), (0, 2)], [(1, 0), (0, 2)])])
def test_pairs_as_targets(target: object, pairs: list[tuple[int, int]]) -> None:
    logits, ends = torch.arange(6.0).reshape(2, 3), torch.tensor([3, 5, 4])
    chosen = FAMILY.choose({"logits": logits, "ends": ends}, target)
    assert list(zip(chosen.samples.tolist(), chosen.entries_of("text").tolist(), strict=True)) == pairs
    assert chosen.scores.tolist() == [logits[pair] for pair in pairs]
    assert chosen.positions is not None
    assert chosen.positions.tolist() == [int(ends[text]) for _, text in pairs]


@pytest.mark.parametrize(("target", "message"), [
    ((2, 0), r"There is no pair \(2, 0\) of 2 images and 3 texts"), ((0, -1), "There is no pair"),
    (1, "not 1"), ([0, 1], r"not \[0, 1\]"), ([], r"not \[\]")])
def test_what_is_no_pair_is_named(target: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FAMILY.choose({"logits": torch.zeros(2, 3), "ends": torch.zeros(3, dtype=torch.long)}, target)


@pytest.mark.parametrize(("end_token", "ends"), [(9, [2, 1]), (2, [2, 3])])
def test_the_end_of_a_text_is_where_the_model_reads_it(clip: Model, end_token: int, ends: list[int],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The first end token; under the end token of old configs, the largest id."""
    monkeypatch.setattr(clip.network.config.text_config, "eos_token_id", end_token)
    monkeypatch.setattr(clip.network.text_model, "eos_token_id", end_token)
    inputs = {**encoded(clip, ["x"]), "input_ids": torch.tensor([[8, 1, 9, 9], [8, 9, 1, 11]])}
    outputs = FAMILY.run(clip.network, inputs)
    assert outputs["ends"].tolist() == ends
    assert FAMILY.valid(inputs, outputs)["text"].sum(dim=1).tolist() == [end + 1 for end in ends]


def test_texts_are_explained_with_their_words_and_similarity(clip: Model) -> None:
    found = matched(clip.explain(photo(), text=["a red circle", "zebra", "a red circle"]))
    assert [one.question for one in found] == ["a red circle", "zebra"]
    first = found[0]
    assert [token.piece for token in first.tokens] == ["<|startoftext|>", "a</w>", "red</w>", "circ", "le</w>",
                                                       "<|endoftext|>"]
    assert [token.text for token in first.tokens[1:-1]] == ["a", "red", "circ", "le"]
    assert first.grid == (4, 4)
    assert first.scores["text"].shape == (6,)
    assert first.view_xyxy_px == pytest.approx((20, 0, 70, 50), abs=90 / 57)
    assert first.match is not None
    assert -1 <= first.match.similarity <= 1
    assert first.match.logit == pytest.approx(first.match.similarity * float(clip.network.logit_scale.exp()))
    assert sum(one.target.probability for one in found) == pytest.approx(1)


def test_one_text_and_several_pictures(clip: Model) -> None:
    pictures = [photo(), photo((0, 200, 0)), photo((0, 0, 90))]
    together = clip.explain(pictures, text="red")
    assert isinstance(together, list)
    for picture, found in zip(pictures, together, strict=True):
        alone = matched(clip.explain(picture, text="red"))[0]
        assert found[0].match.logit == pytest.approx(alone.match.logit, abs=1e-6)
        torch.testing.assert_close(torch.tensor(found[0].scores["image"]), torch.tensor(alone.scores["image"]),
                                   rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": ""}, "A text is empty"), ({"text": ["red", " "]}, "A text is empty"),
    ({"text": "z" * 15}, "has 17 tokens; .* takes 16 at most"),
    ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "red", "target": 0}, "a target does"), ({"text": "red", "query": 0}, "threshold, query and class do"),
    ({"text": "red", "start_layer_text": 3}, "There is no text layer 3")])
def test_what_cannot_be_asked_of_it(clip: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        clip.explain(photo(), **asked)


@pytest.mark.parametrize(("fixture", "message"), [
    ("tiny_lxmert", "answers questions: a text does not fit it"), ("tiny_detr", "finds objects: a text does not fit")])
def test_texts_fit_no_other_model(request: pytest.FixtureRequest, fixture: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mmx.load(request.getfixturevalue(fixture)).explain(photo(), text="red")
