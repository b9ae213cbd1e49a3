"""Make this folder's cases out of ../../../shared/golden: which cases, and of each what the check reads.

    python tests/golden/choose.py ../shared/golden

All the cases are 20 MB, most of them intermediate results that `check.py` never looks at. Here is one case or two of
every family, chosen so that no method and no part is lost: odd numbers of layers, padded text, gradients that are zero
throughout, rows where the reference divides 0 by 0. Weights, inputs and notes are copied as they are, and so is every
expected value that is compared; nothing is rounded. tests/test_parity.py holds the copy to that.
"""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
CASES = (
    "lxmert/b_f64_l2r3x2_t7_b14",
    "lxmert/h_f64_padded_text_l2r3x2_t10pad3_b6",
    "visual_bert/b_f64_hfhead_l3_t7_b14",
    "detr/d32_e2d3_q8_h2_nanrow",
    "clip/v48L4H4p8_t40L3H4",
    "vit/d48L4H4p8",
    "frcnn/vg10",
)
COPIED = ("config.json", "config.yaml", "model.safetensors", "inputs.safetensors", "meta.json")


class Watched(dict):
    """Tensors by name, and the names that were asked for."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> object:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: object = None) -> object:
        self.read |= {name} & self.keys()
        return super().get(name, default)


def names_read(check: ModuleType, folder: Path) -> set[str]:
    """Of a case's expected tensors, those that the whole check of it reads."""
    expected = Watched(load_file(folder / "expected.safetensors"))
    check.load_file = lambda path: expected if Path(path).name == "expected.safetensors" else load_file(path)
    report, family = check.Report(False, None, None), folder.parent.name
    if family == "frcnn":
        check.check_frcnn(folder, report)
    else:
        check.CHECKS[family](check.Case(folder, family), report)
    if report.failed or not report.made:
        raise SystemExit(f"{folder} does not pass its check")
    in_float32 = {name for name in expected if name.startswith("f32/")}
    if in_float32 and not in_float32 & expected.read:  # by their presence, the check takes a case for a float64 one
        expected.read.add(min(in_float32, key=lambda name: (dict.__getitem__(expected, name).numel(), name)))
    return expected.read


def main(golden: Path) -> None:
    spec = importlib.util.spec_from_file_location("golden_check", golden / "check.py")
    assert spec is not None and spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    for name in ("check.py", "README.md"):
        shutil.copyfile(golden / name, HERE / name)
    for case in CASES:
        source, target = golden / case, HERE / case
        target.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            if (source / name).exists():
                shutil.copyfile(source / name, target / name)
        expected = load_file(source / "expected.safetensors")
        save_file({name: expected[name] for name in sorted(names_read(check, source))},
                  target / "expected.safetensors")
        (target / "expected.safetensors").chmod(0o644)
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    print(f"{len(CASES)} cases, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
