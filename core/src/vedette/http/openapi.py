"""The OpenAPI document, for people who generate clients: `python -m vedette.http.openapi > specs/openapi.json`."""

from __future__ import annotations

import json

from vedette.http.app import assemble


def document() -> str:
    """The whole API, with the model's endpoints, as JSON; the same text for the same code."""
    spec = assemble().openapi()
    spec["info"]["version"] = "1"  # of the API, which only ever grows; the package's own changes with every release
    return json.dumps(spec, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(document(), end="")
