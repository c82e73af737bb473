"""The sink `mlflow` and the retraining trigger, against a real tracking database."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mlflow.tracking import Tracking, mlflow, quiet

with quiet():
    from mlflow.protos.service_pb2 import LogBatch
    from mlflow.utils.proto_json_utils import message_to_json

from vedette.plugins import get_registry
from vedette.plugins.errors import OptionError
from vedette.testing import Subject, check_component
from vedette_mlflow.sink import FOLDER, MLflow, NoAnswer
from vedette_mlflow.sink_entries import MAX_BYTES, MAX_METRICS, Entry, requests
from vedette_mlflow.trigger import Trigger
from vedette_specs import Event

END = 1_700_000_000.0
RESULT = {
    "monitor": "drift", "window": "1000 rows", "segment": "", "revision": 0, "n": 1000, "status": "ok",
    "values": {"drifted": 1.0, "p_value": 0.001, "unknown": None, "effect": {"age": 0.5, "pay (€)": 0.25, "x": None}},
}  # fmt: skip


def event(kind: Any = "result", id: str = "e1", segment: str = "", time: float = END, **payload: Any) -> Event:
    body = {**({**RESULT, "segment": segment} if kind == "result" else {}), **payload}
    return Event(id, kind, "tumours", "drift", segment, time, body)


@pytest.fixture
def make(tracking: Tracking) -> Callable[..., MLflow]:
    def sink(**options: Any) -> MLflow:
        where = {} if "run_id" in options else {"experiment": tracking.experiment, "run_name": "monitoring"}
        return MLflow(tracking_uri=tracking.uri, **{**where, **options})

    return sink


def history(tracking: Tracking, run: str, name: str) -> list[tuple[int, int, float]]:
    return [(m.timestamp, m.step, m.value) for m in tracking.client.get_metric_history(run, name)]


def last_ids(tracking: Tracking) -> list[str]:
    """Of the last event of each kind."""
    return [value for run in tracking.runs() for key, value in run.data.tags.items() if key.startswith("vedette.last.")]


def test_conformance(make: Callable[..., MLflow], tracking: Tracking) -> None:
    outcomes = check_component(Subject(make(), delivered=lambda: last_ids(tracking)))
    assert outcomes["an_event_is_delivered_once"] == "passed"
    assert outcomes["every_kind_of_event_is_taken"] == "passed"
    assert outcomes["many_events_are_each_delivered_once"] == "passed"


def test_a_result_is_a_batch_of_metrics_at_the_windows_end(make: Callable[..., MLflow], tracking: Tracking) -> None:
    make().emit(event())
    (run,) = tracking.runs()
    assert run.info.run_name == "monitoring"
    assert run.data.metrics == {
        "drift/1000_rows/drifted": 1.0,
        "drift/1000_rows/p_value": 0.001,
        "drift/1000_rows/effect/age": 0.5,
        "drift/1000_rows/effect/pay": 0.25,
        "drift/1000_rows/n": 1000.0,
    }
    assert history(tracking, run.info.run_id, "drift/1000_rows/drifted") == [(1_700_000_000_000, 1_700_000_000, 1.0)]


def test_a_revision_becomes_the_latest_though_it_is_lower(make: Callable[..., MLflow], tracking: Tracking) -> None:
    sink = make()
    sink.emit(event(values={"rate": 0.9}))
    sink.emit(event(id="e2", values={"rate": 0.1}, revision=1))
    (run,) = tracking.runs()
    assert run.data.metrics["drift/1000_rows/rate"] == 0.1
    assert [value for _, _, value in history(tracking, run.info.run_id, "drift/1000_rows/rate")] == [0.9, 0.1]


def test_redelivery_to_another_process_writes_nothing(
    make: Callable[..., MLflow], tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().emit(event())
    again = make()  # which remembers nothing
    batches = []
    monkeypatch.setattr(type(tracking.client), "log_batch", lambda *given, **named: batches.append(given))
    again.emit(event())
    again.emit(event())
    assert batches == []
    again.emit(event(id="e2", time=END + 1))
    assert len(batches) == 1
    assert len(tracking.runs()) == 1, "the run is found again by its name"


class Asked:
    """What a sink asks MLflow for: every method of the client, by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for name in ("get_run", "search_runs", "get_experiment_by_name", "log_batch", "log_metric", "set_tag"):
            monkeypatch.setattr(mlflow.MlflowClient, name, self._noted(name, getattr(mlflow.MlflowClient, name)))

    def _noted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            self.names.append(name)
            return method(*given, **named)

        return noted

    def take(self) -> list[str]:
        taken, self.names = self.names, []
        return taken


