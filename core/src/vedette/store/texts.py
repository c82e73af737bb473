"""Texts from outside as every database can hold them."""

from __future__ import annotations

MISSING = "\ufffd"  # stands where a character cannot be stored


def storable(text: str, limit: int = 256) -> str:
    """At most `limit` characters, without NUL (PostgreSQL refuses it) and lone surrogates (no UTF-8)."""
    text = text[:limit]
    if "\0" not in text and (text.isascii() or _encodable(text)):
        return text
    return text.replace("\0", MISSING).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
