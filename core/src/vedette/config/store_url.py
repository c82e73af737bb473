"""The store's URL: which databases there are, and how one is shown without its password."""

from __future__ import annotations

import re

DRIVERS = ("sqlite", "postgresql", "postgresql+psycopg")
ALLOWED = "sqlite:///file.db, postgresql://user@host/database (or postgresql+psycopg://...)"


def store_problem(url: str) -> str | None:
    """What is wrong with a URL, in words that follow it; None for one that a store can be opened with."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return f"is no database URL; allowed: {ALLOWED}"
    if parsed.drivername not in DRIVERS:
        return f"names the database {parsed.drivername!r}, which is not supported; allowed: {ALLOWED}"
    return None


def without_password(url: str) -> str:
    """The URL as it may be shown, also where it cannot be parsed."""
    return re.sub(r"(password=)[^&]*", r"\1***", re.sub(r":(?!//).*@", ":***@", url))
