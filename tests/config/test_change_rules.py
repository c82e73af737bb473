"""`change:` and its budget: what they become, and what is refused, with its place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.conftest import Faults, Load

from vedette.config.budgets import Budget, parse_budget
from vedette.config.expanding import expand_plan
from vedette.config.loading import load_text

ACCURACY = "monitors: {a: {metrics: [accuracy], window: WINDOW, alert: {when: accuracy, change: cusum BUDGET}}}"


def text(window: str, budget: str = "") -> str:
    return ACCURACY.replace("WINDOW", window).replace("BUDGET", f", false_alarms: {budget}" if budget else "")


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ("1 per 30d", Budget(1.0, seconds=30 * 86_400.0)), ("2 per 500 windows", Budget(2.0, windows=500)),
        ("1 per 1 window", Budget(1.0, windows=1)), ("0.5 per 1000 rows", Budget(0.5, rows=1000)),
    ],
)  # fmt: skip
def test_budgets(written: str, budget: Budget) -> None:
    assert parse_budget(written) == budget


@pytest.mark.parametrize("written", ["1", "per 3d", "0 per 3d", "1 per 3", "1 per 0 windows", "1 per x rows", 5, None])
def test_no_budgets(written: Any) -> None:
    with pytest.raises(ValueError, match=r"1 per 500 windows|between 1 and"):
        parse_budget(written)


@pytest.mark.parametrize(
    ("window", "budget", "lengths"),
    [
        ("1h", "1 per 30d", {"1h": 720.0}),
        ("{span: 1h, every: 1h}", "1 per 30d", {"1h every 1h": 720.0}),
        ("[1h, 1d]", "2 per 60d", {"1h": 720.0, "1d": 30.0}),
        ("1000 rows", "1 per 500 windows", {"1000 rows": 500.0}),
        ("1000 rows", "1 per 100000 rows", {"1000 rows": 100.0}),
        ("1h", "", {"1h": 500.0}),
    ],
)
def test_a_budget_becomes_a_run_length_in_windows(
    window: str, budget: str, lengths: dict[str, float], load: Load
) -> None:
    rule = load(text(window, budget)).monitors[0].alert
    assert rule is not None
    assert (rule.change, dict(rule.run_lengths)) == ("cusum", lengths)


def test_a_detector_that_has_ticks_of_a_second(load: Load) -> None:
    rule = load("monitors: {o: {detect: mahalanobis, alert: {when: share, change: conformal, false_alarms: 1 per 1h}}}")
    assert rule.monitors[0].alert is not None
    assert dict(rule.monitors[0].alert.run_lengths) == {"tick": 3600.0}


def test_a_rule_over_monitors_stands_on_the_longest_of_their_first_windows(load: Load) -> None:
    plan = load(
        """
        monitors:
          a: {metrics: [accuracy], window: [1h, 7d]}
          b: {metrics: [moments], window: 1d}
          c: {metrics: [moments], window: lifetime}
        alerts: {x: {when: a.accuracy - b.overall, change: page_hinkley, false_alarms: 1 per 30d}}
        """
    )
    assert dict(plan.alerts[0].run_lengths) == {"": 30.0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (text("1000 rows", "1 per 30d"), "false_alarms: windows by rows need 'per 500 windows' or 'per 100000 rows'"),
        (text("1h", "1 per 100000 rows"), "false_alarms: windows by time need 'per 30d' or 'per 500 windows'"),
        (text("lifetime"), "change: the windows of 'lifetime' all overlap"),
        (text("1d", "1 per 5d"), "that is 5 windows between false alarms; between 10 and"),
        (text("1h", "often"), "'often' is no budget of false alarms"),
        (text("1h").replace("cusum", "cumsum"), "'cumsum' is not allowed"),
        (text("1h").replace("when: accuracy", "when: accuracy < 0.7"), "'accuracy < 0.7' is true or false"),
        (text("1h").replace("when: accuracy", "when: 1 + 2"), "'1 + 2' always is the same"),
        (text("1h").replace("when: accuracy", "when: 'accuracy - before(accuracy, 7d)'"), "before(...) makes values"),
        (text("1h").replace("change: cusum", "change: cusum, for: 3"), "for: has no meaning with 'change'"),
        ("monitors: {d: {detect: ks, alert: {change: cusum}}}", "change: needs 'when'"),
        ("monitors: {d: {detect: ks, alert: {false_alarms: 1 per 30d}}}", "false_alarms: needs 'change'"),
        ("monitors: {d: {detect: ks}}\nalerts: {x: {when: d.p_value < 1, change: cusum}}", "is true or false"),
        ("monitors: {d: {detect: ks}}\nalerts: {x: {when: d.p_value, change: cusum, false_alarms: 1 per 9d}}",
         "windows by rows need"),
    ],
)  # fmt: skip
def test_what_is_refused(body: str, message: str, faults: Faults) -> None:
    (found,) = faults(body)
    assert message in found


def test_faults_stand_at_their_place(faults: Faults) -> None:
    (budget,) = faults(text("1000 rows", "1 per 30d"))
    column = text("1000 rows", "1 per 30d").index("1 per 30d") + 1
    assert f"monitors.yaml:5:{column}: false_alarms" in budget
    (rule,) = faults(text("1h").replace("when: accuracy", "when: accuracy < 1"))
    assert f"monitors.yaml:5:{text('1h').index('when: accuracy') + 7}: rule: with 'change'" in rule


def test_an_expanded_plan_has_the_same_rules(load: Load, folder: Any) -> None:
    plan = load(text("1h", "1 per 30d"))
    again = load_text(expand_plan(plan), base=folder, env={})
    assert again.monitors[0].alert == plan.monitors[0].alert
