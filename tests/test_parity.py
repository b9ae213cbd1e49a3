"""mmx against what the reference's own code returned, by the check that ../shared/golden brings along."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

GRADIENT_ONLY = ("ours_no_lrp", "raw_attn", "rollout", "attn_gradcam")
METHODS = {
    "lxmert": (*GRADIENT_ONLY, "ours_no_lrp_no_norm", "ablation_no_self_in_10", "ablation_no_aggregation",
               "ours_with_lrp", "ours_with_lrp_no_normalization", "transformer_att", "partial_lrp"),
    "detr": (*GRADIENT_ONLY, "ours_no_lrp_no_norm", "ablation_no_self_in_10", "ablation_no_aggregation",
             "ours_with_lrp", "transformer_att", "partial_lrp"),
    "visual_bert": (*GRADIENT_ONLY, "transformer_attribution", "partial_lrp"),
    "clip": ("ours_no_lrp",),
    "vit": ("ours_no_lrp", "transformer_attribution", "raw_attn", "rollout"),
}


@pytest.fixture(scope="module")
def check(shared: Path) -> ModuleType:
    """golden/check.py as a module whose cases are loaded once."""
    spec = importlib.util.spec_from_file_location("golden_check", shared / "golden" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Case = cache(module.Case)
    return module


@pytest.mark.parametrize("family", ["lxmert", "visual_bert"])
def test_perturbation_equals_the_references(check: ModuleType, family: str, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["check.py", family, "--part", "perturb"])
    assert check.main() == 0, capsys.readouterr().out
    made, _, failed = capsys.readouterr().out.splitlines()[-1].partition(" passed, ")
    assert int(made) > 80
    assert failed == "0 failed"


@pytest.mark.parametrize(("family", "method"), [(family, name) for family, names in METHODS.items() for name in names])
def test_scores_equal_the_references(check: ModuleType, family: str, method: str, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["check.py", family, "--part", "attribute", "--method", method])
    assert check.main() == 0, capsys.readouterr().out
    made, _, failed = capsys.readouterr().out.splitlines()[-1].partition(" passed, ")
    assert int(made) > 0
    assert failed == "0 failed"