def test_events_that_are_due_together_are_one_request(
    make: Callable[..., MLflow], tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, segments = make(), [f"region={i}" for i in range(40)]
    sink.emit(event(id="first"))
    asked = Asked(monkeypatch)
    sink.emit_many([event(id=f"e{i}", segment=segment) for i, segment in enumerate(segments)])
    assert asked.take() == ["log_batch"]
    sink.emit(event(id="later", segment=segments[0], time=END + 60))
    assert asked.take() == ["log_batch"], "what the run has is remembered"
    metrics = tracking.runs()[0].data.metrics
    assert len(metrics) == 41 * 5
    assert metrics["drift/1000_rows/region_39/effect/age"] == 0.5


def test_what_another_process_may_have_written_is_asked_for_again(
    make: Callable[..., MLflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers: the first delivers, the second takes over and delivers, the first has its lease again."""
    first, second = make(), make()
    first.emit(event())
    second.emit(event(id="e2", time=END + 60))
    asked = Asked(monkeypatch)
    monkeypatch.setattr("vedette_mlflow.sink.KNOWN_FOR", 0.0)
    first.emit(event(id="e2", time=END + 60))
    assert asked.take() == ["get_run"]


def test_a_lane_that_comes_again_from_its_middle_is_written_once(
    make: Callable[..., MLflow], tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = [event("alert", f"a{i}", time=END + i, rule="r", state="firing") for i in range(4)]
    make().emit_many(alerts[:3])
    told: list[str] = []
    monkeypatch.setattr(Trigger, "pull", lambda self, client, event: told.append(event.id))
    make(on_alert={"model": "tumours", "set_tag": "retrain"}).emit_many(alerts[1:])
    assert told == ["a3"]
    assert last_ids(tracking) == ["a3"]


def test_requests_are_no_larger_than_mlflow_takes(make: Callable[..., MLflow], tracking: Tracking) -> None:
    """1000 metrics and tags, of which 100 tags; an event that alone fills a request, and more of them."""
    wide = {"effect": {f"c{i}": float(i) for i in range(2000)}}
    sink = make(columns=1000)
    sink.emit_many([event(id=f"w{i}", segment=f"s={i}", values=wide) for i in range(2)])
    sink.emit_many([event("alert", f"a{i}", f"s={i}", rule="r", state="firing") for i in range(60)])
    data = tracking.runs()[0].data
    assert len(data.metrics) == 2 * MAX_METRICS
    assert sum(name.startswith("vedette.alert.") for name in data.tags) == 60


def test_requests_are_cut_by_their_size_too() -> None:
    long = {"effect": {f"{'c' * 200}{i}": 1.0 for i in range(900)}}
    entries = [Entry.of(event(id=f"e{i}", segment=f"s={i}", values=long), 900) for i in range(3)]
    assert all(entry.size < MAX_BYTES < 2 * entry.size for entry in entries)
    sizes = [len(message_to_json(LogBatch(metrics=[m.to_proto() for m in e.mlflow_metrics()]))) for e in entries]
    assert all(size < entry.size < 1_000_000 for size, entry in zip(sizes, entries, strict=True))
    assert [len(batch) for batch in requests(entries)] == [1, 1, 1]
    assert [len(batch) for batch in requests([Entry.of(event(id=f"e{i}"), 9) for i in range(250)])] == [100, 100, 50]


def test_names_that_become_the_same_are_told_apart(make: Callable[..., MLflow], tracking: Tracking) -> None:
    make().emit(event(values={"mean": {"pay €": 1.0, "pay £": 2.0, "pay": 3.0}}))
    found = tracking.runs()[0].data.metrics
    place = "drift/1000_rows/mean/pay"
    assert [found[name] for name in (place, f"{place}_2", f"{place}_3")] == [1.0, 2.0, 3.0]


def test_columns_are_bounded_in_the_schemas_order(make: Callable[..., MLflow], tracking: Tracking) -> None:
    wide = {"effect": {f"c{i}": float(i) for i in range(5000)}, "drifted": 0.0}
    make(columns=3).emit(event(values=wide))
    names = set(tracking.runs()[0].data.metrics)
    assert names == {f"drift/1000_rows/{name}" for name in ("effect/c0", "effect/c1", "effect/c2", "drifted", "n")}


def test_alerts_failures_and_explanations(make: Callable[..., MLflow], tracking: Tracking, tmp_path: Path) -> None:
    sink = make()
    alert = {"rule": "decay", "severity": "page", "value": 0.6, "when": "roc_auc < 0.7", "since": END}
    sink.emit(event("alert", "a1", "region=north", state="firing", **alert))
    sink.emit(event("component_failed", "f1", reason="ValueError: broken", series=3))
    sink.emit(event("explanation", "x1", id_="r-1", explanation={"data": {"values": [0.1]}}))
    (run,) = tracking.runs()
    tags = run.data.tags
    assert tags["vedette.alert.decay.region_north"] == "firing"
    assert json.loads(tags["vedette.alert_details.decay.region_north"])["severity"] == "page"
    assert tags["vedette.failed.drift"] == "ValueError: broken"
    path = tracking.client.download_artifacts(run.info.run_id, f"{FOLDER}/drift/x1.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["payload"]["explanation"] == {"data": {"values": [0.1]}}
    sink.emit(event("alert", "a2", "region=north", time=END + 9, state="resolved", **alert))
    assert tracking.runs()[0].data.tags["vedette.alert.decay.region_north"] == "resolved"


def test_an_existing_run_is_used(make: Callable[..., MLflow], tracking: Tracking) -> None:
    run = tracking.client.create_run(tracking.experiment_id).info.run_id
    make(run_id=run).emit(event())
    assert [item.info.run_id for item in tracking.runs()] == [run]
    assert "drift/1000_rows/n" in tracking.runs()[0].data.metrics


def test_a_server_that_is_gone_raises_and_the_event_can_come_again(
    make: Callable[..., MLflow], tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = MLflow(tracking_uri="http://127.0.0.1:9", experiment="any")
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"127\.0\.0\.1"), quiet():
        gone.emit(event())
    sink = make()
    with monkeypatch.context() as patch:
        patch.setattr(type(tracking.client), "log_batch", _fails)
        with pytest.raises(OSError, match="the network"):
            sink.emit(event())
    sink.emit(event())
    assert "drift/1000_rows/n" in tracking.runs()[0].data.metrics


def test_a_server_that_says_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        sink = MLflow(tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}", experiment="any", timeout=0.5)
        with pytest.raises(NoAnswer, match=r"within 0\.5 s"):
            sink.emit(event())
        with pytest.raises(NoAnswer, match="an earlier event"):
            sink.emit(event(id="e2"))
        (attempt,) = [thread for thread in threading.enumerate() if thread.name == "vedette-mlflow"]
    attempt.join(60)
    assert not attempt.is_alive()


def _fails(*_: Any, **__: Any) -> None:
    raise OSError("the network")


def test_it_is_registered_and_its_options_are_checked() -> None:
    registry = get_registry()
    assert isinstance(registry.make("mlflow", ("sink",), experiment="e"), MLflow)
    for options, message in [
        ({"run_id": "r", "experiment": "e"}, "run_id: names the run already"),
        ({"columns": -1}, "columns: -1 is not in"),
        ({"timeout": 0}, "timeout: 0.0 is not above 0"),
        ({"on_alert": {"model": "m", "set_tags": "x"}}, r"on_alert.set_tags: is not known; did you mean 'set_tag'\?"),
        ({"on_alert": {"set_tag": "x"}}, "on_alert.model: is required"),
        ({"on_alert": {"model": "m"}}, "give set_tag or set_alias"),
        ({"on_alert": {"model": "m", "set_alias": "x"}}, "on_alert.set_alias: needs a version"),
        ({"on_alert": {"model": "models:/m", "set_tag": "x"}}, "on_alert.model: 'models:/m' is of no known form"),
    ]:
        with pytest.raises(OptionError, match=message):
            registry.build("mlflow", options, ("sink",))
    assert "secret" not in repr(MLflow(tracking_uri="https://me:secret@host"))


def test_the_trigger_reads_models() -> None:
    assert Trigger.of({"model": "models:/a@b", "set_alias": "c"}).alias_of == "b"
    assert Trigger.of({"model": "models:/a/3", "set_alias": "c"}).version == "3"
    assert Trigger.of({"model": "a", "set_tag": "t"}).model == "a"


def test_a_rule_that_fires_marks_model_and_version(make: Callable[..., MLflow], tracking: Tracking) -> None:
    client = tracking.client
    sink = make(on_alert={"model": "models:/tumours@champion", "set_tag": "retrain", "set_alias": "stale"})
    sink.emit(event("alert", "t1", rule="decay", state="pending"))
    assert "retrain" not in client.get_registered_model("tumours").tags
    firing = event("alert", "t2", rule="decay", state="firing")
    sink.emit(firing)
    told = client.get_registered_model("tumours").tags["retrain"]
    assert told == "decay firing since 2023-11-14T22:13:20+00:00 (t2)"
    assert client.get_model_version_by_alias("tumours", "stale").version == 1
    client.delete_registered_model_tag("tumours", "retrain")  # the retraining job has begun
    client.delete_registered_model_alias("tumours", "stale")
    make(on_alert={"model": "tumours", "set_tag": "retrain"}).emit(firing)  # comes again, elsewhere
    sink.emit(event("alert", "t3", rule="decay", state="resolved", time=END + 5))
    assert "retrain" not in client.get_registered_model("tumours").tags
