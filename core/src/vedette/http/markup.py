"""HTML that cannot be escaped out of: text is escaped unless an element made it."""

from __future__ import annotations

import html
from collections.abc import Iterable

from vedette.http.answers import clean

_VOID = ("meta", "br", "polyline", "link")


class Markup(str):
    """Text that is HTML already; made by `tag` and `join` only."""

    __slots__ = ()


Child = object


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element; None children and attributes are left out, `class_` is the attribute class, `a_b` is a-b."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(clean(str(value)))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>") if name != "polyline" else Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """One after the other; what is not Markup is text."""
    return Markup("".join(_one(child) for child in children if child is not None))


def _one(child: Child) -> str:
    return str(child) if isinstance(child, Markup) else html.escape(clean(str(child)))
