"""Types of fields that YAML writes as text: names, durations, rows, rates, and the shorthands for mappings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from vedette.config import budgets, values
from vedette.config.faults import did_you_mean

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
_MODEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
_INPUTS = ("inputs", "prediction", "probabilities", "labels", "attributes", "model", "reference", "score", "value")
_RULES = ("and", "or", "not", "true", "false", "null", "abs", "before", "no_data")
RESERVED = frozenset((*_INPUTS, *_RULES, "auto", "all", "none", "on", "off", "yes", "no"))


class Section(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class OpenSection(BaseModel):
    """A mapping whose other keys are options of a component."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def check_name(name: str) -> str:
    if not re.match(NAME_PATTERN, name):
        raise ValueError(f"{name!r} is no name; a name is small letters, digits and _, and starts with a letter")
    if name in RESERVED:
        raise ValueError(f"{name!r} is a reserved word; choose another name")
    return name


def check_join(name: str) -> str:
    if not 1 <= len(name) <= 128:
        raise ValueError(f"{name!r} is no name of a column; write id, or a column or attribute")
    return name


def check_zone(name: str) -> str:
    from zoneinfo import available_timezones

    if name not in (zones := available_timezones()):
        raise ValueError(f"{name!r} is no time zone{did_you_mean(name, sorted(zones))}")
    return name


def check_model_name(name: str) -> str:
    if not re.match(_MODEL_PATTERN, name):
        raise ValueError(f"{name!r} is no name of a model; allowed: letters, digits, '_', '-' and '.'")
    return name


def shorthand(key: str) -> Callable[[Any], Any]:
    """A text stands for a mapping with that one key."""

    def expand(value: Any) -> Any:
        return {key: value} if isinstance(value, str) else value

    return expand


def as_list(value: Any) -> Any:
    """One item stands for a list of it."""
    return value if isinstance(value, list) or value is None else [value]


def _number(value: Any) -> Any:
    """Booleans are no numbers, though Python says so."""
    if isinstance(value, bool):
        raise ValueError(f"a number is expected, not {str(value).lower()}")
    return value


def _class_name(value: Any) -> Any:
    """Classes are texts; numbers are written as the data's labels are: 1 and 1.0 are both "1"."""
    from vedette_specs.columns import number_text

    if isinstance(value, bool):
        return str(value)
    return number_text(float(value)) if isinstance(value, int | float) else value


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def replica_bounds(value: Any) -> Any:
    """A number stands for both bounds; a variable gives it as text."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | dict):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise ValueError(f"a whole number or a mapping of min and max is expected, not {shown}")
    return {"min": value, "max": max(1, value)} if isinstance(value, int) else value


def rule_switch(value: Any) -> Any:
    """`true` stands for the default rule, a text for its `when`."""
    return {} if value is True else {"when": value} if isinstance(value, str) else value


_RATE_PATTERN = rf"^{values.NUMBER} +per +.+$"
_ROWS_OR_INT = {"anyOf": [{"type": "string", "pattern": values.ROWS_PATTERN}, {"type": "integer", "minimum": 1}]}
_HOLD = {"anyOf": [{"type": "string", "pattern": values.DURATION_PATTERN}, {"type": "integer", "minimum": 1}]}

Number = Annotated[float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(values.parse_duration), _text_schema(values.DURATION_PATTERN, "10m")]
Rows = Annotated[int, BeforeValidator(values.parse_row_count), WithJsonSchema(_ROWS_OR_INT)]
RowsText = Annotated[int, BeforeValidator(values.parse_rows), _text_schema(values.ROWS_PATTERN, "1000 rows")]
RateText = Annotated[values.Rate, BeforeValidator(values.parse_rate), _text_schema(_RATE_PATTERN, "5 per 1m")]
BudgetText = Annotated[
    budgets.Budget, BeforeValidator(budgets.parse_budget), _text_schema(budgets.PATTERN, "1 per 30d")
]
HoldText = Annotated[values.Hold, BeforeValidator(values.parse_hold), WithJsonSchema(_HOLD)]
ClassName = Annotated[str, BeforeValidator(_class_name, json_schema_input_type=str | float | bool)]
Name = Annotated[str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
ModelName = Annotated[str, AfterValidator(check_model_name)]
Join = Annotated[str, AfterValidator(check_join), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128})]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list, json_schema_input_type=str | list[str])]
