"""Families and methods of other packages: offered by entry points, and never in the place of what mmx has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mmx
from mmx.errors import UsageError

_FAMILY = '''
from mmx.families.base import Classes, Family, Part, Pixels, Read, layers

FAMILY = Family(
    architectures=("PvtForImageClassification",),
    score=Classes(),
    inputs=(Pixels(),),
    schedule=lambda config: tuple(
        layers("pvt.encoder.block.0.{}.attention.self.dropout", "image", config.depths[0])),
    roots={"image": "pvt.encoder.patch_embeddings.0"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"),),
)
'''
_METHOD = '''
from mmx.methods.base import Method, last_sites


def largest(block):
    return block.attention.amax(dim=1)


def strongest_head(capture):
    return {(readout.stream, cols): readout.of(capture.folded(site, largest))
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}


METHOD = Method("strongest-head", "The last map, its largest head.", "theirs", ("attention",), strongest_head)
'''


def site(folder: Path, entry_points: str, **modules: str) -> Path:
    """A folder as pip would leave it, with a package `theirs` that offers `entry_points`."""
    package, about = folder / "theirs", folder / "theirs-1.0.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    (package / "__init__.py").touch()
    for name, content in modules.items():
        (package / f"{name}.py").write_text(content)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    return folder


def say(folder: Path, code: str) -> list[str]:
    """Lines that a Python of its own prints where this folder is on its path."""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path(mmx.__file__).parents[1])])})
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


@pytest.fixture(scope="module")
def pvt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint of a class that mmx has no family for; of one stage, its patches attend to all of them."""
    import torch
    from transformers import PvtConfig, PvtForImageClassification, ViTImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-pvt"
    torch.manual_seed(0)
    PvtForImageClassification(PvtConfig(
        num_encoder_blocks=1, depths=[2], sequence_reduction_ratios=[1], hidden_sizes=[16], patch_sizes=[8],
        strides=[8], num_attention_heads=[2], mlp_ratios=[2], image_size=24, patch_size=8, initializer_range=0.5,
        num_labels=3)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
    return folder


def test_without_the_package_its_checkpoint_has_no_family(pvt: Path) -> None:
    with pytest.raises(UsageError, match="is a PvtForImageClassification, which mmx has no family for"):
        mmx.load(pvt)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, pvt: Path) -> list[str]:
    """What a process says that has such a package, which claims names of mmx's own beside."""
    folder = site(tmp_path_factory.mktemp("site"), """
[mmx.families]
pvt = theirs.pvt:FAMILY
vit = theirs.pvt:FAMILY
visual-bert = theirs.pvt:FAMILY

[mmx.methods]
strongest-head = theirs.strongest:METHOD
relevance = theirs.strongest:METHOD
raw-attention = theirs.strongest:METHOD
""", pvt=_FAMILY, strongest=_METHOD)
    return say(folder, f"""
import mmx
from mmx.checkpoints.families import all_families
from mmx.methods import all_methods, method_names
from PIL import Image
print(*method_names())
print(*[method.name for method in all_methods()])
for key, family in all_families():
    print(key, *family.architectures, end=" ")
print()
model = mmx.load({str(pvt)!r})
print(model.info.family, model.info.architecture)
image = Image.radial_gradient("L").resize((30, 20)).convert("RGB")
for name in ("strongest_head", "relevance"):
    explanation = model.explain(image, method=name, target=1)
    print(explanation.method, explanation[0].scores["image"].shape, explanation[0].scores["image"].max() > 0)
""")


def test_a_method_of_another_package_is_listed_and_loaded(told: list[str]) -> None:
    listed, loaded, *_ = told
    assert "strongest-head" in listed.split()
    assert listed == loaded


def test_a_family_of_another_package_explains_by_a_method_of_another_package(told: list[str]) -> None:
    _, _, families, info, *explained = told
    assert "pvt PvtForImageClassification" in families
    assert info == "pvt PvtForImageClassification"
    assert explained == ["strongest-head (9,) True", "relevance (9,) True"]


def test_the_name_of_a_built_in_stays_its_own(told: list[str]) -> None:
    _, loaded, families, *_ = told
    assert families.count("PvtForImageClassification") == 1
    assert "vit ViTForImageClassification" in families
    assert "visual_bert VisualBertForQuestionAnswering" in families
    assert [loaded.split().count(name) for name in ("strongest-head", "relevance", "raw-attention")] == [1, 1, 1]


@pytest.mark.parametrize(("module", "reason"), [
    ("raise RuntimeError('no such thing\\nand more')", "RuntimeError: no such thing"),
    ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
    ("", "AttributeError: module 'theirs.broken' has no attribute 'FAMILY'"),
    ("FAMILY = (", "SyntaxError: ")])
def test_a_broken_family_is_one_line_that_names_its_package(tmp_path: Path, module: str, reason: str) -> None:
    """Nothing of it is imported by listing names."""
    folder = site(tmp_path, "[mmx.families]\nbroken = theirs.broken:FAMILY\n", broken=module)
    listed, *told = say(folder, """
from mmx.errors import UsageError
from mmx.checkpoints.families import all_families
from mmx.registry import offered_names
print("broken" in offered_names("families"))
try:
    all_families()
except UsageError as error:
    print(error)
""")
    assert listed == "True"
    [line] = told
    assert line.startswith(f"'broken' of mmx.families cannot be loaded from theirs: {reason}")
    assert line.endswith("Mend that package, or uninstall it.")


def test_what_is_no_family_is_refused(tmp_path: Path) -> None:
    folder = site(tmp_path, "[mmx.families]\nbroken = theirs.broken:FAMILY\n", broken="FAMILY = 3")
    [line] = say(folder, """
from mmx.errors import UsageError
from mmx.checkpoints.families import all_families
try:
    all_families()
except UsageError as error:
    print(error)
""")
    assert line == ("'broken' of mmx.families, which theirs offers, is no Family. "
                    "Mend that package, or uninstall it.")


def test_a_broken_method_is_one_line_too(tmp_path: Path) -> None:
    folder = site(tmp_path, "[mmx.methods]\nbroken-one = theirs.broken:METHOD\n", broken="1 / 0")
    names, line = say(folder, """
from mmx.errors import UsageError
from mmx.methods import all_methods, method_names
print(*method_names())
try:
    all_methods()
except UsageError as error:
    print(error)
""")
    assert "broken-one" in names.split()
    assert line == ("'broken_one' of mmx.methods cannot be loaded from theirs: ZeroDivisionError: division by zero. "
                    "Mend that package, or uninstall it.")
