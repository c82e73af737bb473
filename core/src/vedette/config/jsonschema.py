"""JSON Schema of `monitors.yaml`, for completion in editors: `python -m vedette.config.jsonschema [file]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vedette.config.models import Document


def json_schema() -> dict[str, Any]:
    """The grammar of version 1, as JSON Schema (draft 2020-12). Options of components are left open."""
    body = Document.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body, "title": "Vedette monitors.yaml"}


def text() -> str:
    """As it is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: list[str]) -> None:
    """Write to the file that is named, else to standard output."""
    if arguments:
        Path(arguments[0]).write_text(text(), encoding="utf-8")
    else:
        sys.stdout.write(text())


if __name__ == "__main__":
    main(sys.argv[1:])
