"""JSON answers that hold whatever the store held: NaN as null, stray surrogates replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from vedette_specs.results import json_number


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        text = json.dumps(json_number(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return clean(text).encode()


def answer(status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> Json:
    body: dict[str, Any] = {"error": message}
    if field is not None:
        body["field"] = field
    return Json(body, status, headers)


def clean(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()
