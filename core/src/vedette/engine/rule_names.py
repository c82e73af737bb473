"""Whether alert rules name values that their monitors give: a misspelt name would be unknown for ever."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from vedette.config import rules
from vedette.config.faults import did_you_mean
from vedette.config.plan import AlertSpec, MonitorSpec
from vedette.config.rules_tree import Value
from vedette.engine.bundle_faults import BundleError, Keys, collecting, raise_all
from vedette_specs.components import ResultContext
from vedette_specs.schema import Schema

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle


class UnknownValue(BundleError):
    """A rule names a value that its monitor does not give."""


def check_rules(bundle: Bundle, failed: Collection[str] = ()) -> None:
    """Raises UnknownValue naming rule and value, with what there is. failed: monitors that cannot be asked."""
    plan = bundle.plan
    found: list[BundleError] = []
    for spec in plan.monitors:
        if spec.alert is not None and spec.name not in failed:
            with collecting(found):
                _check(bundle, spec.alert, spec)
    for rule in plan.alerts:
        with collecting(found):
            _check(bundle, rule, None)
    raise_all(found)


def _place(rule: AlertSpec, home: MonitorSpec | None) -> Keys:
    return ("monitors", home.name, "alert", "when") if home is not None else ("alerts", rule.name, "when")


def _check(bundle: Bundle, rule: AlertSpec, home: MonitorSpec | None) -> None:
    for path in sorted(rules.parse(rule.when).names):
        spec = home if len(path) == 1 else bundle.plan.monitor(path[0])
        known = value_names(bundle, spec) if spec is not None else set()
        if known and path[-1] not in known:
            raise UnknownValue(
                f"alert {rule.name!r}: {rule.when!r} names the value {path[-1]!r}"
                f"{did_you_mean(path[-1], sorted(known))}",
                _place(rule, home),
            )
    _check_columns(bundle, rule, home)


def _check_columns(bundle: Bundle, rule: AlertSpec, home: MonitorSpec | None) -> None:
    """A value of many columns needs the one that is meant, and one that there is, or the rule would never hold."""
    for term in rules.parse(rule.when).root.walk():
        if not isinstance(term, Value):
            continue
        spec = home if len(term.path) == 1 else bundle.plan.monitor(term.path[0])
        if spec is not None and (wrong := _column_problem(term, bundle, spec)):
            raise UnknownValue(f"alert {rule.name!r}: {rule.when!r}: {wrong}", _place(rule, home))


def _column_problem(term: Value, bundle: Bundle, spec: MonitorSpec) -> str | None:
    name, column = term.path[-1], term.column
    if spec.kind == "metric":
        found = next((v for (m, _), v in bundle.reference_values.items() if m == spec.name), {}).get(name)
        single = isinstance(found, int | float)
    else:  # fitted detectors name their columns without any row
        values = _on_no_rows(bundle, spec)
        found = values.get(name)
        single = name in values and not isinstance(found, Mapping)
    if isinstance(found, Mapping) and column is None:
        example = f"{'.'.join(term.path)}({json.dumps(next(iter(found), '...'), ensure_ascii=False)})"
        return f"{name!r} has a value for each column; write {example}"
    if isinstance(found, Mapping) and column not in found and _complete(found, spec, bundle.plan.schema):
        return f"{name!r} has no value for {column!r}{did_you_mean(str(column), found)}"
    if single and column is not None:
        return f"{name!r} is one value, not one for each column; write {'.'.join(term.path)}"
    return None


def _complete(found: Mapping[str, Any], spec: MonitorSpec, schema: Schema) -> bool:
    """Whether no other key can come, as a category may that the reference does not have."""
    named = spec.kind != "metric" or found.keys() <= schema.features.keys() or found.keys() <= set(schema.classes)
    return bool(found) and named


def value_names(bundle: Bundle, spec: MonitorSpec) -> set[str]:
    """Names of a monitor's values; empty where a component is not fitted."""
    names = set(_on_no_rows(bundle, spec))
    if spec.compare is not None:
        names |= {f"{name}_difference{suffix}" for name in names for suffix in ("", "_low", "_high")}
    return names


def _on_no_rows(bundle: Bundle, spec: MonitorSpec) -> dict[str, Any]:
    """A monitor's values on no rows; none where a component is not fitted."""
    found: dict[str, Any] = {}
    for part in spec.components:
        segment = next((s for m, a, s in bundle.fitted if (m, a) == (spec.name, part.alias)), "")
        component = bundle.metric(spec.name, part.alias, segment)
        if component is None:
            return {}
        found |= part.named(component.result(component.create(), ResultContext()).values)
    return found
