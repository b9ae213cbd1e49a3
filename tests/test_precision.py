"""Half precision: the model runs in it, relevance is always summed up in float32, and differs by a bounded amount.

LRP is left out: its divisions make single scores several times as large or small in half precision, see docs.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import mmx
from mmx.checkpoints.catalog import shipped_names
from mmx.model import Model

SAMPLES = Path(__file__).parents[1] / "sample_inputs"
METHODS = ("relevance", "relevance-no-norm", "raw-attention", "rollout", "attention-gradcam")
# Relative to the largest score of a row. Measured 0.05 and 0.009; for Grad-CAM, which sums up signed numbers, 0.23 and
# 0.024.
BOUNDS = {"bfloat16": (0.12, 0.5), "float16": (0.03, 0.1)}
DEVICES = ["cpu", pytest.param(None, marks=pytest.mark.cuda, id="cuda")]

pytestmark = pytest.mark.skipif("shapes-lxmert" not in shipped_names(), reason="needs the shipped checkpoint")


@cache
def loaded(device: str, dtype: str) -> Model:
    return mmx.load("shapes-lxmert", device, dtype)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_half_precision_stays_close(dtype: str, device: str) -> None:
    with (SAMPLES / "questions.csv").open() as file:
        rows = list(csv.DictReader(file))[:4]
    for row in rows:
        image, question = SAMPLES / row["image"], row["question"]
        full = loaded(device, "float32").explain_methods(image, question, METHODS)
        half = loaded(device, dtype).explain_methods(image, question, METHODS)
        for one, other in zip(full, half, strict=True):
            [item], [rounded] = one.items, other.items
            assert rounded.index == item.index
            assert rounded.score == pytest.approx(item.score, abs=0.02)
            bound = BOUNDS[dtype][one.method == "attention-gradcam"]
            assert item.scores.keys() == {"text", "image"}
            for stream, scores in item.scores.items():
                assert rounded.scores[stream].dtype == np.float32
                apart = np.abs(rounded.scores[stream] - scores).max() / max(np.abs(scores).max(), 1e-6)
                assert apart <= bound, f"{one.method}, {stream}: {question}"


# Random weights, drawn wide, make attention sharper than it is in trained models.
@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize(("dtype", "bound"), [("bfloat16", 0.5), ("float16", 0.1)])
@pytest.mark.parametrize("name", ["tiny_lxmert", "shapes-visual-bert", "tiny_detr", "tiny_vit", "tiny_clip",
                                  "tiny_vilt", "tiny_siglip", "tiny_dinov2", "tiny_dinov2_registers", "tiny_blip"])
def test_every_family_runs_in_half_precision(request: pytest.FixtureRequest, name: str, dtype: str,
                                             bound: float, device: str) -> None:
    folder = name if name in shipped_names() else request.getfixturevalue(name)
    full, half = mmx.load(folder, device), mmx.load(folder, device, dtype)
    target = [(0, 1)] if name == "tiny_detr" else None if name in ("tiny_clip", "tiny_siglip") else 1
    noise = torch.Generator().manual_seed(0)
    inputs = {key: value for encoder in full.encoders for key, value in encoder.noise(noise).items()}
    expected, found = full.attribute(inputs, target=target), half.attribute(inputs, target=target)
    for stream, scores in expected.items():
        assert found[stream].dtype == torch.float32
        assert (found[stream] - scores).abs().max() <= bound * scores.abs().max()
