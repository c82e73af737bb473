"""From a tree to typed sections: pydantic's errors in our words, each at its place, all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vedette.config.faults import Fault, did_you_mean
from vedette.config.models import Document
from vedette.config.tree import Node, Path

NAMED = ("windows", "preprocessors", "monitors", "alerts", "explainers", "pools", "sinks")
_APART = ("alert", "explain", "window", "by", "pool")  # keys of a monitor without which the rest can be judged
_PLACEHOLDERS: Mapping[str, Any] = {"version": 1, "model": {"name": "model"}}
_EXPECTED = {
    "string_type": "a text is expected, not {}: quote it",
    "int_type": "a whole number is expected, not {}",
    "int_parsing": "a whole number is expected, not {}",
    "int_from_float": "a whole number is expected, not {}",
    "float_type": "a number is expected, not {}",
    "float_parsing": "a number is expected, not {}",
    "bool_type": "true or false is expected, not {}",
    "bool_parsing": "true or false is expected, not {}",
    "list_type": "a list is expected, not {}",
    "tuple_type": "a list is expected, not {}",
    "dict_type": "a mapping is expected, not {}",
    "model_type": "a mapping is expected, not {}",
    "finite_number": "a finite number is expected, not {}",
}


def validate(tree: Node, faults: list[Fault]) -> tuple[Document, set[Path]]:
    """The document, and the paths of what was left out of it because it is at fault."""
    data = tree.data()
    left_out: set[Path] = set()
    while True:
        try:
            return Document.model_validate(data), left_out
        except ValidationError as error:
            first = not left_out  # later rounds only see what is left after the first
            before = set(left_out)
            for item in error.errors(include_url=False):
                path = tuple(part for part in item["loc"] if not _is_member(part))
                kind = "extra_forbidden" if "[key]" in item["loc"] else item["type"]
                if first:
                    faults.append(_fault(tree, path, {**item, "type": kind}))
                cut = path[:-1] if _torn(tree, path) else _unit(path, kind)
                if cut in before:  # cutting it did not help: the whole section goes, so that this ends
                    cut = path[:1]
                left_out.add(cut)
                _cut(data, cut)


def shown(value: Any) -> str:
    """A value as YAML says it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fault(tree: Node, path: Path, item: dict[str, Any]) -> Fault:
    node = tree.at(path)
    kind = item["type"]
    if kind == "extra_forbidden":
        known = keys_at(path[:-1]) or _words(item)
        message = f"unknown key {path[-1]!r}{did_you_mean(str(path[-1]), known)}"
        return Fault.at(tree.place_of(path, key=True), _torn(tree, path) or message)
    if kind == "missing":
        return Fault.at(tree.place_of(path[:-1], key=True), f"the key {path[-1]!r} is missing")
    if path and path[-1] in ("when", "alert") and kind in ("string_type", "model_type"):
        return Fault.at(node.place, f'a rule is a text, not {shown(node.value)}: quote it, as in when: "roc_auc < 0.7"')
    advice = "; write '1000 rows' or a duration ('7d')" if "window" in path and isinstance(node.value, int) else ""
    return Fault.at(node.place, f"{_subject(path)}{_message(kind, item, node)}{advice}")


def _message(kind: str, item: dict[str, Any], node: Node) -> str:
    given = shown(node.raw if node.raw is not None else item["input"])
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(given)
    if kind == "literal_error":
        return f"{given} is not allowed{_choice(item['input'], _words(item))}"
    if kind == "value_error":
        text = str(item["ctx"]["error"])
        return text.replace(repr(node.value), given) if node.raw is not None else text
    if kind in ("too_short", "dict_too_short"):
        return f"at least {item['ctx']['min_length']} are needed, not {item['ctx']['actual_length']}"
    detail = str(item["msg"]).removeprefix("Input ").replace("should be", "must be")
    return f"{given} {detail}"


def _words(item: dict[str, Any]) -> list[str]:
    """The words that a literal allows."""
    expected = str(item.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word]


def _choice(given: Any, allowed: list[str]) -> str:
    listed = f"; allowed: {', '.join(allowed)}"
    hint = did_you_mean(given, allowed) if isinstance(given, str) else ""
    return hint if "did you mean" in hint else listed


def _subject(path: Path) -> str:
    """`window: `, the key that the message is about."""
    names = [part for part in path if isinstance(part, str)]
    return f"{names[-1]}: " if names else ""


def _torn(tree: Node, path: Path) -> str | None:
    """A key without a value beside a rule with an open bracket: YAML took the rule's comma for its own."""
    rule = tree.at((*path[:-1], "when")).value
    if isinstance(rule, str) and rule.count("(") > rule.count(")") and tree.at(path).value is None:
        return f'YAML has torn the rule {rule!r} apart at the comma: quote it, as in when: "before(x, 7d) < 0.7"'
    return None


def keys_at(path: Path) -> list[str]:
    """The keys that a mapping at `path` may have."""
    found: Any = Document
    for part in path:
        if isinstance(part, int):
            continue  # `_model_in` looks through lists
        model = _model_in(found)
        fields = {(field.alias or name): field for name, field in model.model_fields.items()} if model else {}
        found = (fields[part].annotation if part in fields else None) if model is not None else _value_type(found)
    model = _model_in(found)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The section inside an annotation, through lists and unions but not through mappings."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) is dict:
        return None
    return next((model for item in get_args(kind) if (model := _model_in(item))), None)


def _value_type(kind: Any) -> Any:
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    return next((found for item in get_args(kind) if (found := _value_type(item)) is not None), None)


def _is_member(part: str | int) -> bool:
    """A union's member in pydantic's path, not a key of ours."""
    return isinstance(part, str) and ((part.startswith("<") and part.endswith(">")) or part == "[key]")


def _unit(path: Path, kind: str) -> Path:
    """What to leave out, so that the rest can still be judged: a key, a named entry or a section."""
    if path[:1] == ("windows",) or path[2:3] == ("window",):  # without one of its keys it would be another window
        return path[:2] if path[0] == "windows" else path[:3]
    if kind == "extra_forbidden" or (path[:1] == ("monitors",) and path[2:3] and path[2] in _APART):
        return path if kind == "extra_forbidden" else path[:3]
    return path[:2] if path and path[0] in NAMED else path[:1]


def _cut(data: dict[str, Any], path: Path) -> None:
    if len(path) == 1 and path[0] in _PLACEHOLDERS:
        data[str(path[0])] = _PLACEHOLDERS[str(path[0])]
        return
    holder: Any = data
    for part in path[:-1]:
        if isinstance(part, int) and isinstance(holder, dict):
            continue  # one item that stands for a list of it
        holder = holder[int(part)] if isinstance(holder, list) else holder.get(part)
        if not isinstance(holder, dict | list):
            return
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
