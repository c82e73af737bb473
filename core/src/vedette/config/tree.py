"""A configuration with its places: what YAML composed, before it becomes plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vedette.config.faults import Place
from vedette.config.scalars import Scalar

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Node:
    """A scalar, list or mapping. keys: places of a mapping's keys.

    raw: the text before variables were expanded, where there were any.  plain: an unquoted scalar.
    """

    value: Scalar | Mapping[str, Node] | list[Node]
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    raw: str | None = None
    plain: bool = False

    def child(self, part: str | int) -> Node | None:
        if isinstance(self.value, Mapping):
            return self.value.get(str(part))
        if isinstance(self.value, list) and isinstance(part, int) and 0 <= part < len(self.value):
            return self.value[part]
        return None

    def children(self) -> Iterator[Node]:
        if isinstance(self.value, Mapping):
            yield from self.value.values()
        elif isinstance(self.value, list):
            yield from self.value

    def at(self, path: Path) -> Node:
        """The node at `path`, or the last one on the way; parts that are no part of the tree are passed over."""
        node = self
        for part in path:
            node = node.child(part) or node
        return node

    def place_of(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` stands, or its key; the nearest place above it where it does not exist."""
        if not path:
            return self.place
        parent = self.at(path[:-1])
        last = path[-1]
        if (key or parent.child(last) is None) and str(last) in parent.keys:
            return parent.keys[str(last)]
        return self.at(path).place

    def data(self, *, expanded: bool = True) -> Any:
        """Plain values; with `expanded=False` as they were written."""
        if isinstance(self.value, Mapping):
            return {key: node.data(expanded=expanded) for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data(expanded=expanded) for node in self.value]
        return self.value if expanded or self.raw is None else self.raw

    def secrets(self) -> Iterator[tuple[str, str]]:
        """(expanded value, text as written) of every scalar below that had variables."""
        if self.raw is not None and isinstance(self.value, str):
            yield self.value, self.raw
        for node in self.children():
            yield from node.secrets()


def merge(base: Node, over: Node) -> Node:
    """`over` laid on `base`: mappings merge, everything else replaces, null deletes. Places keep their own file."""
    if not isinstance(base.value, Mapping) or not isinstance(over.value, Mapping):
        return without_nulls(over)
    values: dict[str, Node] = dict(base.value)
    places = dict(base.keys)
    for key, node in over.value.items():
        places[key] = over.keys[key]
        if node.value is None:
            values.pop(key, None)
            places.pop(key, None)
        else:
            values[key] = merge(values[key], node) if key in values else without_nulls(node)
    return replace(base, value=values, keys=places)


def without_nulls(node: Node) -> Node:
    """An overlay's subtree that met nothing to delete from: its nulls go."""
    if not isinstance(node.value, Mapping):
        return node
    kept = {key: without_nulls(item) for key, item in node.value.items() if item.value is not None}
    return replace(node, value=kept, keys={key: node.keys[key] for key in kept})
