"""An explanation as JSON, as files and as HTML. Scores stay raw: scaling for display is the business of pictures."""

import json
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmx.errors import UsageError
from mmx.render.figure import explanation_html
from mmx.render.files import write_atomically, write_together
from mmx.render.panel import explanation_panel
from mmx.render.sheet import comparison_sheet
from mmx.types import SCHEMA_VERSION, Explanation, Picture, Prediction

__all__ = ["explanation_html", "explanation_to_dict", "json_bytes", "png_bytes", "save_explanation", "save_sheet",
           "sheet_path", "write_atomically"]


def explanation_to_dict(explanation: Explanation) -> dict[str, Any]:
    """The JSON form: plain types in a stable order.

    Raises:
        ValueError: a score is not finite, or a stream has not one score for each of its elements.
    """
    model = explanation.model
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": model.name, "family": model.family, "revision": model.revision},
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


def json_bytes(explanation: Explanation) -> bytes:
    """The JSON form as an UTF-8 file."""
    text = json.dumps(explanation_to_dict(explanation), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", errors="backslashreplace")  # a lone surrogate: \udc80 is its JSON escape


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def save_explanation(explanation: Explanation, folder: Path, stem: str | None = None) -> tuple[Path, Path]:
    """Writes `<stem>.<method>.png` and `.json` into `folder` and returns their paths.

    `stem` defaults to the name of the picture's file. Raises OutputError if they cannot be written.
    """
    name = f"{_stem_of(explanation.picture.source) if stem is None else _checked(stem)}.{explanation.method}"
    picture, report = folder / f"{name}.png", folder / f"{name}.json"
    write_together({picture: png_bytes(explanation_panel(explanation)), report: json_bytes(explanation)})
    return picture, report


def sheet_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.methods.png"


def save_sheet(explanations: Sequence[Explanation], folder: Path, stem: str | None = None) -> Path:
    """Writes `<stem>.methods.png`, the methods side by side on one picture and question, and returns its path."""
    path = sheet_path(folder, _stem_of(explanations[0].picture.source) if stem is None else _checked(stem))
    write_atomically(path, png_bytes(comparison_sheet(explanations)))
    return path


def _stem_of(source: str) -> str:
    return re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("_.") or "explanation"


def _checked(stem: str) -> str:
    if stem in ("", ".", "..") or any(char in stem for char in "/\\\0"):
        raise UsageError(f"'{stem}' is not a plain file name.", "Give a name without a folder and without an ending.")
    return stem


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "index": int(prediction.index),
        "label": prediction.label,
        "probability": float(prediction.probability),
    }


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
            "box_xyxy_px": [float(side) for side in region.box_xyxy_px],
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
