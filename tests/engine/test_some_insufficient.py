"""A metric with too few rows says so for itself: what stands beside it in its monitor goes on, and alarms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vedette
from vedette.cli.status import no_value
from vedette.config import ConfigError, load
from vedette.engine.drift_cost import read_pairs
from vedette.engine.reasons import reasons_of, unreliable
from vedette.http.latest import numbers
from vedette.http.page_parts import monitor_card

YAML = """
version: 1
model: {name: m}
store: "sqlite:///vedette.db"
schema: {features: {a: numeric}, label: y, classes: ["no", "yes"], positive: "yes"}
capture: {attributes: {version: header.x-version}}
monitors:
  performance:
    metrics: [accuracy, annotated_accuracy]
    window: 100 rows
    alert: accuracy < 0.8
  versions:
    metrics: [accuracy, annotated_accuracy]
    window: 100s
    by: version
    compare: {by: version, base: "1"}
alerts:
  annotators: {when: performance.annotated_accuracy < 0.99}
  earlier: {when: "before(performance.annotated_accuracy, 1m) < 0.99"}
  either: {when: performance.annotated_accuracy < 0.99 or performance.accuracy < 0.8}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vedette.Session]:
    """200 rows, 70 % of which are right, a fifth of them labelled by two annotators: too few to know these by."""
    config = tmp_path_factory.mktemp("some") / "monitors.yaml"
    config.write_text(YAML)
    rng = np.random.default_rng(0)
    said = rng.choice(["no", "yes"], 200)
    right = np.where(np.arange(200) % 10 < 7, said, np.where(said == "no", "yes", "no"))
    with vedette.Session(config, event_time=True) as made:
        versions = [str(1 + i // 2 % 2) for i in range(200)]
        ids = made.log(
            pd.DataFrame({"a": rng.normal(size=200)}), prediction=said, time=1e9 + np.arange(200.0),
            attributes={"version": versions},
        )  # fmt: skip
        made.feedback(ids, right, annotator="first", time=1e9 + 201)
        made.feedback(ids[::5], right[::5], annotator="second", time=1e9 + 201)
        made.finish()
        yield made


def results(session: vedette.Session, monitor: str = "performance", segment: str = "") -> list[dict[str, Any]]:
    found = session.service.results(monitor=monitor, segment=segment)
    assert found
    return found


def test_the_result_is_ok_and_names_the_values_that_are_not(session: vedette.Session) -> None:
    for result in results(session):
        assert result["status"] == "ok"
        assert result["values"]["accuracy"] < 0.8
        few = result["details"]["insufficient"]
        assert "annotated_accuracy" in few
        assert "accuracy" not in few
        assert set(few) <= set(result["values"])


def test_rules_act_on_what_is_known_and_on_nothing_else(session: vedette.Session) -> None:
    alerts = session.service.alerts(limit=1000)
    assert any(item["values"]["annotated_accuracy"] is not None for item in results(session)), "shown all the same"
    assert {item["rule"] for item in alerts if item["state"] == "firing"} == {"performance", "either"}


def test_only_known_values_are_compared(session: vedette.Session) -> None:
    values = results(session, "versions", "version=2")[0]["values"]
    assert "accuracy_difference" in values
    assert not [name for name in values if name.startswith("annotated") and "difference" in name]


def test_people_are_told(session: vedette.Session) -> None:
    result = results(session)[0]
    assert no_value(result).startswith("insufficient: annotated_accuracy")
    monitor, _ = session.service.monitors()
    assert "insufficient: annotated_accuracy" in str(monitor_card(monitor, [result], [result], False, result["end"]))


def test_many_names_are_not_all_told() -> None:
    assert reasons_of({"insufficient": list("abcdef")}) == ["insufficient: a, b, c, d and 2 more"]
    assert reasons_of({"insufficient": ["a"], "a": {"reason": "no rows"}}) == ["insufficient: a", "no rows"]


def test_tables_and_prometheus_do_not_say_that_it_is_known(session: vedette.Session) -> None:
    frame = session.results("performance").to_frame()
    standing = frame.groupby("value")["status"].agg(set)
    assert standing["accuracy"] == {"ok"}
    assert standing["annotated_accuracy"] == {"insufficient"}
    shown = {name for name, _, _ in numbers(results(session)[0])}
    assert "accuracy" in shown
    assert "annotated_accuracy" not in shown


def test_drift_cost_says_why_it_is_not_known(session: vedette.Session) -> None:
    plan = session.service.plan
    with (
        session.service.store.read() as connection,
        pytest.raises(ValueError, match="it stands on too few rows or labels in all"),
    ):
        read_pairs(connection, plan, "performance.accuracy", "performance.annotated_accuracy")


@pytest.mark.parametrize("details", [{"insufficient": 3}, {"insufficient": None}, {"insufficient": "ab"}, {}])
def test_a_detectors_own_details_are_no_names(details: dict[str, Any]) -> None:
    assert reasons_of(details) == []
    assert unreliable(details) == frozenset()


def test_names_of_details_are_no_aliases(tmp_path: Path) -> None:
    config = tmp_path / "monitors.yaml"
    config.write_text(YAML.replace("[accuracy, annotated_accuracy]", "[{use: accuracy, as: insufficient}]"))
    with pytest.raises(ConfigError, match="'insufficient' is taken: a result's details have it") as caught:
        load(config)
    assert caught.value.faults[0].line == 9
