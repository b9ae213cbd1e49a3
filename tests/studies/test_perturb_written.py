"""The perturbation test of a model that writes its answers: how probable its own stays, and how right a new one is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from recorder import Recorder

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.studies.perturb.figure import curves_file
from mmx.studies.perturb.study import PerturbationStudy

QUESTIONS = ("what color is the circle?", "what is red?", "is the circle red?")
STEPS = (0, 0.5, 1)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take longer than all the rest."""
    for room in ("study", "result", "compare"):
        monkeypatch.setattr(f"mmx.studies.perturb.{room}.curves_file", lambda *_: b"")


@pytest.fixture(scope="module")
def blip(tiny_blip_vqa: Path) -> Model:
    return mmx.load(tiny_blip_vqa, dtype="float64")


def picture(number: int) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def rows() -> list[dict]:
    """Questions of two lengths about pictures that the model writes something about."""
    return [{"image": picture(number), "question": QUESTIONS[number % 3], "answer": ("red", "circle")[number % 2],
             "id": f"q{number}"} for number in range(6)]


def perturbed(model: Model, rows: list[dict], **changed: object) -> PerturbationStudy:
    return mmx.perturb(model, rows, **{"protocol": "clean", "control": False, "steps": STEPS, **changed})


def records(folder: Path) -> dict[str, dict]:
    lines = [json.loads(line) for path in folder.glob("records.*.jsonl") for line in path.open()]
    return {one["sample"]: one for one in lines}


def log_probability(model: Model, pixels: torch.Tensor, question: list[int], answer: list[int]) -> float:
    """Of the answer's tokens, by the class's own parts, of one sample."""
    asked, network = torch.tensor([question]), model.network
    with torch.no_grad():
        seen = network.vision_model(pixel_values=pixels).last_hidden_state
        read = network.text_encoder(input_ids=asked, attention_mask=torch.ones_like(asked), encoder_hidden_states=seen)
        said = network.text_decoder(input_ids=torch.tensor([[2, *answer]]), encoder_hidden_states=read[0],
                                    encoder_attention_mask=torch.ones_like(asked))
    logs = said.logits[0, :-1].log_softmax(-1)
    return float(logs[range(len(answer)), answer].sum())


@pytest.mark.parametrize(("modality", "sign"), [("image", "positive"), ("text", "negative")])
def test_every_step_is_what_the_class_says_of_it(blip: Model, rows: list[dict], tmp_path: Path, modality: str,
                                                 sign: str) -> None:
    """Patches of the mean colour, and words that are left out, one sample and step at a time."""
    perturbed(blip, rows, modalities=[modality], signs=[sign], out=tmp_path / "run")
    for row in rows:
        found = records(tmp_path / "run")[row["id"]]
        explained = blip.explain(row["image"], row["question"], target="all")
        [item], inputs = explained, blip.encode(row["image"], row["question"])
        answer, pixels = inputs["decoder_input_ids"][0, 1:].tolist(), inputs["pixel_values"]
        assert found["target"] == explained.predictions[0].label
        assert found["log_probability"] == pytest.approx(item.log_probability, abs=1e-5)
        order = np.argsort(-item.scores[modality] if sign == "positive" else item.scores[modality], kind="stable")
        words = inputs["input_ids"][0].tolist()
        fixed = (0, len(words) - 1) if modality == "text" else ()
        order = [place for place in order.tolist() if place not in fixed]
        for step, share in enumerate(STEPS):
            gone = order[:int(share * len(order) + 0.5)]
            left, asked = pixels.clone(), [one for place, one in enumerate(words) if place not in gone]
            if modality == "image":
                asked = words
                for down, across in (divmod(place, 3) for place in gone):
                    left[:, :, 8 * down:8 * down + 8, 8 * across:8 * across + 8] = 0
            expected = log_probability(blip, left, asked, answer)
            curve = found["curves"]["relevance"][modality][sign]
            assert curve["log_probabilities"][step] == pytest.approx(expected, abs=1e-5)
            written = blip.network.generate(pixel_values=left, input_ids=torch.tensor([asked]), do_sample=False,
                                            attention_mask=torch.ones(1, len(asked)), num_beams=1, max_new_tokens=19)
            anew = blip.tokenizer.decode(written[0], skip_special_tokens=True)
            assert curve["answers"][step] == anew
            assert curve["accuracies"][step] == float(anew == row["answer"])


def test_a_batch_is_what_each_is_alone(blip: Model, rows: list[dict], tmp_path: Path) -> None:
    for size in (1, 6):
        perturbed(blip, rows, batch_size=size, out=tmp_path / str(size))
    alone, together = records(tmp_path / "1"), records(tmp_path / "6")
    for name, one in alone.items():
        for modality, signs in one["curves"]["relevance"].items():
            for sign, curve in signs.items():
                other = together[name]["curves"]["relevance"][modality][sign]
                assert curve["answers"] == other["answers"]
                assert curve["log_probabilities"] == pytest.approx(other["log_probabilities"], abs=2e-6)


