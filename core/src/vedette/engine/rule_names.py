"""Whether alert rules name values that their monitors give: a misspelt name would be unknown for ever."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from vedette.config import rules
from vedette.config.faults import did_you_mean
from vedette.config.plan import AlertSpec, MonitorSpec
from vedette.config.rules_tree import Value
from vedette.engine.bundle_faults import BundleError, Keys, collecting, raise_all
from vedette_specs.components import ResultContext

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
    """A value of many columns needs the one that is meant, or the rule would never hold."""
    for term in rules.parse(rule.when).root.walk():
        if not isinstance(term, Value):
            continue
        monitor = home.name if len(term.path) == 1 and home is not None else term.path[0]
        found = next((v for (m, _), v in bundle.reference_values.items() if m == monitor), {}).get(term.path[-1])
        if not isinstance(found, Mapping):
            continue
        if term.column is None:
            example = f"{'.'.join(term.path)}({json.dumps(next(iter(found), '...'), ensure_ascii=False)})"
            raise UnknownValue(
                f"alert {rule.name!r}: {rule.when!r}: {term.path[-1]!r} has a value for each column; write {example}",
                _place(rule, home),
            )


def value_names(bundle: Bundle, spec: MonitorSpec) -> set[str]:
    """Names of a monitor's values, from its result on no rows; empty where a component is not fitted."""
    names: set[str] = set()
    for part in spec.components:
        segment = next((s for m, a, s in bundle.fitted if (m, a) == (spec.name, part.alias)), "")
        component = bundle.metric(spec.name, part.alias, segment)
        if component is None:
            return set()
        names |= part.named(component.result(component.create(), ResultContext()).values).keys()
    if spec.compare is not None:
        names |= {f"{name}_difference{suffix}" for name in names for suffix in ("", "_low", "_high")}
    return names
