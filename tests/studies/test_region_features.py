"""Region features out of a provider, with a cache, or out of LXMERT's files; and where pictures are found."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from vqa_networks import NETWORKS

import mmx
from mmx.datasets.soft_accuracy import truth_of_one
from mmx.datasets.vqa import VqaSample
from mmx.errors import ImageError, UsageError
from mmx.perturbation.protocol import protocol_named
from mmx.studies.perturb import pictures
from mmx.studies.perturb.answering import AnsweringModel, answering_model
from mmx.studies.perturb.pictures import FileRegions, ProvidedRegions, Seen, pictures_of
from mmx.studies.perturb.samples import VqaData, data_from_file, drawn_data


@pytest.fixture
def model(tiny_lxmert: Path) -> AnsweringModel:
    return answering_model(mmx.load(tiny_lxmert))


@pytest.fixture
def data(tmp_path: Path, model: AnsweringModel) -> VqaData:
    rows = ["image,question,answer,id"]
    for name, shade in (("a", 10), ("b", 200)):
        Image.new("RGB", (20, 10), (shade, 0, 0)).save(tmp_path / f"{name}.png")
        rows += [f"{name}.png,what?,red,{name}1", f"{name}.png,is it red?,red,{name}2"]
    (tmp_path / "q.csv").write_text("\n".join([*rows, "gone.png,what?,red,g"]))
    return data_from_file(tmp_path / "q.csv", None, None, None, 1, protocol_named("clean", model.removal.reference))


def looked(regions: ProvidedRegions, data: VqaData) -> dict[str, Seen]:
    return {sample.id: one for sample, one in zip(data.samples, regions.look_up(data.samples), strict=True)
            if isinstance(one, Seen)}


def test_a_picture_is_looked_at_once_and_one_that_fails_is_an_error(model: AnsweringModel, data: VqaData,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    provider, seen = model.pictures.source_of_regions, []
    monkeypatch.setattr(provider, "regions", lambda images, run=provider.regions: seen.extend(images) or run(images))
    found = looked(ProvidedRegions(model.pictures, data, None), data)
    assert set(found) == {"a1", "a2", "b1", "b2"} and len(seen) == 2
    assert found["a1"].picture == found["a2"].picture != found["b1"].picture
    errors = [one for one in ProvidedRegions(model.pictures, data, None).look_up(data.samples)
              if isinstance(one, ImageError)]
    assert len(errors) == 1 and "gone.png" in str(errors[0])


def test_what_was_seen_is_read_from_the_cache(model: AnsweringModel, data: VqaData, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = looked(ProvidedRegions(model.pictures, data, cache), data)
    assert len(list(cache.rglob("*.safetensors"))) == 2
    monkeypatch.setattr(model.pictures.source_of_regions, "regions", lambda images: pytest.fail("looked again"))
    again = looked(ProvidedRegions(model.pictures, data, cache), data)
    for name, one in first.items():
        assert torch.equal(one.prepared.tensors["features"], again[name].prepared.tensors["features"])
        assert torch.equal(one.prepared.tensors["boxes"], again[name].prepared.tensors["boxes"])
        assert one.prepared.elements == again[name].prepared.elements


def test_the_cache_goes_by_the_pictures_content_and_the_providers_options(
        model: AnsweringModel, data: VqaData, tmp_path: Path, tiny_lxmert: Path) -> None:
    cache = tmp_path / "cache"
    looked(ProvidedRegions(model.pictures, data, cache), data)
    Image.new("RGB", (20, 10), (0, 0, 90)).save(tmp_path / "a.png")
    looked(ProvidedRegions(model.pictures, data, cache), data)
    assert len(list(cache.rglob("*.safetensors"))) == 3
    other = answering_model(mmx.load(tiny_lxmert, regions={"provider": "grid", "rows": 1, "columns": 2}))
    seen = looked(ProvidedRegions(other.pictures, data, cache), data)["a1"]
    assert len(seen.prepared.tensors["features"]) == 2
    assert len(list(cache.rglob("*.safetensors"))) == 5


def test_what_is_not_finite_in_the_cache_is_made_anew(model: AnsweringModel, data: VqaData, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = looked(ProvidedRegions(model.pictures, data, cache), data)
    for path in cache.rglob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            tensors, told = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
        tensors["features"][0, 0] = np.nan
        save_file(tensors, path, told)
    again = looked(ProvidedRegions(model.pictures, data, cache), data)
    assert torch.equal(first["a1"].prepared.tensors["features"], again["a1"].prepared.tensors["features"])


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_broken_cache_file_is_made_anew(model: AnsweringModel, data: VqaData, tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "cache"
    first = looked(ProvidedRegions(model.pictures, data, cache), data)
    for path in cache.rglob("*.safetensors"):
        path.write_bytes(content)
    again = looked(ProvidedRegions(model.pictures, data, cache), data)
    assert torch.equal(first["a1"].prepared.tensors["features"], again["a1"].prepared.tensors["features"])
    assert all(path.read_bytes() != content for path in cache.rglob("*.safetensors"))


@pytest.mark.parametrize("damage", [
    {"features": torch.full((4, 12), torch.nan)}, {"boxes_xyxy_unit": torch.full((4, 4), torch.inf)},
    {"boxes_xyxy_unit": torch.zeros(3, 4)}, {"features": torch.zeros(5, 12)}])
def test_regions_in_the_cache_that_nobody_can_have_found_are_found_anew(
        model: AnsweringModel, data: VqaData, tmp_path: Path, damage: dict[str, torch.Tensor]) -> None:
    cache = tmp_path / "cache"
    first = looked(ProvidedRegions(model.pictures, data, cache), data)
    path = next(cache.rglob("*.safetensors"))
    whole = path.read_bytes()
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()} | damage  # noqa: SIM118 - it is no dictionary
        save_file(tensors, path, file.metadata())
    assert path.read_bytes() != whole
    again = looked(ProvidedRegions(model.pictures, data, cache), data)
    assert all(torch.equal(first[name].prepared.tensors["features"], again[name].prepared.tensors["features"])
               for name in ("a1", "b1"))
    assert path.read_bytes() == whole


def test_large_pictures_are_looked_at_a_few_at_a_time(model: AnsweringModel, data: VqaData,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    provider, at_once = model.pictures.source_of_regions, []
    whole = looked(ProvidedRegions(model.pictures, data, None), data)
    monkeypatch.setattr(pictures, "PIXELS_AT_ONCE", 150)  # each has 200
    monkeypatch.setattr(provider, "regions",
                        lambda images, run=provider.regions: at_once.append(len(images)) or run(images))
    split = looked(ProvidedRegions(model.pictures, data, None), data)
    assert [count for count in at_once if count] == [1, 1] and split.keys() == whole.keys()
    for name, one in whole.items():
        torch.testing.assert_close(split[name].prepared.tensors, one.prepared.tensors)


def test_regions_that_are_not_finite_are_not_kept(model: AnsweringModel, data: VqaData, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    provider, cache = model.pictures.source_of_regions, tmp_path / "cache"
    monkeypatch.setattr(provider, "regions", lambda images, run=provider.regions: [
        replace(one, features=one.features * torch.inf) for one in run(images)])
    looked(ProvidedRegions(model.pictures, data, cache), data)
    assert not list(cache.rglob("*.safetensors"))


def test_features_of_a_file_are_the_models_or_refused(tiny_lxmert: Path, tmp_path: Path) -> None:
    def coded(count: int) -> str:
        return base64.b64encode(np.ones(count, dtype="<f4").tobytes()).decode()

    path = tmp_path / "f.tsv"
    path.write_text("\n".join("\t".join([name, "5", "5", "", coded(2), "", "", "2", coded(8), coded(2 * size)])
                              for name, size in (("fits", 12), ("other", 7))))
    given = answering_model(mmx.load(tiny_lxmert, features=path))
    regions = pictures_of(given, VqaData((), *[lambda sample: pytest.fail("opened a picture")] * 2, {}, 1), None)
    assert isinstance(regions, FileRegions)
    fits, other, absent = (VqaSample("1", name, "?", truth_of_one("red")) for name in ("fits", "other", "absent"))
    seen, error = regions.look_up([fits, absent])
    assert isinstance(seen, Seen) and seen.prepared.tensors["features"].shape == (2, 12)
    assert isinstance(error, ImageError)
    assert regions.hash_of(fits) == seen.picture and regions.hash_of(absent) is None
    with pytest.raises(UsageError, match="7 numbers a region; the model takes 12"):
        regions.look_up([other])


@pytest.mark.parametrize(("place", "bad"), [("features", np.nan), ("features", -np.inf), ("boxes", np.inf)])
def test_features_that_are_not_finite_are_one_samples_error(tiny_lxmert: Path, tmp_path: Path, place: str,
                                                           bad: float) -> None:
    def coded(array: np.ndarray) -> str:
        return base64.b64encode(array.astype("<f4").tobytes()).decode()

    rows = []
    for name in ("fits", "bad"):
        values = {"boxes": np.ones((2, 4)), "features": np.ones((2, 12))}
        if name == "bad":
            values[place][1, 2] = bad
        rows.append("\t".join([name, "5", "5", "", coded(np.ones(2)), "", "", "2", *map(coded, values.values())]))
    (tmp_path / "f.tsv").write_text("\n".join(rows))
    regions = pictures_of(answering_model(mmx.load(tiny_lxmert, features=tmp_path / "f.tsv")), VqaData(
        (), *[lambda sample: pytest.fail("opened a picture")] * 2, {}, 1), None)
    seen, error = regions.look_up([VqaSample("1", name, "?", truth_of_one("red")) for name in ("fits", "bad")])
    assert isinstance(seen, Seen)
    assert isinstance(error, ImageError)
    assert error.message == (f"The features of bad in {tmp_path / 'f.tsv'}, line 2, are broken (the {place} of region "
                             "2 of 2 are not finite).")


def test_the_hash_of_features_is_over_their_content(tiny_lxmert: Path, tmp_path: Path) -> None:
    """MMF's files are known by their names and sizes alone."""
    hashes = []
    for value in (1.0, 1.0, 2.0):
        np.save(tmp_path / "a.npy", np.full((2, 12), value, dtype=np.float32))
        np.save(tmp_path / "a_info.npy", {"bbox": np.ones((2, 4)), "image_width": 5, "image_height": 5},
                allow_pickle=True)
        given = answering_model(mmx.load(tiny_lxmert, features=tmp_path))
        regions = pictures_of(given, VqaData((), *[lambda sample: pytest.fail("opened")] * 2, {}, 1), None)
        hashes.append(regions.hash_of(VqaSample("1", "a", "?", truth_of_one("red"))))
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_order_is_the_references_shuffle(tmp_path: Path, model: AnsweringModel) -> None:
    import random

    (tmp_path / "q.csv").write_text("image,question,answer,id\n" + "".join(f"a.png,?,x,{n}\n" for n in range(30)))
    order = list(range(30))
    random.seed(1234)
    random.shuffle(order)
    found = data_from_file(tmp_path / "q.csv", None, None, 7, 1234, protocol_named("iccv21", model.removal.reference))
    assert [sample.id for sample in found.samples] == [str(n) for n in order[:7]] and found.divisor == 7


