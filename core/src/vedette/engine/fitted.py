"""Fitted components as codec values: arrays and JSON as they are, scikit-learn estimators through skops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.engine.trust import untrusted
from vedette_specs.components import BaseComponent, Fittable
from vedette_specs.schema import Schema

_SKOPS = "@skops"


class UntrustedState(ValueError):
    """A saved estimator refers to what `vedette.engine.trust` does not list."""


def pack_component(component: BaseComponent) -> dict[str, Any]:
    """Options are not saved: the configuration has them."""
    names = list(component.feature_names_in_) if isinstance(component, Fittable) and component.is_fitted() else []
    state = {k: v for k, v in component.to_state().items() if k != "feature_names_in_"}
    return {"state": _pack(state), "schema": component.schema.to_json(), "names": names}


def unpack_component(component: BaseComponent, saved: Mapping[str, Any]) -> BaseComponent:
    """Give an unfitted `component` the state that `pack_component` saved."""
    component.bind(Schema.from_json(saved["schema"]))
    component.from_state(_unpack(saved["state"]))
    if isinstance(component, Fittable):
        component.feature_names_in_ = list(saved["names"])
    return component


def _pack(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    if hasattr(value, "get_params") and hasattr(value, "fit"):
        import skops.io

        return {_SKOPS: skops.io.dumps(value)}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {_SKOPS}:
        return _load_estimator(value[_SKOPS])
    return {key: _unpack(item) for key, item in value.items()}


def _load_estimator(data: bytes) -> Any:
    import skops.io

    unknown = skops.io.get_untrusted_types(data=data)
    if strange := untrusted(unknown):
        raise UntrustedState(f"a saved estimator refers to types that are not trusted: {strange}")
    return skops.io.loads(data, trusted=unknown)
