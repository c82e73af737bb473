"""The face for people in Python: what a Session logs and shows is what numpy and scikit-learn say of the rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

import vedette
from vedette.config import ConfigError
from vedette.engine.run.session import Session
from vedette.engine.service import BadRequest
from vedette.engine.work.worker import WorkerSettings

YAML = """
version: 1
model: {name: income}
reference: reference.csv
schema: {label: income, positive: ">50K", task: binary, features: {age: numeric, hours: numeric, work: category}}
store: "sqlite:///vedette.db"
labels: {within: 1h}
windows:
  minute: {span: 1m, every: 1m}
monitors:
  stats: {metrics: [moments, missing_rate, frequencies], window: minute}
  regions: {metrics: [moments], window: minute, by: region}
  performance: {metrics: [accuracy], window: minute, alert: {when: "accuracy < 0.4", severity: page}}
  drift: {detect: ks, window: 200 rows}
  outliers: {detect: mahalanobis, explain: {use: why, at_most: 2 per 1m}}
explainers:
  why: {use: kernel_shap, background: 20}
"""
FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)
START = 1_699_999_980.0  # a whole minute


def frame(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.normal(40.0 + shift, 10.0, n)
    return pd.DataFrame(
        {"age": age, "hours": rng.normal(38.0, 5.0, n), "work": rng.choice(["private", "state"], n)}
    )  # fmt: skip


def predict(rows: Any) -> Any:
    """The model: probability of >50K from age."""
    p = 1.0 / (1.0 + np.exp(-(rows.inputs["age"].values - 40.0) / 5.0))
    return np.column_stack([1.0 - p, p])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    known = frame(900, 0)
    known["income"] = np.where(known["age"] > 40.0, ">50K", "<=50K")
    known.to_csv(tmp_path / "reference.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML)
    return tmp_path / "monitors.yaml"


@pytest.fixture
def session(config: Path) -> Iterator[Session]:
    with vedette.Session(config, predict=predict, event_time=True, settings=FAST) as found:
        yield found


def traffic(n: int = 600, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray[Any, Any], np.ndarray[Any, Any], Any]:
    X = frame(n, seed)
    rng = np.random.default_rng(seed + 1)
    prediction = np.where(X["age"] > 40.0, ">50K", "<=50K")
    truth = np.where(rng.random(n) < 0.8, prediction, np.where(prediction == ">50K", "<=50K", ">50K"))
    times = START + np.sort(rng.random(n) * 300.0)
    return X, prediction, truth, times


def log_all(session: Session, pieces: int = 37) -> tuple[Any, list[str]]:
    X, prediction, truth, times = traffic()
    region = np.where(np.arange(len(X)) % 3 == 0, "eu", "us")
    ids: list[str] = []
    for part in np.array_split(np.arange(len(X)), pieces):
        ids += session.log(
            X.iloc[part], prediction=prediction[part], time=times[part], attributes={"region": region[part]}
        )
    return (X, prediction, truth, times, region), ids


def test_results_are_those_of_numpy_and_sklearn(session: Session) -> None:
    (X, prediction, truth, times, region), ids = log_all(session)
    session.feedback(ids, truth)
    session.finish()
    table = session.results().to_frame()
    assert list(table.columns) == [
        "monitor", "window", "segment", "start", "end", "revision", "status", "n", "value", "column", "number",
    ]  # fmt: skip
    minutes = np.floor((times - START) / 60.0)

    def cell(monitor: str, minute: float, value: str, column: str | None = None, segment: str = "") -> float:
        start = pd.Timestamp(START + 60.0 * minute, unit="s", tz="UTC")
        at = (table.monitor == monitor) & (table.start == start) & (table.value == value) & (table.segment == segment)
        at &= table.column.isna() if column is None else table.column == column
        (number,) = table[at].number
        return float(number)

    for minute in range(5):
        here = minutes == minute
        part = X[here]
        assert cell("stats", minute, "n", "age") == here.sum()
        assert cell("stats", minute, "mean", "age") == pytest.approx(part["age"].mean(), rel=1e-12)
        assert cell("stats", minute, "sd", "hours") == pytest.approx(part["hours"].std(ddof=1), rel=1e-10)
        assert cell("stats", minute, "max", "age") == part["age"].max()
        assert cell("performance", minute, "accuracy") == accuracy_score(truth[here], prediction[here])
        for name in ("eu", "us"):
            both = here & (region == name)
            mean = X["age"][both].mean()
            assert cell("regions", minute, "mean", "age", f"region={name}") == pytest.approx(mean, rel=1e-12)
    assert set(table[table.monitor == "performance"].status) == {"ok"}
    assert table[table.monitor == "stats"].groupby("start").n.first().sum() == 600


def test_drift_by_rows_is_the_test_on_those_rows(session: Session, config: Path) -> None:
    (X, _, _, times, _), _ = log_all(session)
    session.finish()
    reference = pd.read_csv(config.parent / "reference.csv").drop(columns="income")
    detector = vedette.make("ks").fit(reference)
    found = session.results("drift")
    assert [r["n"] >= 200 for r in found][-9:] == [True] * 9
    for result in found[-9:]:
        held = X[(times >= result["start"]) & (times < result["end"])]
        verdict = detector.test(held)
        assert result["n"] == len(held) >= 200
        assert result["values"]["p_value"] == pytest.approx(verdict.p_value, rel=1e-9)
        assert result["values"]["drifted"] == float(bool(verdict.drifted))


def test_outliers_are_found_and_explained(session: Session) -> None:
    X, prediction, _, times = traffic()
    X.loc[5, "age"] = 400.0
    ids = session.log(X, prediction=prediction, time=times, ids=[f"r{i}" for i in range(len(X))])
    session.finish()
    flagged = [row for result in session.results("outliers") for row in result["details"]["mahalanobis"]["rows"]]
    assert ids[5] in [row["id"] for row in flagged]
    done = session.service.explanations()
    assert "r5" in [job["request"] for job in done]
    assert {job["status"] for job in done} == {"done"}
    (kept,) = session.service.prediction("r5")
    assert kept["prediction"] == ">50K"


def test_an_alert_of_bad_predictions(session: Session) -> None:
    X, prediction, _, times = traffic()
    ids = session.log(X, prediction=prediction, time=times)
    session.feedback(ids, np.where(prediction == ">50K", "<=50K", ">50K"))
    session.finish()
    assert [(a["rule"], a["state"], a["value"]) for a in session.alerts()] == [("performance", "firing", 0.0)]
    assert [a["rule"] for a in session.alerts(live=True)] == ["performance"]


def test_corrections_count_before_the_end(session: Session) -> None:
    X, prediction, truth, times = traffic()
    ids = session.log(X, prediction=prediction, time=times, labels=truth)
    session.flush()
    session.feedback(ids[:50], truth[:50])
    session.feedback(ids, prediction)
    session.finish()
    found = session.results("performance")
    assert [r["values"]["accuracy"] for r in found] == [1.0] * 5
    assert sum(r["n"] for r in found) == 600


def test_labels_before_predictions(session: Session) -> None:
    X, prediction, truth, times = traffic(60)
    names = [f"r{i}" for i in range(60)]
    session.feedback(names, truth)
    session.log(X, prediction=prediction, time=times, ids=names)
    session.finish()
    right = sum(r["values"]["accuracy"] * r["n"] for r in session.results("performance"))
    assert right == pytest.approx((truth == prediction).sum())


def test_explain(session: Session) -> None:
    X = frame(3, 5)
    found = session.explain(X, max_rows=500)
    assert len(found) == 3
    assert all(item["meta"]["name"] for item in found)
    session.log(X, time=START)


def test_live_by_the_clock_through_the_tap(config: Path) -> None:
    with vedette.Session(config, settings=FAST) as session:
        X = frame(50, 2)
        ids = session.log(X, prediction=["<=50K"] * 50)
        assert len(set(ids)) == 50
        session.flush()
        assert session.service.counters()["logged_batches"] == 0
        by_name = {m["name"]: m for m in session.service.monitors()}
        assert by_name["stats"]["rows"] == 50
        session.feedback(ids, ["<=50K"] * 50)
        session.finish()
        assert session.results("performance")[-1]["values"] == {"accuracy": 1.0}
        assert session.tap.counters().get("dropped_rows", 0) == 0


def test_threads_may_log_together(config: Path) -> None:
    with vedette.Session(config, settings=FAST) as session:
        threads = [threading.Thread(target=lambda i=i: session.log(frame(20, i))) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        session.flush()
        assert {m["name"]: m["rows"] for m in session.service.monitors()}["stats"] == 160


def test_what_was_logged_outlives_the_session(config: Path) -> None:
    with vedette.Session(config, event_time=True, settings=FAST) as first:
        log_all(first)
    with vedette.Session(config, event_time=True, settings=FAST) as second:
        assert {c.action for c in second.changes} == {"keep"}
        assert sum(r["n"] for r in second.results("stats")) == 600


def test_the_same_rows_in_a_store_in_memory(config: Path) -> None:
    with vedette.Session(config, store="sqlite://", event_time=True, settings=FAST) as session:
        log_all(session)
        session.finish()
        assert sum(r["n"] for r in session.results("stats")) == 600
        assert session.service.status()["model"] == "income"
        assert session.service.healthy()


def test_nothing_logged_is_no_error(config: Path) -> None:
    with vedette.Session(config, settings=FAST) as session:
        assert session.log(frame(5, 0).iloc[:0]) == []
        session.flush()
        assert len(session.results()) == 0
        assert session.results().to_frame().empty


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"X": pd.DataFrame({"age": [1.0]})}, "hours"),
        ({"prediction": ["a"] * 2}, "prediction: 2 values for 3 rows"),
        ({"ids": ["a"]}, "ids: 1 values for 3 rows"),
        ({"attributes": {"region": ["eu"]}}, "attributes: 'region': 1 values for 3 rows"),
        ({"probabilities": np.ones((3, 3))}, "probabilities: 3 columns for 2 classes"),
        (
            {"probabilities": [[0.5, 0.5], [3.0, -2.0], [1, 0]]},
            "probabilities: row 1 holds 3; allowed: numbers from 0 to 1",
        ),
    ],
)
def test_wrong_calls_name_the_field_and_log_nothing(session: Session, wrong: dict[str, Any], says: str) -> None:
    arguments: dict[str, Any] = {"X": frame(3, 0), "time": START} | wrong
    with pytest.raises(ValueError, match=says):
        session.log(arguments.pop("X"), **arguments)
    session.flush()
    assert {m["rows"] for m in session.service.monitors()} == {0}


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"id": "a", "label": "rich"}, r"\[1\].label: 'rich' is not a class; allowed: <=50K, >50K"),
        ({"id": "", "label": ">50K"}, r"\[1\].id"),
        ({"id": "a"}, r"\[1\]: give exactly one"),
        ({"id": "a", "label": ">50K", "row": -1}, r"\[1\].row"),
        ({"id": "a", "label": ">50K", "rwo": 1}, r"\[1\].rwo: unknown key"),
        ({"id": "a", "label": ">50K", "time": "noon"}, r"\[1\].time"),
    ],
)
def test_feedback_is_taken_whole_or_not_at_all(session: Session, item: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest, match=field):
        session.service.feedback([{"id": "good", "label": ">50K"}, item])
    assert "labels_pending" not in session.service.counters()


def test_an_unknown_monitor_is_named(session: Session) -> None:
    with pytest.raises(BadRequest, match=r"'drfit' is not declared; there are: .*drift"):
        session.results("drfit")


def test_closing_twice_and_after_an_error_leaves_no_thread(config: Path) -> None:
    before = set(threading.enumerate())
    session = vedette.Session(config, settings=FAST)
    session.log(frame(3, 0))
    session.close()
    session.close()

    def fail() -> None:
        with vedette.Session(config, settings=FAST) as other:
            other.log(frame(3, 0))
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    deadline = time.monotonic() + 10.0
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not set(threading.enumerate()) - before


def test_rules_of_values_that_there_are_not_are_told_with_their_places(config: Path) -> None:
    more = "alerts:\n  gone: {when: 'stats.nothing > 1'}\n"
    config.write_text(YAML.replace("accuracy < 0.4", "acuracy < 0.4") + more)
    with pytest.raises(ConfigError) as wrong:
        vedette.Session(config)
    places = [(Path(fault.file).name, fault.line) for fault in wrong.value.faults]
    assert places == [("monitors.yaml", 13), ("monitors.yaml", 19)]


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ([START, -5], "row 1 is '-5.0'|row 1 is '-5'"),
        ([START * 1000, START], "row 0 is .*; are these milliseconds"),
        ([START, float("nan")], "row 1 is 'nan'"),
        (["2023-11-15", "yesterday"], "row 1 is 'yesterday'; allowed: seconds since the epoch, ISO 8601"),
        (pd.to_datetime(["2023-11-15", None]), "row 1 is 'NaT'"),
        ([START, START, START], r"time: values of shape \(3,\) for 2 rows"),
        (True, "row 0 is 'True'"),
    ],
    ids=str,
)
def test_what_is_no_time_is_refused_and_nothing_is_logged(session: Session, time: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        session.log(frame(2, 1), time=time)
    session.finish()
    assert session.service.monitors()[0]["rows"] == 0


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"monitor": "drfit"}, "monitor: 'drfit' is not declared; there are: drift, outliers, performance, regions"),
        ({"window": "minut"}, "window: there is no window 'minut'; did you mean 'minute'?"),
        ({"monitor": "drift", "window": "minute"}, "window: there is no window 'minute' of 'drift'; allowed: 200 rows"),
        ({"segment": "regoin=eu"}, "segment: there is no segment 'regoin=eu'; they are of the form region=..."),
        ({"monitor": "stats", "segment": "region=eu"}, "of 'stats'; there are none; leave it out"),
        ({"since": "yesterday"}, "since: 'yesterday' is no time; allowed: seconds since the epoch, ISO 8601"),
        ({"until": float("nan")}, "until: 'nan' is no time"),
        ({"limit": 0}, "limit: '0' is no number of results; allowed: whole numbers from 1"),
        ({"limit": "10"}, "limit: '10' is no number of results"),
        ({"limit": True}, "limit: 'True' is no number of results"),
    ],
)
def test_a_filter_of_results_that_is_wrong_is_told(session: Session, filters: Any, problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        session.results(**filters)
    assert problem in str(caught.value)


def test_windows_that_are_known_before_they_have_results(session: Session) -> None:
    assert list(session.results("outliers", window="tick")) == []
    assert list(session.results(window="tick")) == []
    assert list(session.results("stats", window="minute")) == []
    with pytest.raises(BadRequest, match="there is no window 'tick' of 'stats'; allowed: minute"):
        session.results("stats", window="tick")


def test_a_session_without_monitors_has_no_results(config: Path) -> None:
    config.write_text(YAML.partition("monitors:")[0] + "monitors: {}\n")
    with vedette.Session(config, settings=FAST) as session:
        assert list(session.results()) == []


def test_results_since_a_time_in_any_form_and_of_segments_to_come(session: Session) -> None:
    log_all(session)
    session.finish()
    until = pd.Timestamp(START + 120.0, unit="s", tz="UTC")
    early = list(session.results("stats", until=START + 120.0))
    assert early
    assert list(session.results("stats", until=until)) == list(session.results("stats", until=str(until))) == early
    assert list(session.results("regions", segment="region=mars")) == []


@pytest.mark.parametrize("config", [{"version": 1}, 5, None, [], [1], ["monitors.yaml", None]])
def test_a_session_of_what_is_no_file(config: Any) -> None:
    with pytest.raises(
        TypeError, match=r"no configuration; allowed: the path of a monitors\.yaml, several of them, or"
    ):
        vedette.Session(config)