def test_the_reference_takes_one_more_for_visual_bert_and_clean_does_not() -> None:
    removal = NETWORKS["visual_bert"]()
    reference, clean = (drawn_data(5, 1, protocol_named(name, removal.reference)) for name in ("iccv21", "clean"))
    assert (len(reference.samples), reference.divisor, len(clean.samples), clean.divisor) == (6, 5, 5, 5)


def test_drawn_scenes_depend_on_the_seed(model: AnsweringModel) -> None:
    protocol = protocol_named("clean", model.removal.reference)
    first, same, other = (drawn_data(4, seed, protocol) for seed in (1, 1, 2))
    assert [one.id for one in first.samples] == [one.id for one in same.samples] != [one.id for one in other.samples]
    assert first.picture(first.samples[0]).sha256 == same.picture(same.samples[0]).sha256


@pytest.mark.parametrize("name", ["COCO_val2014_000000000009.jpg", "val2014/COCO_val2014_000000000009.jpg",
                                  "000000000009.png"])
def test_pictures_by_their_coco_names(tmp_path: Path, model: AnsweringModel, name: str) -> None:
    (tmp_path / "valid.json").write_text('[{"question_id": 1, "img_id": "COCO_val2014_000000000009", "sent": "?", '
                                         '"label": {"yes": 1}}]')
    path = tmp_path / "pictures" / name
    path.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(path)
    protocol = protocol_named("clean", model.removal.reference)
    data = data_from_file(tmp_path / "valid.json", None, tmp_path / "pictures", None, 1, protocol)
    assert data.picture(data.samples[0]).source == str(path)
    path.unlink()
    with pytest.raises(ImageError, match="has no picture COCO_val2014_000000000009"):
        data.picture(data.samples[0])
    nowhere = data_from_file(tmp_path / "valid.json", None, None, None, 1, protocol)
    with pytest.raises(UsageError, match="Add `images=DIR`"):
        nowhere.picture(nowhere.samples[0])


