"""Labels from traces: `vedette mlflow labels` on a real tracking database, into a store and to a running server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.mlflow.servers import COMMAND, Server, until
from tests.mlflow.tracking import Tracking, mlflow, quiet

import vedette
from vedette.cli import main
from vedette_mlflow import traces
from vedette_mlflow.traces import BadTraces, Found, labels_of, moment

MONITORS = "monitors: {performance: {metrics: [accuracy], window: 7d}}\nlabels: {within: 1d}\n"
ROW = {"mean radius": 14.0, "mean texture": 20.0, "mean smoothness": 0.1, "perimeter": 90, "size": "medium"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")


@pytest.fixture
def traced(tracking: Tracking) -> Callable[..., str]:
    """Makes a trace and returns its id."""

    def trace(request: str | None = None, tag: str | None = None, attribute: str | None = None) -> str:
        with quiet(), mlflow.start_span("predict") as span:
            if attribute:
                span.set_attribute(traces.REQUEST_ID, attribute)
            mlflow.update_current_trace(client_request_id=request, tags={traces.REQUEST_ID: tag} if tag else {})
        return str(span.trace_id)

    return trace


def expect(trace: str, value: Any, by: str = "ann", name: str = "diagnosis") -> Any:
    source = mlflow.entities.AssessmentSource("HUMAN", by)
    return mlflow.log_expectation(trace_id=trace, name=name, value=value, source=source)


def found_of(tracking: Tracking, page: int = 100, **options: Any) -> tuple[list[dict[str, Any]], Found]:
    found = Found()
    options = {"name": "diagnosis", "since": None, **options}
    pages = labels_of(tracking.client, tracking.experiment_id, found=found, page=page, **options)
    return [item for items in pages for item in items], found


def test_a_trace_names_its_request_in_four_ways(tracking: Tracking, traced: Callable[..., str]) -> None:
    expect(traced(request="r-1"), "benign")
    expect(traced(request="other", tag="r-2"), "malignant")
    expect(traced(attribute="r-3"), ["benign", None, "malignant"])
    expect(traced(), "benign")
    traced(request="r-5")
    expect(traced(request="r-6"), "benign", name="something else")
    items, found = found_of(tracking, page=2)
    assert [(item["id"], item.get("label", item.get("labels"))) for item in items] == [
        ("r-1", "benign"), ("r-2", "malignant"), ("r-3", ["benign", None, "malignant"]),
    ]  # fmt: skip
    assert (found.traces, found.without_id, found.empty) == (6, 1, 0)
    assert {item["annotator"] for item in items} == {"ann"}


def test_what_was_overridden_or_failed_is_no_label(tracking: Tracking, traced: Callable[..., str]) -> None:
    trace = traced(request="r-1")
    source = mlflow.entities.AssessmentSource("HUMAN", "bob")
    first = mlflow.log_feedback(trace_id=trace, name="diagnosis", value="benign", source=source)
    mlflow.override_feedback(trace_id=trace, assessment_id=first.assessment_id, value="malignant")
    mlflow.log_feedback(trace_id=trace, name="diagnosis", error=ValueError("the judge was ill"))
    (item,), found = found_of(tracking)
    assert (item["label"], item["annotator"]) == ("malignant", "bob"), "a correction of bob's label"
    assert found.empty == 1


def test_since_leaves_older_traces_out(tracking: Tracking, traced: Callable[..., str]) -> None:
    expect(traced(request="r-1"), "benign")
    time = found_of(tracking)[0][0]["time"]
    assert found_of(tracking, since=time - 3600)[1].traces == 1
    assert found_of(tracking, since=time + 3600)[1].traces == 0
    assert moment("2h", 10_000.0) == 2800.0
    assert moment("1970-01-02", 0.0) == 86400.0
    with pytest.raises(BadTraces, match="--since: 'yesterday' is no time"):
        moment("yesterday", 0.0)


def command(*words: object) -> None:
    with quiet():
        main(["mlflow", "labels", *map(str, words)])


def run(*words: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as left:
        command(*words)
    return int(left.value.code or 0)


def test_labels_go_to_the_store_once(
    tracking: Tracking, traced: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tracking.yaml(tmp_path, MONITORS)
    with vedette.Session(config) as session:
        session.log([ROW, ROW, ROW], prediction=["benign", "benign", "malignant"], ids=["r-1", "r-2", "r-3"])
        session.flush()
        expect(traced(request="r-1"), "benign")
        expect(traced(request="r-2"), "malignant")
        odd = traced(request="r-3")
        expect(odd, "dubious")
        expect(traced(), "benign")
        given = ["-c", config, "--experiment", tracking.experiment, "--since", "1d"]
        assert run(*given) == 1
        said = capsys.readouterr()
        assert "4 traces, 3 labels 'diagnosis': 2 new ones are stored" in said.out
        assert f"refused: trace {odd}: [0].label: 'dubious' is not a class" in said.err
        assert "1 traces with 'diagnosis' name no request" in said.err
        assert run(*given) == 1
        assert "0 new ones are stored" in capsys.readouterr().out
        session.finish()
        counters = session.service.counters()
        accuracy = list(session.results("performance"))[-1]["values"]["accuracy"]
    assert accuracy == 0.5
    assert counters["labels_applied"] == 2
    assert counters.get("labels_superseded", 0) == 0


@contextmanager
def serving(config: Path) -> Iterator[str]:
    """URL of `vedette serve`."""
    announced = re.compile(r"http://127\.0\.0\.1:(\d+)")
    server = Server([*COMMAND, "serve", str(config), "--port", "0"], os.environ, config.parent, announced)
    try:
        port = until(lambda: server.alive() and announced.search(server.output()))[1]
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def test_labels_go_to_a_running_server(
    tracking: Tracking, traced: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tracking.yaml(tmp_path, MONITORS)
    expect(traced(request="r-1"), "benign")
    expect(traced(request="r-2"), "dubious")
    with serving(config) as url:
        given = ["-c", config, "--experiment", tracking.experiment, "--url", url]
        assert run(*given) == 1
        first = capsys.readouterr()
        assert "2 traces, 2 labels 'diagnosis': 1 new ones are stored" in first.out
        assert "1 labels were refused" in first.err
        run(*given)
        assert "0 new ones are stored" in capsys.readouterr().out


def test_what_is_wrong_is_said(tracking: Tracking, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tracking.yaml(tmp_path, MONITORS)
    assert run("-c", config, "--experiment", tracking.experiment + "x") == 2
    assert f"did you mean '{tracking.experiment}'?" in capsys.readouterr().err
    assert run("-c", config, "--experiment", tracking.experiment, "--since", "soon") == 2
    assert not os.path.exists(tmp_path / "vedette.db"), "looking makes no store"
