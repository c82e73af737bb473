"""What is wrong with a request, told by the field."""

from __future__ import annotations


class BadRequest(ValueError):
    """A request that cannot be served; field: what is wrong in it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Unknown(BadRequest):
    """A name that there is not."""
