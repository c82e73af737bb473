"""Options of a component, read from its annotated `__init__` and validated by pydantic."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints

from vedette.plugins.errors import BrokenComponent, OptionError, OptionFault, did_you_mean

if TYPE_CHECKING:
    from pydantic import TypeAdapter

REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One keyword of a component. default: `REQUIRED` where there is none."""

    name: str
    annotation: Any
    default: Any = REQUIRED

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the option's values, with its default."""
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticInvalidForJsonSchema

        try:
            schema = TypeAdapter(self.annotation).json_schema()
        except PydanticInvalidForJsonSchema:
            schema = {}  # a type that only Python has, such as a callable: any value may stand there
        return schema if self.required else schema | {"default": self.default}


def options_of(cls: type) -> tuple[Option, ...]:
    """The options of a component class; BrokenComponent where its `__init__` cannot be read."""
    return _options_of(cls)


@lru_cache(maxsize=1024)
def _options_of(cls: type) -> tuple[Option, ...]:
    made: Any = inspect.getattr_static(cls, "__init__")
    if made is object.__init__:
        return ()
    try:
        hints = get_type_hints(made, include_extras=True)
    except (NameError, TypeError) as error:
        raise BrokenComponent(f"{cls.__qualname__}.__init__: its annotations cannot be resolved: {error}") from error
    parameters = list(inspect.signature(made).parameters.values())[1:]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise BrokenComponent(f"{cls.__qualname__}.__init__ names its options one by one: no *args or **kwargs")
    return tuple(Option(p.name, hints.get(p.name, Any), p.default) for p in parameters)


def validate_options(cls: type, options: Mapping[str, Any], component: str) -> dict[str, Any]:
    """`options` converted to the annotated types; OptionError has all the faults at once."""
    known = {option.name: option for option in options_of(cls)}
    faults: list[OptionFault] = []
    good: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            taken = f"; allowed: {', '.join(known)}" if known else "; it takes no options"
            faults.append(OptionFault(name, value, f"is not known{did_you_mean(name, list(known))}{taken}"))
            continue
        try:
            good[name] = _adapter(cls, name).validate_python(value)
        except ValueError as error:
            faults.append(OptionFault(name, value, _message(error, value)))
    faults += [
        OptionFault(name, None, "is required") for name, o in known.items() if o.required and name not in options
    ]
    if faults:
        raise OptionError(component, faults)
    return good


def build(cls: type, options: Mapping[str, Any], component: str) -> Any:
    """An instance with validated options; a ValueError or TypeError of `__init__` becomes an OptionError."""
    good = validate_options(cls, options, component)
    try:
        return cls(**good)
    except (TypeError, ValueError) as error:
        raise OptionError(component, [OptionFault("", None, str(error))]) from error


@lru_cache(maxsize=4096)
def _adapter(cls: type, name: str) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    annotation = next(option.annotation for option in options_of(cls) if option.name == name)
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a model or dataclass brings its own configuration
        return TypeAdapter(annotation)


def _message(error: ValueError, value: Any) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return f"{value!r}: {error}"
    parts = []
    for item in error.errors(include_url=False):
        place = "".join(f"[{step!r}]" for step in item["loc"] if isinstance(step, int))
        text = item["msg"].removeprefix("Value error, ")
        parts.append(f"{place} {text[:1].lower()}{text[1:]}".strip())
    return f"{value!r}: " + " or ".join(dict.fromkeys(parts))
