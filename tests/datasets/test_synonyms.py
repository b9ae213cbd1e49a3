"""Categories of an annotation file and classes of a model that are of them, by name."""

import json
from pathlib import Path

import pytest

from mmx.datasets.synonyms import Synonyms
from mmx.errors import UsageError

COCO = {16: "bird", 17: "cat", 18: "dog", 38: "kite", 55: "orange", 72: "tv", 76: "keyboard"}


def written(folder: Path, names: object) -> Path:
    path = folder / "synonyms.json"
    path.write_text(json.dumps(names))
    return path


def test_imagenet_labels_are_matched_by_any_of_their_names() -> None:
    labels = ["kite", "tabby, tabby cat", "Egyptian cat", "orange", "computer keyboard, keypad",
              "lesser panda, bear cat", "television, television system", "Maltese dog, Maltese terrier, Maltese"]
    found = Synonyms.read().classes_of(labels, COCO)
    assert found == {16: (0,), 17: (1, 2), 18: (7,), 55: (3,), 72: (6,), 76: (4,)}, "ImageNet's kite is a bird"


def test_a_name_that_imagenet_has_for_two_things_is_not_taken_for_one() -> None:
    assert Synonyms.read().classes_of(["crane", "cardigan"], COCO) == {}
    assert Synonyms.read().classes_of(["n02012849 crane", "n03126707 crane"], COCO) == {16: (0,)}
    assert Synonyms.read().classes_of(["Cardigan, Cardigan Welsh corgi", "cardigan"], COCO) == {18: (0,)}


def test_wordnet_ids_say_it_without_a_name() -> None:
    assert Synonyms.read().classes_of(["n02123045", "n02085620, Chihuahua"], COCO) == {17: (0,), 18: (1,)}


def test_a_model_of_these_very_categories_is_matched_by_name_alone() -> None:
    labels = [*COCO.values(), "Tabby"]
    assert Synonyms.read().classes_of(labels, COCO) == {number: (index,) for index, number in enumerate(COCO)}


def test_a_users_names_stand_for_the_shipped_ones_of_that_category(tmp_path: Path) -> None:
    synonyms = Synonyms.read(written(tmp_path, {"Cat": ["moggy"], "kite": ["stunt kite"]}))
    labels = ["moggy", "tabby", "stunt_kite", "pug"]
    assert synonyms.classes_of(labels, COCO) == {17: (0,), 38: (2,), 18: (3,)}
    assert synonyms.called("cat") == "moggy" and synonyms.called("dog") == "dog"
    assert synonyms.sha256 != Synonyms.read().sha256


def test_a_category_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'caat', which is no category") as raised:
        Synonyms.read(written(tmp_path, {"caat": ["tabby"]})).check(list(COCO.values()))
    assert "cat" in (raised.value.hint or "")


@pytest.mark.parametrize("names", [[], {"cat": "tabby"}, {"cat": []}, {"cat": [3]}, {"cat": [" "]}])
def test_what_is_no_file_of_synonyms_is_refused(tmp_path: Path, names: object) -> None:
    with pytest.raises(UsageError, match="no list of names for each category"):
        Synonyms.read(written(tmp_path, names))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Synonyms.read(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UsageError, match="is no JSON"):
        Synonyms.read(tmp_path / "broken.json")


def test_the_shipped_names_are_of_coco_and_imagenet(shared: Path) -> None:
    """Each WordNet id with ImageNet's own name for it, once; categories by COCO's names."""
    index = json.loads((shared / "realdata/labels/imagenet_class_index.json").read_text())
    names = {wordnet: name.replace("_", " ").lower() for wordnet, name in index.values()}
    panoptic = json.loads((shared / "realdata/labels/panoptic_coco_categories.json").read_text())
    known = {one["name"] for one in panoptic if one["isthing"]}
    entries = [entry for category, several in Synonyms.read().names.items() if category in known for entry in several]
    assert Synonyms.read().names.keys() <= known and len(entries) > 300
    assert len({entry[:9] for entry in entries}) == len(entries)
    others = {"n02113186 cardigan welsh corgi", "n02012849"}
    assert {entry for entry in entries if f"{entry[:9]} {names[entry[:9]]}" != entry} == others
