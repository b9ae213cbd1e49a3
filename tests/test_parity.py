"""mmx against what the reference's own code returned: the cases in golden/ here, and all of ../shared/golden if there.

golden/ is a choice of those cases (golden/choose.py makes it). Written down below is what is compared in it, so that
neither a method nor a part is lost unseen, here or by a check that grows.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import load_file

HERE, SHARED = Path(__file__).parent / "golden", Path(__file__).parents[2] / "shared" / "golden"
SHARED_ONLY = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/golden")
PLACES = [pytest.param(HERE, id="here"), pytest.param(SHARED, id="shared", marks=SHARED_ONLY)]
MAX_SIZE = 5_000_000

COMPARISONS = {  # family → part → method, by the reference's name → how many comparisons are made in golden/
    "lxmert": {
        "attribute": {
            "ours_no_lrp": 8, "ours_no_lrp_no_norm": 8, "ablation_no_self_in_10": 8, "ablation_no_aggregation": 8,
            "ours_with_lrp": 8, "ours_with_lrp_no_normalization": 8, "transformer_att": 8, "partial_lrp": 8,
            "attn_gradcam": 8, "raw_attn": 4, "rollout": 4},
        "perturb": {
            "ours_no_lrp": 8, "ours_no_lrp_no_norm": 12, "ablation_no_self_in_10": 12, "ablation_no_aggregation": 4,
            "ours_with_lrp": 8, "ours_with_lrp_no_normalization": 12, "transformer_att": 8, "partial_lrp": 12,
            "attn_gradcam": 8, "raw_attn": 12, "rollout": 12},
    },
    "visual_bert": {
        "attribute": {"ours_no_lrp": 2, "transformer_attribution": 2, "partial_lrp": 2, "attn_gradcam": 2,
                      "raw_attn": 1, "rollout": 1},
        "perturb": {"ours_no_lrp": 8, "transformer_attribution": 8, "partial_lrp": 8, "attn_gradcam": 4, "raw_attn": 8,
                    "rollout": 8},
    },
    "detr": {
        "attribute": {
            "ours_no_lrp": 16, "ours_no_lrp_no_norm": 16, "ablation_no_self_in_10": 16, "ablation_no_aggregation": 16,
            "ours_with_lrp": 16, "transformer_att": 16, "partial_lrp": 16, "attn_gradcam": 16, "raw_attn": 8,
            "rollout": 8},
        "masks": {"ours_no_lrp": 1},
    },
    "clip": {"attribute": {"ours_no_lrp": 36}},
    "vit": {"attribute": {"ours_no_lrp": 2, "transformer_attribution": 2, "raw_attn": 1, "rollout": 1}},
    "frcnn": {"attribute": {"frcnn": 18}},
}
EACH = [(family, part, method) for family, parts in COMPARISONS.items() for part, methods in parts.items()
        for method in methods]


@cache
def check_of(place: Path) -> ModuleType:
    """The check.py of a folder of cases, as a module that loads each case once."""
    spec = importlib.util.spec_from_file_location(f"golden_check_{place.parent.name}", place / "check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Case = cache(module.Case)
    return module


class Checking:
    """Runs the check of a folder, as on the command line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, place: Path, *arguments: str) -> tuple[int, int, str]:
        """How many comparisons were made and how many of them failed, and all that was printed."""
        self.monkeypatch.setattr(sys, "argv", ["check.py", *arguments])
        code = check_of(place).main()
        printed = self.capsys.readouterr().out
        passed, failed = (int(count.split()[0]) for count in printed.splitlines()[-1].split(", "))
        assert code == (0 if passed and not failed else 1)
        return passed + failed, failed, printed


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checking:
    return Checking(monkeypatch, capsys)


@pytest.mark.parametrize(("family", "part", "method"), EACH)
@pytest.mark.parametrize("place", PLACES)
def test_what_the_reference_returned_is_what_mmx_returns(checking: Checking, place: Path, family: str, part: str,
                                                         method: str) -> None:
    made, failed, printed = checking(place, family, "--part", part, "--method", method)
    written = COMPARISONS[family][part][method]
    assert failed == 0, printed
    assert made == written if place == HERE else made >= written


@pytest.mark.parametrize("family", COMPARISONS)
@pytest.mark.parametrize("place", PLACES)
def test_no_method_and_no_part_is_compared_that_is_not_written_down(checking: Checking, place: Path,
                                                                    family: str) -> None:
    parts = COMPARISONS[family]
    named = sum(checking(place, family, "--part", part, "--method", method)[0]
                for part in parts for method in parts[part])
    assert checking(place, family)[0] == named


@pytest.mark.parametrize("place", PLACES)
def test_every_family_of_the_check_is_written_down(place: Path) -> None:
    assert set(check_of(place).CHECKS) == set(COMPARISONS)
    assert {folder.parent.parent.name for folder in place.glob("*/*/meta.json")} == set(COMPARISONS)


def test_the_copy_stays_small() -> None:
    kept = [path for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in kept) <= MAX_SIZE


@SHARED_ONLY
@pytest.mark.parametrize("case", sorted(str(path.parent.relative_to(HERE)) for path in HERE.glob("*/*/meta.json")))
def test_a_case_of_the_copy_is_the_original_value_by_value(case: str) -> None:
    here, original = HERE / case, SHARED / case
    for file in here.iterdir():
        if file.suffix != ".safetensors":
            assert file.read_bytes() == (original / file.name).read_bytes()
            continue
        kept, whole = load_file(file), load_file(original / file.name)
        assert kept.keys() <= whole.keys() and (file.stem == "expected" or kept.keys() == whole.keys())
        for name, values in kept.items():
            assert values.dtype == whole[name].dtype and values.shape == whole[name].shape
            assert values.numpy().tobytes() == whole[name].numpy().tobytes(), name


@SHARED_ONLY
@pytest.mark.parametrize("case", sorted(str(path.parent.relative_to(HERE)) for path in HERE.glob("*/*/meta.json")))
def test_a_case_of_the_copy_is_compared_as_often_as_the_original(case: str, tmp_path: Path,
                                                                 checking: Checking) -> None:
    made = []
    for place in (HERE, SHARED):
        cases = tmp_path / place.parent.name
        (cases / case).parent.mkdir(parents=True)
        (cases / case).symlink_to(place / case)
        made.append(checking(HERE, Path(case).parts[0], "--cases", str(cases))[:2])
    assert made[0] == made[1]
