"""MMF's region features, as .npy files and in an LMDB."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmx.datasets.features import FeatureFile, open_features
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


def test_regions_without_classes_have_no_confidence(folder: Path) -> None:
    np.save(folder / "a_info.npy", {**INFO, "cls_prob": None}, allow_pickle=True)
    assert open_features(folder)["a"].confidences is None


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
    ({"bbox": Hostile()}, "unpickling that could run code"),
    ({"image_width": 0}, "0 x 50 pixels"), ({"image_height": float("nan")}, "200 x nan pixels"),
    ({"num_boxes": -1}, "do not fit -1 regions"), ({"num_boxes": float("inf")}, "are broken"),
    ({"bbox": np.full((4, 4), np.inf)}, "the boxes of region 1 of 3 are not finite"),
    ({"bbox": np.full((4, 4), 1e300)}, "the boxes of region 1 of 3 are not finite"),
    ({"cls_prob": np.full((4, 3), np.nan)}, "the confidences of region 1 of 3 are not finite"),
    ({"cls_prob": np.ones((2, 3))}, "2 confidences of 3 regions")])
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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_features_that_are_not_finite_are_refused_but_not_in_padding(folder: Path, value: float) -> None:
    features = FEATURES.astype(np.float64)
    features[3] = value
    np.save(folder / "a.npy", features)
    assert_is_a(open_features(folder)["a"])
    features[1, 2] = value
    np.save(folder / "a.npy", features)
    with pytest.raises(ImageError, match=r"features of a in .*the features of region 2 of 3 are not finite"):
        open_features(folder)["a"]


@pytest.mark.parametrize("damage", [
    lambda content: content[:4], lambda content: content[:40], lambda content: content[:-1],
    lambda content: content + b"0", lambda content: content.replace(b"(4, 3)", b"(9, 9)"),
    lambda content: content.replace(b"(4, 3)", b"(4, 3 "), lambda content: content.replace(b"'descr'", b"'d\x00scr'"),
    lambda content: content.replace(b"<f4", b"<q9"), lambda content: content[:8] + b"\xff\xff" + content[10:],
    lambda content: b""])
def test_npy_files_with_torn_headers(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    (folder / "a.npy").write_bytes(damage((folder / "a.npy").read_bytes()))
    with pytest.raises(ImageError, match=r"The features of a in .* are broken"):
        open_features(folder)["a"]


def test_npy_files_by_columns_read_alike(folder: Path) -> None:
    np.save(folder / "a.npy", np.asfortranarray(FEATURES))
    assert_is_a(open_features(folder)["a"])


@pytest.mark.parametrize("content", [[1, 2], "text", 7, np.ones(3)])
def test_what_is_no_table_of_features(folder: Path, content: object) -> None:
    np.save(folder / "a.npy", np.array(content, dtype=object).reshape(-1)[:1].reshape(()), allow_pickle=True)
    with pytest.raises(ImageError, match="no table of features"):
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

    def __init__(self, pairs: dict[bytes, Any], last_page: int = -1) -> None:
        self.pairs, self.last_page = pairs, last_page

    def __call__(self, path: str, **options: object) -> "Database":
        assert options["readonly"] is True
        return self

    def begin(self) -> "Database":
        return self

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def info(self) -> dict[str, int]:
        return {"last_pgno": self.last_page}

    def stat(self) -> dict[str, int]:
        return {"psize": 4096}

    def get(self, key: bytes) -> bytes | None:
        if isinstance(self.pairs.get(key), Exception):
            raise self.pairs[key]
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


def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: dict[bytes, Any],
           last_page: int = -1) -> FeatureFile:
    class LmdbError(Exception):
        pass

    database = Database({key: LmdbError("MDB_CORRUPTED") if value is None else value for key, value in pairs.items()},
                        last_page)
    monkeypatch.setitem(sys.modules, "lmdb", SimpleNamespace(open=database, Error=LmdbError))
    (tmp_path / "data.mdb").write_bytes(bytes(4096 * 3 - 1))
    return open_features(tmp_path)


def test_an_lmdb_that_is_cut_short_is_refused_before_it_is_read(tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {b"keys": pickle.dumps([])}
    with pytest.raises(UsageError, match="is cut short: it has 12287 bytes of 12288"):
        opened(tmp_path, monkeypatch, pairs, last_page=2)
    opened(tmp_path, monkeypatch, pairs, last_page=1)


@pytest.mark.parametrize("keys", [[1], [None], None, 5, b"junk"])
def test_an_lmdb_whose_keys_are_odd_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: object) -> None:
    with pytest.raises(UsageError, match="is no LMDB of MMF's features"):
        opened(tmp_path, monkeypatch, {b"keys": keys if isinstance(keys, bytes) else pickle.dumps(keys)})


def test_an_lmdb_s_keys_may_be_text_or_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {b"keys": pickle.dumps(["val/a", b"\xff\xfe", "\ud800", b"torn"]), b"torn": None,
             b"val/a": pickle.dumps({"features": FEATURES, **INFO})}
    features = opened(tmp_path, monkeypatch, pairs)
    assert_is_a(features["a"])
    for name, why in (("\ud800", "no features of"), ("torn", "MDB_CORRUPTED")):
        with pytest.raises(ImageError, match=why):
            features[name]


def test_a_real_lmdb_cut_anywhere_is_one_line(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb", reason="the package lmdb is not installed")
    with lmdb.open(str(tmp_path), map_size=2**24) as database, database.begin(write=True) as writing:
        writing.put(b"keys", pickle.dumps([b"val/a"]))
        writing.put(b"val/a", pickle.dumps({"features": np.tile(FEATURES, 5000), **INFO}))
    content = (tmp_path / "data.mdb").read_bytes()
    assert open_features(tmp_path)["a"].features.shape == (3, 15000)
    for length in (0, 100, 4096, 8191, 8192, len(content) // 2, len(content) - 1):
        (tmp_path / "data.mdb").write_bytes(content[:length])
        with pytest.raises(UsageError, match="is no LMDB of MMF's features"):
            open_features(tmp_path)
