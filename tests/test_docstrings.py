"""Every public name says what it is, and the examples in it run."""

import dataclasses
import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mmx

ROOT = Path(mmx.__file__).parents[1]
# Beside what is in `dir(mmx)`: what that returns, and the modules that the documentation names.
RETURNED = {
    "mmx.results": ("Asked", "Block", "Item", "ModelInfo", "Patches", "Picture", "Prediction", "Region", "Regions",
                    "Token", "Words"),
    "mmx.model": ("Job",), "mmx.model.inspection": ("Finding", "inspect"),
    "mmx.perturbation.encoded": ("Perturbation",), "mmx.methods": ("Method",),
    "mmx.elements.providers.frcnn": ("Detected", "RegionDetector"),
    "mmx.studies.perturb.study": ("PerturbationStudy",), "mmx.studies.segment.study": ("SegmentationStudy",),
    "mmx.studies.segment.map_study": ("MapStudy",),
    "mmx.studies.exam.study": ("ExamStudy",)}
WHOLE = ("mmx.datasets.coco", "mmx.datasets.features", "mmx.datasets.obj36", "mmx.datasets.questions",
         "mmx.datasets.soft_accuracy", "mmx.datasets.vqa", "mmx.errors", "mmx.methods.base", "mmx.metrics", "mmx.rules")


def public() -> dict[str, Any]:
    """Name → each public function and class, and each public function and property of those classes."""
    found = {f"mmx.{name}": getattr(mmx, name) for name in dir(mmx) if not name.startswith("_")}
    found |= {f"{home}.{name}": getattr(importlib.import_module(home), name)
              for home, names in RETURNED.items() for name in names}
    for home in WHOLE:
        found |= {f"{home}.{name}": one for name, one in vars(importlib.import_module(home)).items()
                  if not name.startswith("_") and getattr(one, "__module__", "") == home and callable(one)}
    members = {f"{name}.{member}": getattr(one, member) for name, one in found.items() if inspect.isclass(one)
               for member in dir(one) if not member.startswith("_") and is_documented(one, member)}
    return found | members


def is_documented(kind: type, member: str) -> bool:
    """Whether a member is a function or property that mmx itself defines; data stands in the class's docstring."""
    home = next(base for base in kind.__mro__ if member in vars(base))
    value = vars(home)[member]
    return home.__module__.startswith("mmx.") and (
        inspect.isroutine(value) or isinstance(value, property) or hasattr(value, "attrname"))


def test_every_public_name_has_a_docstring() -> None:
    names = public()
    assert len(names) > 150
    assert [name for name, one in names.items() if not inspect.getdoc(one)] == []


def test_every_field_of_what_is_returned_is_told() -> None:
    lacking = [f"{name}: {field.name}" for name, one in public().items() if dataclasses.is_dataclass(one)
               and inspect.isclass(one) for field in dataclasses.fields(one)
               if not field.name.startswith("_") and not re.search(rf"\b{field.name}\b", docs(one))]
    assert lacking == []


def docs(kind: type) -> str:
    return " ".join(base.__doc__ or "" for base in kind.__mro__ if base.__module__.startswith("mmx"))


def examples() -> Iterator[doctest.DocTest]:
    for path in sorted((ROOT / "mmx").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            found = doctest.DocTestFinder().find(module, globs={**vars(module), "mmx": mmx})
            yield from (one for one in found if one.examples)


@pytest.mark.parametrize("example", [*examples()], ids=lambda one: one.name)
def test_the_example_runs(example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(mmx, "load", loaded)
    monkeypatch.chdir(tmp_path)
    Path("sample_inputs").symlink_to(ROOT / "sample_inputs")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    failed = runner.run(example).failed
    assert not failed, capsys.readouterr().out


loaded = cache(mmx.load)


def test_the_names_that_one_begins_with_have_an_example() -> None:
    shown = {one.name.rpartition(".")[2] for one in examples()}
    assert shown >= {"load", "explain", "explain_methods", "heatmap", "rows", "save", "from_dict", "perturb", "segment",
                     "evaluate", "compare"}
