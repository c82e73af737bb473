"""YAML text to a tree of places: YAML 1.2 scalars, no duplicate keys, bounded size, aliases and depth."""

from __future__ import annotations

import re
from typing import Any

import yaml

from vedette.config.faults import Fault, Place, Source
from vedette.config.scalars import plain_scalar, tagged_scalar
from vedette.config.tree import Node

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 64
_IMPLICIT = "?"
_QUOTED = "tag:yaml.org,2002:str"
_CORE = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_RULE_KEY = re.compile(r"(?:^|[\s{,])[\"']?(when|alert)[\"']?\s*:\s*\S")
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc, valid-type]  # which of two classes is known at run time
    """Composes only; leaves the meaning of plain scalars to `scalars`."""

    def resolve(self, kind: type, value: str | None, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _IMPLICIT if implicit[0] else _QUOTED
        return _CORE[0] if kind is yaml.MappingNode else _CORE[1]


class _Bounds(Exception):
    """Reading was given up: the faults say why."""


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[Fault] = []
        self.count = 0
        self.open: list[int] = []  # the nodes that are being converted, outermost first

    def place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def fault(self, node: yaml.Node, message: str) -> None:
        self.faults.append(Fault.at(self.place(node), message))

    def convert(self, node: yaml.Node) -> Node:
        self.count += 1
        problem = (
            "an alias stands inside the value that it names" if id(node) in self.open
            else f"nested deeper than {MAX_DEPTH} levels" if len(self.open) >= MAX_DEPTH
            else f"more than {MAX_NODES} values, with aliases expanded" if self.count > MAX_NODES
            else None
        )  # fmt: skip
        if problem:
            self.fault(node, problem)
            raise _Bounds
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        self.open.append(id(node))
        try:
            return self.mapping(node) if isinstance(node, yaml.MappingNode) else self.sequence(node)
        finally:
            self.open.pop()

    def scalar(self, node: yaml.ScalarNode) -> Node:
        place = self.place(node)
        if node.tag == _QUOTED and node.style is not None:
            return Node(node.value, place)
        if node.tag == _IMPLICIT:
            return Node(plain_scalar(node.value), place, plain=True)
        try:
            return Node(tagged_scalar(node.tag, node.value), place)
        except ValueError as error:
            self.fault(node, str(error))
            return Node(node.value, place)

    def sequence(self, node: yaml.Node) -> Node:
        self.check_tag(node)
        return Node([self.convert(item) for item in node.value], self.place(node))

    def mapping(self, node: yaml.MappingNode) -> Node:
        self.check_tag(node)
        values: dict[str, Node] = {}
        places: dict[str, Place] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            value = self.convert(value_node)
            if key is None:
                continue
            if key in values:
                first = places[key]
                self.fault(key_node, f"the key {key!r} stands here twice, first in line {first.line}")
                continue
            values[key], places[key] = value, self.place(key_node)
        return Node(values, self.place(node), places)

    def key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, "a key is a text, not a list or mapping: quote it where it is meant as one")
            return None
        if node.value == "<<" and node.tag == _IMPLICIT:
            self.fault(node, "merge keys ('<<') are not part of YAML 1.2: name the keys, or lay files over another")
            return None
        return str(node.value)

    def check_tag(self, node: yaml.Node) -> None:
        if node.tag not in _CORE:
            self.fault(node, f"the tag {node.tag!r} is not allowed")


def read(source: Source) -> tuple[Node | None, list[Fault]]:
    """The tree of a YAML text and all that is wrong with its form; no tree where there is none to be had."""
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return None, [Fault(source.name, 0, 0, f"the file is longer than {MAX_BYTES} bytes")]
    try:
        if deep := _too_deep(source):
            return None, [deep]
        composed = yaml.compose(source.text, Loader=_Loader)
    except yaml.YAMLError as error:
        return None, [_syntax_fault(source, error)]
    if composed is None:
        return None, [Fault(source.name, 0, 0, "the file is empty; it starts with 'version: 1'")]
    reader = _Reader(source)
    try:
        tree = reader.convert(composed)
    except _Bounds:
        return None, reader.faults
    if not isinstance(tree.value, dict):
        reader.fault(composed, "the file is a mapping of keys, starting with 'version: 1'")
        return None, reader.faults
    return tree, reader.faults


def _too_deep(source: Source) -> Fault | None:
    """Looked for in the events, which come one by one: composing recurses in C, where depth crashes the process."""
    depth = 0
    for event in yaml.parse(source.text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line, column = (event.start_mark.line, event.start_mark.column) if event.start_mark else (0, 0)
                return Fault.at(Place(source, line + 1, column + 1), f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _shown_place(source: Source, line: int, column: int) -> Place:
    """Past the last line there is nothing to show: then its end."""
    lines = source.text.splitlines()
    return Place(source, len(lines), len(lines[-1]) + 1) if lines and line > len(lines) else Place(source, line, column)


def _syntax_fault(source: Source, error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    if mark is None:
        return Fault(source.name, 0, 0, f"not YAML: {problem}")
    # Without its closing bracket YAML only notices at the next key: then the line before holds the rule.
    numbers = [mark.line + 1, mark.line]
    torn = next((n for n in numbers if _RULE_KEY.search(source.line(n))), None)
    place = _shown_place(source, mark.line + 1, mark.column + 1)
    if torn is not None and (torn == mark.line + 1 or mark.column == 0):
        match = _RULE_KEY.search(source.line(torn))
        column = match.end() if match else 1
        advice = f'YAML has torn the rule apart ({problem}): quote it, as in when: "roc_auc < 0.7"'
        return Fault.at(place if torn == mark.line + 1 else Place(source, torn, column), advice)
    return Fault.at(place, f"not YAML: {problem}" + (f", {context}" if context else ""))
