"""A rule that names a value which its monitor does not give is told when the bundle is built."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engine.traffic import AlertSpec, ComponentSpec, bundle_of, detector, metric, monitor, plan_of, tumbling

from vedette.config.plan import MonitorSpec, Plan
from vedette.engine.rule_names import UnknownValue, value_names

ACCURACY = monitor("performance", metric("accuracy"), windows=[tumbling(10)])
DRIFT = detector("drift", "drift", "ks", tumbling(10))
SHIFT = detector("shift", "change", "conformal")


def ruled(spec: MonitorSpec, when: str) -> Plan:
    return plan_of(replace(spec, alert=AlertSpec(spec.name, when, spec.name)))


@pytest.mark.parametrize(
    ("spec", "when"),
    [
        (ACCURACY, "accuracy < 0.7 or before(accuracy, 1h) - accuracy > 0.1"),
        (DRIFT, "drifted"),
        (DRIFT, 'feature_p_value("x") < 0.01 or effect("x:missing") > 0.1 or features_drifted > 1'),
        (SHIFT, "alarm"),
    ],
)
def test_names_that_are_there_are_taken(spec: MonitorSpec, when: str) -> None:
    bundle_of(ruled(spec, when))


@pytest.mark.parametrize(
    ("spec", "when", "hint"),
    [
        (ACCURACY, "acuracy < 0.7", "'acuracy'; did you mean 'accuracy'"),
        (DRIFT, "driftd", "'driftd'; did you mean 'drifted'"),
        (SHIFT, "not alarms", "'alarms'; did you mean 'alarm'"),
        (DRIFT, "reference(roc) > 0", "'roc'; allowed: "),
    ],
)
def test_names_that_are_not_are_refused(spec: MonitorSpec, when: str, hint: str) -> None:
    with pytest.raises(UnknownValue, match=hint):
        bundle_of(ruled(spec, when))


MOMENTS = monitor("stats", metric("moments"), metric("frequencies"), windows=[tumbling(10)])


@pytest.mark.parametrize(
    ("spec", "when", "hint"),
    [
        (MOMENTS, 'mean("nope") > 1', "'mean' has no value for 'nope'; allowed: x"),
        (MOMENTS, 'mean("c") > 1', "'mean' has no value for 'c'; allowed: x"),
        (DRIFT, 'effect("y") > 1', "'effect' has no value for 'y'; allowed: x, x:missing"),
        (DRIFT, "effect > 1", "'effect' has a value for each column; write effect"),
        (DRIFT, 'features_drifted("x") > 1', "'features_drifted' is one value.*; write features_drifted"),
        (ACCURACY, 'accuracy("x") > 1', "'accuracy' is one value, not one for each column; write accuracy"),
    ],
)
def test_columns_that_are_not_are_refused(spec: MonitorSpec, when: str, hint: str) -> None:
    with pytest.raises(UnknownValue, match=hint):
        bundle_of(ruled(spec, when))


@pytest.mark.parametrize("when", ['mean("x") > 1', 'share("c=purple") > 0.1'])
def test_columns_that_are_there_or_may_come_are_taken(when: str) -> None:
    bundle_of(ruled(MOMENTS, when))


def test_rules_over_several_monitors_are_checked_too() -> None:
    plan = replace(plan_of(ACCURACY, DRIFT), alerts=(AlertSpec("both", "drift.drifted and performance.roc < 1"),))
    with pytest.raises(UnknownValue, match=r"both.*'roc'"):
        bundle_of(plan)


def test_aliases_are_the_names() -> None:
    spec = monitor("stats", replace(metric("moments"), alias="m"), ComponentSpec("metric", "accuracy", {}, "hits"))
    names = value_names(bundle_of(plan_of(spec)), spec)
    assert {"m_mean", "m_sd", "hits"} <= names
    assert "accuracy" not in names
