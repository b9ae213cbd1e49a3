"""MMF's region features, as .npy files and in an LMDB."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmx.datasets.features import open_features
from mmx.datasets.obj36 import Obj36
from mmx.errors import ImageError, UsageError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
INFO = {"bbox": np.array([[0, 0, 200, 50], [50, 10, 100, 20], [0, 0, 300, 50], [0, 0, 0, 0]], dtype=np.float32),
        "num_boxes": 3, "objects": np.array([3, 1, 2]), "image_width": 200, "image_height": np.int64(50),
        "cls_prob": np.array([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0], [0.3, 0.4, 0.3], [1, 0, 0]], dtype=np.float32)}


class Hostile:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "features"
    place.mkdir()
    np.save(place / "a.npy", FEATURES)
    np.save(place / "a_info.npy", INFO, allow_pickle=True)
    return place


def assert_is_a(found) -> None:
    np.testing.assert_array_equal(found.features, FEATURES[:3])
    np.testing.assert_allclose(found.boxes_xyxy_unit, [[0, 0, 1, 1], [0.25, 0.2, 0.5, 0.4], [0, 0, 1, 1]])
    np.testing.assert_allclose(found.confidences, [0.7, 0.1, 0.4])
    assert found.objects is None


def test_npy_files(folder: Path) -> None:
    features = open_features(folder)
    assert_is_a(features["a"])
    assert len(features.sha256) == 64
    with pytest.raises(ImageError, match="has no features of b"):
        features["b"]


@pytest.mark.parametrize("numpy_name", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_that_another_numpy_pickled(folder: Path, numpy_name: str) -> None:
    for protocol in (3, 5):
        with (folder / "a_info.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"shape": (), "fortran_order": False, "descr": "|O"})
            content = pickle.dumps(np.array(INFO, dtype=object), protocol)
            own = next(name for name in (b"numpy._core", b"numpy.core") if name in content or protocol == 5)
            if protocol < 4:
                content = content.replace(own + b".multiarray", numpy_name.encode())
            file.write(content)
        assert_is_a(open_features(folder)["a"])


@pytest.mark.parametrize(("change", "message"), [
    ({"bbox": np.ones((2, 4))}, "do not fit 3 regions"), ({"image_width": None}, "are broken"),
    ({"bbox": Hostile()}, "unpickling that could run code")])
def test_broken_npy_files(folder: Path, change: dict, message: str) -> None:
    np.save(folder / "a_info.npy", INFO | change, allow_pickle=True)
    with pytest.raises(ImageError, match=message):
        open_features(folder)["a"]
    assert not Path("ran").exists()


def test_files_that_are_cut_short_or_not_there(folder: Path) -> None:
    (folder / "a_info.npy").write_bytes((folder / "a_info.npy").read_bytes()[:200])
    with pytest.raises(ImageError, match=r"are broken \(it is damaged"):
        open_features(folder)["a"]
    (folder / "a_info.npy").unlink()
    with pytest.raises(ImageError, match=r"there is no a_info\.npy with its boxes"):
        open_features(folder)["a"]


def test_what_holds_no_features(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.npy files and no data\.mdb"):
        open_features(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        open_features(tmp_path / "none.tsv")


def test_a_tsv_is_lxmerts(shared: Path) -> None:
    features = open_features(shared / "realdata" / "lxmert" / "features" / "train2014_obj36.tsv")
    assert isinstance(features, Obj36)
    one = features["COCO_train2014_000000573195"]
    assert one.features.shape == (36, 2048)
    assert one.objects is not None and one.attributes is not None
    assert one.objects.max() < 1600 and one.attributes.max() < 400


def test_an_lmdb_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    (tmp_path / "data.mdb").touch()
    with pytest.raises(UsageError, match=r"needs the package lmdb\. Install it: pip install 'mmx\[lmdb\]'"):
        open_features(tmp_path)


class Database:
    """What is used of the package lmdb: pairs in a dictionary."""

    def __init__(self, pairs: dict[bytes, bytes]) -> None:
        self.pairs = pairs

    def __call__(self, path: str, **options: object) -> "Database":
        assert options["readonly"] is True
        return self

    def begin(self) -> "Database":
        return self

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def get(self, key: bytes) -> bytes | None:
        return self.pairs.get(key)


@pytest.mark.parametrize("key", [b"a", b"val2014/a"])
def test_an_lmdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: bytes) -> None:
    pairs = {b"keys": pickle.dumps([key, b"bad"]), b"bad": pickle.dumps({"features": Hostile()}),
             key: pickle.dumps({"feature_path": key.decode(), "features": FEATURES, **INFO})}
    monkeypatch.setitem(sys.modules, "lmdb", SimpleNamespace(open=Database(pairs), Error=OSError))
    (tmp_path / "data.mdb").touch()
    monkeypatch.chdir(tmp_path)
    features = open_features(tmp_path)
    assert_is_a(features["a"])
    with pytest.raises(ImageError, match="has no features of z"):
        features["z"]
    with pytest.raises(ImageError, match="could run code"):
        features["bad"]
    assert not Path("ran").exists()
    monkeypatch.setitem(sys.modules, "lmdb", SimpleNamespace(open=Database({}), Error=OSError))
    with pytest.raises(UsageError, match="is no LMDB of MMF's features"):
        open_features(tmp_path)