@pytest.mark.parametrize("name", ["abstract_v002_val2015_000000020010.png",
                                  "scene_img_abstract_v002_val2015/abstract_v002_val2015_000000020010.png"])
def test_abstract_scenes_by_their_names(tmp_path: Path, model: AnsweringModel, name: str) -> None:
    (tmp_path / "q.json").write_text(json.dumps({
        "data_type": "abstract_v002", "data_subtype": "val2015",
        "questions": [{"image_id": 20010, "question": "?", "question_id": 1}]}))
    (tmp_path / "a.json").write_text('{"annotations": [{"question_id": 1, "answers": [{"answer": "yes"}]}]}')
    path = tmp_path / "pictures" / name
    path.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(path)
    data = data_from_file(tmp_path / "q.json", tmp_path / "a.json", tmp_path / "pictures", None, 1,
                          protocol_named("clean", model.removal.reference))
    assert data.picture(data.samples[0]).source == str(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
def test_names_that_no_file_can_have(tmp_path: Path, model: AnsweringModel, name: str) -> None:
    (tmp_path / "valid.json").write_text(json.dumps([{"question_id": 1, "img_id": name, "sent": "?", "label": {}}]))
    data = data_from_file(tmp_path / "valid.json", None, tmp_path, None, 1,
                          protocol_named("clean", model.removal.reference))
    with pytest.raises(ImageError, match="has no picture"):
        data.picture(data.samples[0])
