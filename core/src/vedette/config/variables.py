"""`${VAR}`, `${VAR:-x}` and `${file:/path}` in string values; `$${` stands for a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vedette.config.faults import Fault, did_you_mean
from vedette.config.tree import Node

MAX_FILE = 1 << 16
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class VariableError(ValueError):
    """A variable without a value, or not of the form of one."""


def expand(node: Node, env: Mapping[str, str], faults: list[Fault]) -> Node:
    """The tree with variables expanded in string values, never in keys; `raw` keeps what was written."""
    if isinstance(node.value, Mapping):
        return replace(node, value={key: expand(item, env, faults) for key, item in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[expand(item, env, faults) for item in node.value])
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    try:
        return replace(node, value=expand_text(node.value, env, node.place.source.folder), raw=node.value)
    except VariableError as error:
        faults.append(Fault.at(node.place, str(error)))
        return replace(node, raw=node.value)


def expand_text(text: str, env: Mapping[str, str], folder: str = "") -> str:
    """`text` with its variables expanded; relative files start from `folder`. Raises VariableError."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match[1] is None:
            raise VariableError("'${' is never closed; a variable is written ${NAME}, a literal '${' is written '$${'")
        return _lookup(match[1], env, folder)

    return _VARIABLE.sub(value, text)


def _lookup(inner: str, env: Mapping[str, str], folder: str) -> str:
    if inner.startswith("file:"):
        return _read_file(Path(folder, inner.removeprefix("file:")))
    name, dash, default = inner.partition(":-")
    if not _NAME.fullmatch(name):
        raise VariableError(f"'${{{inner}}}' is no variable; allowed: ${{NAME}}, ${{NAME:-default}}, ${{file:/path}}")
    if dash:
        return env.get(name) or default
    if name not in env:
        hint = did_you_mean(name, env)
        near = hint if "did you mean" in hint else ""
        raise VariableError(f"the variable {name} is not set and has no default{near or f' (${{{name}:-default}})'}")
    return env[name]


def _read_file(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise VariableError(f"the file {str(path)!r} is longer than {MAX_FILE} bytes")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise VariableError(f"the file {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise VariableError(f"the file {str(path)!r} is not UTF-8 text") from error
