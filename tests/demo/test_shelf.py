"""Which checkpoints the page opens, and how many it keeps."""

import shutil
from pathlib import Path

import pytest

from mmx.demo import shelf as module
from mmx.demo.shelf import Shelf
from mmx.errors import CheckpointError, UsageError


def test_each_is_loaded_once(tiny_vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], module.load
    monkeypatch.setattr(module, "load", lambda *given, **named: loads.append(given) or load(*given, **named))
    shelf = Shelf([str(tiny_vit)], "cpu")
    assert shelf.get(str(tiny_vit)) is shelf.get(str(tiny_vit))
    assert len(loads) == 1


def test_the_one_not_used_for_longest_is_dropped(tiny_vit: Path, tiny_clip: Path, tiny_detr: Path) -> None:
    names = [str(path) for path in (tiny_vit, tiny_clip, tiny_detr)]
    sizes = [module._size(Shelf(names, "cpu").get(name)) for name in names]
    assert min(sizes) > 1000
    shelf = Shelf(names, "cpu", most_bytes=sum(sizes) - 1)
    for name in (names[0], names[1], names[0], names[2]):
        shelf.get(name)
    assert shelf.loaded == [names[0], names[2]]
    tight = Shelf(names, "cpu", most_bytes=1)
    tight.get(names[0])
    tight.get(names[1])
    assert tight.loaded == [names[1]]


def test_a_processor_of_another_checkpoint(tiny_vit: Path, tiny_clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(tiny_vit, folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json"):
        Shelf([str(folder)], "cpu").get(str(folder))
    shelf = Shelf([str(folder), str(tiny_clip)], "cpu", processors={str(folder): str(tiny_vit)})
    assert " with processor " in shelf.get(str(folder)).info.revision
    assert " with " not in shelf.get(str(tiny_clip)).info.revision


@pytest.mark.parametrize("name", ["/etc", "..", "", "shapes-nothing", "owner/name", "~/x", "a/b/c"])
def test_no_path_is_opened(tiny_vit: Path, name: str) -> None:
    with pytest.raises(UsageError, match="has no checkpoint named"):
        Shelf([str(tiny_vit)], "cpu").get(name)


def test_hub_ids_are_taken_where_they_are_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def load(name: str, device: str, **given: object) -> None:
        asked.append(name)
        raise UsageError("not here")

    monkeypatch.setattr(module, "load", load)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "model").mkdir(parents=True)
    shelf = Shelf([], "cpu", allow_hub=True)
    for name in ("owner/name", "folder/model", "/etc/passwd", "../up", "a/../b", "./a"):
        with pytest.raises(UsageError):
            shelf.get(name)
    assert asked == ["owner/name"]


def test_a_region_detector_counts_as_well() -> None:
    model = Shelf(["shapes-lxmert"], "cpu").get("shapes-lxmert")
    assert module._size(model) > 1.2 * sum(weight.nbytes for weight in model.network.parameters())
