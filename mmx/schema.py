"""The JSON form of everything that mmx prints and writes: its version, and its JSON Schema. docs/json.md tells it."""

import json
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 2


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12: whatever mmx writes is one of those in "$defs"; the whole takes any document."""
    return json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