def test_the_figure_has_panels_of_both(blip: Model, rows: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    plots: list[Figure] = []
    monkeypatch.setattr("mmx.studies.perturb.figure.to_bytes", lambda plot, *_: plots.append(plot) or b"")
    monkeypatch.setattr("mmx.studies.perturb.study.curves_file", curves_file)
    perturbed(blip, rows[:2], modalities=["image"])
    [told] = plots
    panels = [place for part in told.subfigs for place in part.axes]
    assert [place.get_title(loc="left") for place in panels] == [
        f"{what} \u00b7 image, {sign}" for what in ("log-probability of the answer, nats", "accuracy, %")
        for sign in ("positive: lower is better", "negative: higher is better")]
    limits = [place.get_ylim() for place in panels]
    assert limits[0] == limits[1] != limits[2] == limits[3] and limits[0][1] < 1


def test_a_summary_follows_both(blip: Model, rows: list[dict], tmp_path: Path) -> None:
    study = perturbed(blip, rows, out=tmp_path / "run")
    found, written = study.to_dict(), records(tmp_path / "run").values()
    assert found["parameters"]["follows"] == ["log_probability", "accuracy"]
    assert found["parameters"]["removes"] == {"image": "patches", "text": "words"}
    for measure, plural, panels in (("log_probability", "log_probabilities", "log_probability_panels"),
                                    ("accuracy", "accuracies", "panels")):
        assert found[measure]["mean"] == pytest.approx(np.mean([one[measure] for one in written]))
        curve = found[panels]["image"]["negative"]["methods"]["relevance"]
        means = np.mean([one["curves"]["relevance"]["image"]["negative"][plural] for one in written], axis=0)
        assert [step["mean"] for step in curve[measure]] == pytest.approx(means.tolist())
        assert curve["auc"]["mean"] == pytest.approx((means[0] + 2 * means[1] + means[2]) / 4)
        told = [row for row in study.rows() if row[measure] is not None]
        assert len(told) == len(study.rows()) / 2 == 2 * 2 * 3
    assert "log-probability of the answer -" in repr(study) and "accuracy" in repr(study)


def test_without_right_answers_the_log_probability_alone_is_followed(blip: Model, rows: list[dict],
                                                                     tmp_path: Path) -> None:
    asked = [{name: value for name, value in row.items() if name != "answer"} for row in rows]
    found = perturbed(blip, asked, out=tmp_path / "run").to_dict()
    assert found["parameters"]["follows"] == ["log_probability"]
    assert (found["accuracy"], found["panels"]) == (None, {})
    both = perturbed(blip, rows).to_dict()
    assert found["log_probability_panels"] == both["log_probability_panels"]
    assert all("answers" not in one["curves"]["relevance"]["image"]["positive"] and "accuracy" not in one
               for one in records(tmp_path / "run").values())
    with pytest.raises(UsageError, match="Row 1: image, question or answer is missing"):
        perturbed(blip, [rows[0], *asked[1:]])


def test_what_is_not_written_fails_alone(blip: Model, rows: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    """The others still go through together."""
    encoder, sizes = blip.parts.answers, []
    assert encoder is not None
    written = encoder.written

    def first_is_silent(network: object, inputs: dict, most: int | None = None) -> list:
        found, sizes_here = written(network, inputs, most), len(inputs["input_ids"])
        sizes.append(sizes_here)
        silent = inputs["pixel_values"].double().sum(dim=(1, 2, 3)).eq(silence).tolist()
        return [encoder.prepare([""])[0] if quiet else one for one, quiet in zip(found, silent, strict=True)]

    questions = [{**row, "question": QUESTIONS[0]} for row in rows]
    silence = blip.encode(rows[2]["image"], QUESTIONS[0])["pixel_values"].double().sum()
    monkeypatch.setattr(encoder, "written", first_is_silent, raising=False)
    told = Recorder()
    study = perturbed(blip, questions, modalities=["image"], signs=["positive"], steps=[0, 1], progress=told)
    assert [text for kind, text in told.lines if kind == "error"] == [
        "q2: The answer that the model writes is empty: there is nothing to follow."]
    assert study.to_dict()["samples"] == {"evaluated": 5, "failed": 1, "divided_by": 5}
    assert sizes[:2] == [6, 5] and 1 not in sizes


def test_methods_that_do_not_reach_the_picture_are_left_out(blip: Model, rows: list[dict]) -> None:
    told = Recorder()
    study = perturbed(blip, rows[:2], methods=["rollout", "relevance"], signs=["positive"], progress=told)
    assert study.to_dict()["parameters"]["methods"] == ["relevance"]
    assert list(study.to_dict()["parameters"]["left_out"]) == ["rollout"]
    assert any(kind == "note" and "left out rollout: no scores of the image on" in text for kind, text in told.lines)
    with pytest.raises(UsageError, match="rollout gives no scores of the image"):
        perturbed(blip, rows[:2], methods=["rollout"])
    assert perturbed(blip, rows[:2], methods=["rollout"], modalities=["text"]).to_dict()["parameters"]["left_out"] == {}


def test_runs_side_by_side(blip: Model, rows: list[dict], tmp_path: Path) -> None:
    for name in ("relevance", "relevance-no-norm"):
        perturbed(blip, rows, methods=[name], out=tmp_path / name)
    both = mmx.compare(tmp_path / "relevance", tmp_path / "relevance-no-norm").to_dict()
    together = perturbed(blip, rows, methods=["relevance", "relevance-no-norm"]).to_dict()
    assert both["log_probability_panels"] == together["log_probability_panels"] and both["panels"] == together["panels"]
    asked = [{name: value for name, value in row.items() if name != "answer"} for row in rows]
    perturbed(blip, asked, out=tmp_path / "questions")
    with pytest.raises(UsageError, match="cannot be compared"):
        mmx.compare(tmp_path / "relevance", tmp_path / "questions")
