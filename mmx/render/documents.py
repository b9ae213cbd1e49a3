"""Explanations as JSON: plain types in a stable order, scores raw. Scaling for display is the business of pictures."""

import json
from typing import Any

import numpy as np

from mmx.render.tokens import scored_words
from mmx.types import SCHEMA_VERSION, Detections, Explanation, Explanations, ModelInfo, Picture, Prediction, Wanted


def explanation_to_dict(explanation: Explanation) -> dict[str, Any]:
    """The JSON form: plain types in a stable order.

    Raises:
        ValueError: a score is not finite, or a stream has not one score for each of its elements.
    """
    model = explanation.model
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(model),
        "method": explanation.method,
        "question": explanation.question,
        "target": _prediction(explanation.target),
        "predictions": [_prediction(prediction) for prediction in explanation.predictions],
        "tokens": _tokens(explanation),
        "regions": _regions(explanation),
        "region_provider": explanation.region_provider,
        "image": _image(explanation.picture),
        "device": model.device,
        "dtype": model.dtype,
        "versions": dict(explanation.versions),
        "notes": list(explanation.notes),
    }


def detections_to_dict(detections: Detections) -> dict[str, Any]:
    """The JSON form of all detections of a picture. Raises ValueError where `explanation_to_dict` does."""
    model = detections.model
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(model),
        "method": detections.method,
        "image": _image(detections.picture),
        "asked": wanted_to_dict(detections.wanted),
        "detections": [_detection(explanation) for explanation in detections],
        "others": [{"query": other.detection.query, **_scored(other.prediction),
                    "box_xyxy_px": _box(other.detection.box_xyxy_px)} for other in detections.others],
        "device": model.device,
        "dtype": model.dtype,
        "versions": dict(detections.versions),
        "notes": list(detections.notes),
    }


def explanations_to_dict(found: Explanations) -> dict[str, Any]:
    """The JSON form of all classes or texts of a picture. Raises ValueError where `explanation_to_dict` does."""
    first = found[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(found.model),
        "method": found.method,
        "image": _image(found.picture),
        "start_layers": dict(first.start_layers),
        "predictions": [_prediction(prediction) for prediction in first.predictions],
        "texts" if found.of_texts else "classes": [_mapped(explanation) for explanation in found],
        "device": found.model.device,
        "dtype": found.model.dtype,
        "versions": dict(found.versions),
        "notes": list(found.notes),
    }


def wanted_to_dict(wanted: Wanted) -> dict[str, Any]:
    return {"threshold": wanted.threshold, "queries": list(wanted.queries) or None, "class": wanted.class_name}


def json_bytes(explanation: Explanation | Detections | Explanations) -> bytes:
    """The JSON form as an UTF-8 file."""
    text = json.dumps(explanation.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", errors="backslashreplace")  # a lone surrogate: \udc80 is its JSON escape


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "index": int(prediction.index),
        "label": prediction.label,
        "probability": float(prediction.probability),
    }


def _model(model: ModelInfo) -> dict[str, str]:
    return {"name": model.name, "family": model.family, "revision": model.revision}


def _detection(explanation: Explanation) -> dict[str, Any]:
    assert explanation.detection is not None
    return {
        "query": explanation.detection.query,
        **_scored(explanation.target),
        "box_xyxy_px": _box(explanation.detection.box_xyxy_px),
        "predictions": [_prediction(prediction) for prediction in explanation.predictions],
        "relevance": _map(explanation),
    }


def _mapped(explanation: Explanation) -> dict[str, Any]:
    """A class, or a text with its tokens as the model has them and its words as the reader typed them."""
    relevance = {**_map(explanation), "box_xyxy_px": _box(explanation.view_xyxy_px or ())}
    if explanation.match is None:
        return {**_prediction(explanation.target), "relevance": relevance}
    words = scored_words(explanation.question, explanation.tokens, explanation.scores["text"])
    return {
        "text": explanation.question,
        "similarity": float(explanation.match.similarity),
        "logit": float(explanation.match.logit),
        "probability": float(explanation.target.probability),
        "tokens": _tokens(explanation),
        "words": [{"text": word.text, "score": float(word.score)} for word in words],
        "relevance": relevance,
        "notes": list(explanation.notes),
    }


def _map(explanation: Explanation) -> dict[str, Any]:
    assert explanation.grid is not None
    rows, columns = explanation.grid
    scores = np.array(_stream(explanation, "image", rows * columns)).reshape(rows, columns)
    return {"grid": [rows, columns], "scores": scores.tolist()}


def _scored(prediction: Prediction) -> dict[str, Any]:
    return {"label": prediction.label, "index": int(prediction.index), "score": float(prediction.probability)}


def _box(box_xyxy_px: tuple[float, ...]) -> list[float]:
    return [float(side) for side in box_xyxy_px]


def _tokens(explanation: Explanation) -> list[dict[str, Any]]:
    scores = _stream(explanation, "text", len(explanation.tokens))
    return [
        {
            "text": token.text,
            "piece": token.piece,
            "special": token.special,
            "span": None if token.span is None else [int(end) for end in token.span],
            "score": score,
        }
        for token, score in zip(explanation.tokens, scores, strict=True)
    ]


def _regions(explanation: Explanation) -> list[dict[str, Any]]:
    scores = _stream(explanation, "image", len(explanation.regions))
    return [
        {
            "box_xyxy_px": _box(region.box_xyxy_px),
            "label": region.label,
            "confidence": None if region.score is None else float(region.score),
            "relevance": score,
        }
        for region, score in zip(explanation.regions, scores, strict=True)
    ]


def _stream(explanation: Explanation, stream: str, count: int) -> list[float | None]:
    """Raw scores as plain floats; None for each element of a stream that the explanation does not have."""
    if stream not in explanation.scores:
        return [None] * count
    scores = np.asarray(explanation.scores[stream], dtype=np.float64)
    if scores.shape != (count,):
        raise ValueError(f"The '{stream}' scores have shape {scores.shape}, not ({count},).")
    if not np.isfinite(scores).all():
        raise ValueError(f"The '{stream}' scores are not all finite.")
    return scores.tolist()


def _image(picture: Picture) -> dict[str, Any]:
    return {
        "source": picture.source,
        "width": picture.image.width,
        "height": picture.image.height,
        "sha256": picture.sha256,
        "notes": list(picture.notes),
    }
