"""Edit a Serve configuration's text where it changed, so that comments, order and quotes elsewhere stay."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

Edit = tuple[int, int, str]  # from, to, new text


def rewritten(text: str, name: str | None, made: Mapping[str, Any]) -> str:
    """`text` with the application `name` (None: the only one) as in `made`, and `made`'s last application added.

    Where the text is written in a way that cannot be edited in place, all of `made` is written anew.
    """
    try:
        edited = _edited(text, name, made)
        if yaml.safe_load(edited) == made:
            return edited
    except (_Unusual, yaml.YAMLError):
        pass  # what follows is right for every file, only without its comments
    return yaml.safe_dump(dict(made), sort_keys=False, allow_unicode=True)


class _Unusual(Exception):
    """Flow style, anchors, tabs: not to be edited line by line."""


def _edited(text: str, name: str | None, made: Mapping[str, Any]) -> str:
    applications = _value(yaml.compose(text, Loader=yaml.SafeLoader), "applications")
    if not isinstance(applications, yaml.SequenceNode) or applications.flow_style or not applications.value:
        raise _Unusual
    index = next((i for i, node in enumerate(applications.value) if _name(node) == name), None)
    index = 0 if name is None else index
    if index is None:
        raise _Unusual
    item = applications.value[index]
    column = applications.value[0].start_mark.column
    end = _line_end(text, _content_end(applications.value[-1]))
    added = textwrap.indent(_dump(made["applications"][-1]), " " * column)
    dash = applications.start_mark.column
    added = " " * dash + "-" + " " * (column - dash - 1) + added.lstrip()
    edits = [*_application(text, item, made["applications"][index]), (end, end, "\n" + added.rstrip("\n"))]
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text if text.endswith("\n") else text + "\n"


def _application(text: str, node: Any, made: Mapping[str, Any]) -> list[Edit]:
    path, args = _pair(node, "import_path"), _pair(node, "args")
    if not isinstance(node, yaml.MappingNode) or node.flow_style or path is None:
        raise _Unusual
    block = textwrap.indent(_dump({"args": made["args"]}), " " * path[0].start_mark.column).rstrip("\n")
    start, stop = path[1].start_mark.index, path[1].end_mark.index
    edits: list[Edit] = [(start, stop, made["import_path"])]
    if args is None:
        end = _line_end(text, stop)
        return [*edits, (end, end, "\n" + block)]
    if _is_first(node, args[0]):
        raise _Unusual
    return [*edits, (args[0].start_mark.index, _line_end(text, _content_end(args[1])), block.lstrip())]


def _value(node: Any, key: str) -> Any:
    pair = _pair(node, key)
    if pair is None:
        raise _Unusual
    return pair[1]


def _pair(node: Any, key: str) -> tuple[Any, Any] | None:
    if not isinstance(node, yaml.MappingNode):
        raise _Unusual
    return next((pair for pair in node.value if pair[0].value == key), None)


def _is_first(node: yaml.MappingNode, key: Any) -> bool:
    return bool(node.value[0][0] is key)


def _name(node: Any) -> Any:
    pair = _pair(node, "name")
    return pair[1].value if pair else "default"


def _content_end(node: Any) -> int:
    """Where a node's own text ends: a block's end mark is after the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _content_end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _content_end(node.value[-1])
    index = node.end_mark.index
    return int(index - 1 if getattr(node, "style", None) in ("|", ">") else index)


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False)
