"""The JSON form of an explanation's parts, plain types in a stable order, and back; and plain rows."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmx.results.elements import Box, Element, Elements, Patches, Region, Regions, Token, Words
from mmx.results.items import Item, Picture, Prediction

_SIDES = ("left", "top", "right", "bottom")
_FARTHEST_PX = 1e6


def json_bytes(document: Any) -> bytes:
    """A JSON document as an UTF-8 file. Raises ValueError where a number is not finite."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", errors="backslashreplace")  # a lone surrogate: \udc80 is its JSON escape


def prediction_to_dict(one: Prediction) -> dict[str, Any]:
    return {"index": int(one.index), "label": one.label, "score": float(one.score), "unit": one.unit}


def _box(box: Box) -> list[float]:
    return [float(side) for side in box]


def elements_to_dict(elements: Elements) -> dict[str, list[dict[str, Any]]]:
    return {stream: [_element(one) for one in blocks] for stream, blocks in elements.items()}


def _element(one: Element) -> dict[str, Any]:
    if isinstance(one, Words):
        return {"kind": one.kind, "text": one.text, "tokens": [
            {"text": token.text, "piece": token.piece, "special": token.special,
             "span": None if token.span is None else [int(end) for end in token.span]} for token in one.tokens]}
    if isinstance(one, Patches):
        return {"kind": one.kind, "rows": one.rows, "columns": one.columns, "box_xyxy_px": _box(one.box_xyxy_px),
                "image": one.picture}
    return {"kind": one.kind, "provider": one.provider, "image": one.picture, "regions": [
        {"box_xyxy_px": _box(region.box_xyxy_px), "label": region.label,
         "confidence": None if region.confidence is None else float(region.confidence)} for region in one.regions]}


def read_elements(document: Mapping[str, Any]) -> dict[str, tuple[Element, ...]]:
    return {stream: tuple(map(_read_element, blocks)) for stream, blocks in document.items()}


def _read_element(one: Mapping[str, Any]) -> Element:
    if one["kind"] == Words.kind:
        return Words(one["text"], tuple(Token(token["text"], token["piece"], token["special"],
                                              _read_span(token["span"])) for token in one["tokens"]))
    if one["kind"] == Patches.kind:
        return Patches(one["rows"], one["columns"], _read_box(one["box_xyxy_px"]), one["image"])
    if one["kind"] == Regions.kind:
        return Regions(tuple(Region(_read_box(region["box_xyxy_px"]), region["label"], region["confidence"])
                             for region in one["regions"]), one["provider"], one["image"])
    raise ValueError(f"no element is called {one['kind']!r}")


def _read_span(span: list[int] | None) -> tuple[int, int] | None:
    return None if span is None else (span[0], span[1])


def _read_box(box: list[float]) -> Box:
    left, top, right, bottom = map(float, box)
    if not all(abs(side) <= _FARTHEST_PX for side in (left, top, right, bottom)):
        raise ValueError(f"the box {box} reaches farther than any picture")
    return left, top, right, bottom


def read_item(one: Mapping[str, Any]) -> Item:
    return Item(one["kind"], one["index"], one["label"], one["score"], one["unit"],
                {stream: np.array(scores, dtype=np.float64) for stream, scores in one["scores"].items()},
                dict(one["also"]), one["query"],
                None if one["box_xyxy_px"] is None else _read_box(one["box_xyxy_px"]),
                tuple(Prediction(**each) for each in one["predictions"]), read_elements(one["elements"]),
                tuple(one["notes"]), _read_span(one.get("span")), one.get("log_probability"),
                one.get("without_picture", {}).get("log_probability"))


def named_tokens(element: Element) -> list[dict[str, Any]]:
    """What each token is, in the same columns for words, patches and regions."""
    if isinstance(element, Words):
        return [{"text": token.text, **dict.fromkeys(_SIDES)} for token in element.tokens]
    labels = [region.label for region in element.regions] if isinstance(element, Regions) else [None] * len(element)
    return [{"text": label, **dict(zip(_SIDES, box, strict=True))}
            for label, box in zip(labels, element.boxes_xyxy_px, strict=True)]


def item_to_dict(item: Item) -> dict[str, Any]:
    """An item with its scores, which must be finite."""
    return {
        "kind": item.kind, **prediction_to_dict(item.prediction),
        "also": {unit: float(value) for unit, value in item.also.items()}, "query": item.query,
        "box_xyxy_px": None if item.box_xyxy_px is None else _box(item.box_xyxy_px),
        "predictions": [prediction_to_dict(one) for one in item.predictions],
        "elements": elements_to_dict(item.elements),
        "scores": {stream: np.asarray(scores, dtype=np.float64).tolist() for stream, scores in item.scores.items()},
        "notes": list(item.notes), **_written(item),
    }


def _written(item: Item) -> dict[str, Any]:
    """What words that were written have beside other items."""
    blank = {"log_probability": item.log_probability_without_picture, "drop": item.drop_without_picture}
    found = {"span": None if item.span is None else list(item.span), "log_probability": item.log_probability,
             "without_picture": None if None in blank.values() else blank}
    return {name: value for name, value in found.items() if value is not None}


def picture_to_dict(one: Picture) -> dict[str, Any]:
    return {"source": one.source, "width": one.size[0], "height": one.size[1], "sha256": one.sha256,
            "notes": list(one.notes)}
