"""The one result: any number of items over words, patches and regions, to plain data and back without loss."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx.errors import UsageError
from mmx.results import (
    SCHEMA_VERSION,
    Asked,
    Explanation,
    Item,
    ModelInfo,
    Patches,
    Picture,
    Prediction,
    Region,
    Regions,
    Token,
    Words,
    json_bytes,
)

MODEL = ModelInfo("tiny", "toys", "ToyModel", "sha256:00", "cpu", "float32")
PICTURE = Picture(Image.new("RGB", (60, 40), "white"), "pictures/my cat.jpg", 32 * "0f", ("first of 3 frames",))
WORDS = Words("a Cat?", (Token("[CLS]", "[CLS]", True, None), Token("a", "a", False, (0, 1)),
                         Token("Cat", "cat", False, (2, 5)), Token("?", "?", False, (5, 6))))
PATCHES = Patches(2, 3, (6.0, -2.0, 36.0, 38.0))
REGIONS = Regions((Region((0.0, 1.5, 10.0, 20.0), "red cat", 0.75), Region((5.0, 5.0, 60.0, 40.0))), "frcnn")


def numbers(count: int, dtype: type = np.float32) -> np.ndarray:
    return np.linspace(-0.5, 1, count).astype(dtype)


def made(items: tuple[Item, ...], elements: dict, asked: Asked, **more: Any) -> Explanation:
    return Explanation(**{"model": MODEL, "method": "relevance", "pictures": (PICTURE,), "asked": asked,
                          "elements": elements, "items": items, "versions": {"mmx": "0.1.0"}, **more})


ANSWER = made(
    (Item("answer", 7, "yes", np.float32(0.8), "softmax", {"text": numbers(4), "image": numbers(2)}),),
    {"text": (WORDS,), "image": (REGIONS,)}, Asked("a Cat?", regions="frcnn"),
    predictions=(Prediction(7, "yes", 0.8, "softmax"), Prediction(2, "no", 0.1, "softmax")),
    left_out={"partial-lrp": "There is no relevance rule for torch.Tensor.mean."}, notes=("answers are numbers",))
CLASSES = made(
    (Item("class", 3, "cat, tabby", 1.25, "value", {"image": numbers(6, np.float64)}),
     Item("class", 0, "dog", 0.5, "sigmoid", {"image": numbers(6)})),
    {"image": (PATCHES,)}, Asked(targets=(3, 0), start_layers={"image": 0}))
TEXTS = made(
    (Item("text", 1, "a Cat?", 0.3, "similarity", {"text": numbers(4), "image": numbers(6)},
          {"logit": 3.5, "softmax": np.float32(0.7)}, elements={"text": (WORDS,)}, notes=("unknown word: Cat",)),),
    {"image": (PATCHES,)}, Asked(texts=("a dog", "a Cat?"), targets=(1,), start_layers={"image": -1, "text": -1}),
    predictions=(Prediction(1, "a Cat?", 0.7, "softmax"),))
DETECTIONS = made(
    (Item("detection", 3, "cat", 0.9, "softmax", {"image": numbers(6)}, query=5, box_xyxy_px=(1.0, 2.0, 30.0, 40.0),
          predictions=(Prediction(3, "cat", 0.9, "softmax"), Prediction(1, "dog", 0.05, "softmax"))),),
    {"image": (PATCHES,)}, Asked(threshold=0.5, class_name="cat"),
    others=(Item("detection", 1, "dog", 0.4, "softmax", query=2, box_xyxy_px=(0.0, 0.0, 5.0, 5.0)),))
WRITTEN = made(
    (Item("word", 2, "Cat?", 0.25, "softmax", {"text": numbers(4), "image": numbers(6), "answer": numbers(4)},
          span=(2, 6), log_probability=float(np.log(0.25))),),
    {"text": (WORDS,), "image": (PATCHES,), "answer": (WORDS,)}, Asked("a Cat?", targets=("cat?",), answer="a Cat?"),
    predictions=(Prediction(0, "a Cat?", 0.2, "softmax"),))
NOTHING = made((), {"image": (PATCHES,)}, Asked(queries=(), threshold=0.99))
TWO_BLOCKS = made(
    (Item("answer", 0, "yes", 0.5, "sigmoid", {"joint": numbers(4 + 6 + 2 + 6)}),),
    {"joint": (WORDS, PATCHES, REGIONS, replace(PATCHES, picture=1))}, Asked("a Cat?"),
    pictures=(PICTURE, replace(PICTURE, source="other.png", sha256=32 * "11")))
EVERY = {"an answer over words and regions": ANSWER, "classes over patches": CLASSES, "texts over patches": TEXTS,
         "detections": DETECTIONS, "words of an answer": WRITTEN, "nothing found": NOTHING,
         "one stream of four blocks, two pictures": TWO_BLOCKS}


@pytest.fixture(params=EVERY)
def explanation(request: pytest.FixtureRequest) -> Explanation:
    return EVERY[request.param]


def test_plain_data_comes_back_as_it_was(explanation: Explanation) -> None:
    document = explanation.to_dict()
    again = Explanation.from_dict(document, [one.image for one in explanation.pictures if one.image is not None])
    assert again.to_dict() == document
    assert [(one.image, one.source, one.size) for one in again.pictures] == [
        (one.image, one.source, (60, 40)) for one in explanation.pictures]
    assert replace(again, items=(), others=(), pictures=()) == replace(explanation, items=(), others=(), pictures=())
    for one, other in zip((*again.items, *again.others), (*explanation.items, *explanation.others), strict=True):
        assert replace(one, scores={}) == replace(other, scores={})
        assert one.scores.keys() == other.scores.keys()
        for stream, scores in other.scores.items():
            assert one.scores[stream].tolist() == scores.astype(np.float64).tolist()


def test_the_file_is_json_of_plain_types_and_reads_back(explanation: Explanation) -> None:
    content = explanation.to_json()
    assert content.endswith(b"}\n")
    document = json.loads(content)
    assert document == explanation.to_dict()
    assert document["schema_version"] == SCHEMA_VERSION == 2
    assert Explanation.from_dict(document).to_json() == content


def test_a_result_that_was_read_knows_the_size_of_a_picture_that_it_has_not(explanation: Explanation) -> None:
    again = Explanation.from_dict(explanation.to_dict())
    assert all(one.image is None and one.size == (60, 40) for one in again.pictures)


def test_what_was_written_is_not_a_view_of_the_result() -> None:
    document = copy.deepcopy(ANSWER.to_dict())
    changed = ANSWER.to_dict()
    changed["items"][0]["scores"]["text"][0] = 99.0
    changed["asked"]["start_layers"]["image"] = 3
    changed["left_out"].clear()
    assert ANSWER.to_dict() == document


@pytest.mark.parametrize("version", [None, 1, 3, "2", 2.5])
def test_another_schema_version_is_refused_in_one_line(version: object) -> None:
    document = {**ANSWER.to_dict(), "schema_version": version}
    with pytest.raises(UsageError, match="This is no explanation of schema version 2") as caught:
        Explanation.from_dict(document)
    assert "\n" not in str(caught.value)
    assert (f"but of version {version}" in str(caught.value)) == (version is not None)


@pytest.mark.parametrize("document", [{}, {"schema_version": 2}, [], None, "{}", 3])
def test_what_is_no_explanation_at_all_is_refused(document: Any) -> None:
    with pytest.raises(UsageError, match="This is no explanation of schema version 2"):
        Explanation.from_dict(document)


def places(document: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every place of a document that is under a name."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield (*path, name)
            yield from places(value, (*path, name))
    if isinstance(document, list):
        for number, value in enumerate(document):
            yield from places(value, (*path, number))


# What is found by its name here and not by the format: streams, units, methods, packages.
FREE = {"elements", "scores", "also", "left_out", "versions", "start_layers"}
# What only words that were written have, and answers that were given; what documents of before have not.
NOT_EVERYWHERE = {("items", 0, "span"), ("items", 0, "log_probability"), ("asked", "answer")}
LATER = {"sink_shares", "signed"}


@pytest.mark.parametrize("name", EVERY)
def test_a_document_that_lacks_something_is_refused_in_one_line(name: str) -> None:
    tried = 0
    for place in places(EVERY[name].to_dict()):
        if ((len(place) > 1 and place[-2] in FREE) or place in (("schema_version",), ("items",))
                or place in NOT_EVERYWHERE or LATER.intersection(place)):
            continue
        document = EVERY[name].to_dict()
        *above, last = place
        inside: Any = document
        for step in above:
            inside = inside[step]
        del inside[last]
        with pytest.raises(UsageError, match=r"This explanation is damaged: .*Write it anew with 'mmx explain'\.$"):
            Explanation.from_dict(document)
        tried += 1
    assert tried > 20


@pytest.mark.parametrize(("place", "value"), [
    (("items",), 3), (("items", 0), None), (("images",), None), (("model",), "tiny"), (("model", "size"), 3),
    (("elements", "text", 0, "kind"), "sounds"), (("items", 0, "box_xyxy_px"), [1, 2, 3]),
    (("items", 0, "box_xyxy_px"), ["a", 1, 2, 3]), (("elements", "image", 0, "regions"), 1),
    (("predictions", 0), {"index": 1}),
    (("elements",), []), (("items", 0, "scores"), 1), (("elements", "image", 0, "image"), 1),
    (("elements", "image", 0, "image"), 10**30),
    (("elements", "text", 0, "tokens", 1, "span"), [0]),
    (("items", 0, "scores", "text"), [1.0, 2.0]),
    (("items", 0, "scores", "text"), ["a", "b", "c", "d"])])
def test_a_document_with_something_else_in_a_place_is_refused_in_one_line(place: tuple, value: object) -> None:
    document: Any = ANSWER.to_dict()
    inside = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with pytest.raises(UsageError, match="This explanation is damaged") as caught:
        Explanation.from_dict(document)
    assert "\n" not in str(caught.value)


def test_blocks_cut_a_stream_at_its_elements() -> None:
    [item] = TWO_BLOCKS.items
    blocks = TWO_BLOCKS.blocks(item)
    assert [block.element for block in blocks] == list(TWO_BLOCKS.elements["joint"])
    assert [len(block.scores) for block in blocks] == [4, 6, 2, 6]
    assert {block.stream for block in blocks} == {"joint"}
    assert np.concatenate([block.scores for block in blocks]).tolist() == numbers(18).astype(float).tolist()


def test_an_items_own_elements_stand_beside_those_of_all() -> None:
    [item] = TEXTS.items
    assert TEXTS.elements_of(item) == {"image": (PATCHES,), "text": (WORDS,)}
    assert {block.stream: block.element for block in TEXTS.blocks(item)} == {"image": PATCHES, "text": WORDS}


def test_an_item_that_was_not_explained_has_no_blocks() -> None:
    assert DETECTIONS.blocks(DETECTIONS.others[0]) == ()


@pytest.mark.parametrize("scores", [numbers(3), numbers(5), np.zeros((4, 1)), np.zeros(()), np.zeros(0)])
def test_another_number_of_scores_than_of_tokens_is_refused(scores: np.ndarray) -> None:
    item = replace(ANSWER[0], scores={"text": scores})
    with pytest.raises(ValueError, match=r"The 'text' scores have shape .*, not \(4,\)\."):
        ANSWER.blocks(item)
    with pytest.raises(ValueError, match="The 'text' scores have shape"):
        replace(ANSWER, items=(item,)).to_dict()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    scores = numbers(4)
    scores[2] = bad
    broken = replace(ANSWER, items=(replace(ANSWER[0], scores={"text": scores}),))
    for write in (broken.to_dict, broken.to_json, broken.rows, lambda: broken.blocks(broken[0])):
        with pytest.raises(ValueError, match="The 'text' scores are not all finite"):
            write()


@pytest.mark.parametrize("broken", [
    replace(ANSWER, items=(replace(ANSWER[0], score=float("nan")),)),
    replace(TEXTS, items=(replace(TEXTS[0], also={"logit": float("inf")}),)),
    replace(ANSWER, predictions=(Prediction(0, "no", float("nan"), "softmax"),)),
    replace(DETECTIONS, others=(replace(DETECTIONS.others[0], box_xyxy_px=(0, 0, float("inf"), 1)),))])
def test_no_number_of_a_file_is_infinite_or_none(broken: Explanation) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.to_json()


def test_a_lone_surrogate_is_written_as_its_escape_and_comes_back() -> None:
    """As a file name has it whose bytes are no UTF-8."""
    odd = replace(ANSWER, pictures=(replace(PICTURE, source="caf\udce9.jpg"),), notes=("ünï 象",))
    content = odd.to_json()
    assert b"caf\\udce9.jpg" in content
    assert "ünï 象".encode() in content
    again = Explanation.from_dict(json.loads(content))
    assert (again.picture.source, again.notes) == ("caf\udce9.jpg", ("ünï 象",))


def test_numbers_of_a_file_are_finite() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"a": float("nan")})


def test_rows_say_what_each_token_is_where_and_how_relevant() -> None:
    rows = ANSWER.rows()
    assert len(rows) == 4 + 2
    common = {"image": "pictures/my cat.jpg", "question": "a Cat?", "model": "tiny", "method": "relevance",
              "item": "yes", "index": 7, "query": None, "score": pytest.approx(0.8), "unit": "softmax"}
    assert rows[2] == {**common, "stream": "text", "position": 2, "text": "Cat", "left": None, "top": None,
                       "right": None, "bottom": None, "relevance": float(numbers(4)[2])}
    assert rows[4] == {**common, "stream": "image", "position": 0, "text": "red cat", "left": 0.0, "top": 1.5,
                       "right": 10.0, "bottom": 20.0, "relevance": float(numbers(2)[0])}


def test_rows_of_patches_are_their_boxes_in_the_picture_row_by_row() -> None:
    rows = CLASSES.rows()
    assert len(rows) == 12
    assert [(row["item"], row["position"]) for row in rows] == [
        (label, position) for label in ("cat, tabby", "dog") for position in range(6)]
    assert [(row["left"], row["top"], row["right"], row["bottom"]) for row in rows[:6]] == [
        (6.0, -2.0, 16.0, 18.0), (16.0, -2.0, 26.0, 18.0), (26.0, -2.0, 36.0, 18.0),
        (6.0, 18.0, 16.0, 38.0), (16.0, 18.0, 26.0, 38.0), (26.0, 18.0, 36.0, 38.0)]
    assert [row["relevance"] for row in rows[:6]] == numbers(6, np.float64).tolist()


def test_rows_of_every_kind_have_the_same_columns(explanation: Explanation) -> None:
    columns = list(ANSWER.rows()[0])
    assert all(list(row) == columns for row in explanation.rows())
    assert len(explanation.rows()) == sum(len(scores) for item in explanation for scores in item.scores.values())


def test_a_result_is_a_sequence_of_its_items() -> None:
    assert len(CLASSES) == 2
    assert list(CLASSES) == [CLASSES[0], CLASSES[1]]
    assert CLASSES.only(1).items == (CLASSES.items[1],)
    assert len(NOTHING) == 0
    assert CLASSES.picture is CLASSES.pictures[0]


@pytest.mark.parametrize(("explanation", "said"), [
    (ANSWER, "<Explanation of pictures/my cat.jpg by relevance, tiny: yes 0.8 softmax>"),
    (TEXTS, "<Explanation of pictures/my cat.jpg by relevance, tiny: a Cat? 0.3 similarity>"),
    (NOTHING, "<Explanation of pictures/my cat.jpg by relevance, tiny: nothing>"),
    (replace(CLASSES, items=CLASSES.items * 3), "<Explanation of pictures/my cat.jpg by relevance, tiny: cat, tabby "
     "1.25 value, dog 0.5 sigmoid, cat, tabby 1.25 value, and 3 more>")])
def test_a_result_says_in_one_line_what_it_is(explanation: Explanation, said: str) -> None:
    assert repr(explanation) == said


def test_patches_and_regions_say_where_each_is() -> None:
    assert PATCHES.boxes_xyxy_px[4] == (16.0, 18.0, 26.0, 38.0)
    assert len(PATCHES.boxes_xyxy_px) == len(PATCHES) == 6
    assert REGIONS.boxes_xyxy_px == ((0.0, 1.5, 10.0, 20.0), (5.0, 5.0, 60.0, 40.0))
    assert Patches(0, 0, (0, 0, 60, 40)).boxes_xyxy_px == ()
