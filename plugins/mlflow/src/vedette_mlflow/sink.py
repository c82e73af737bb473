"""The sink `mlflow`: results as metrics of a run, alerts as tags, explanations as artifacts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vedette.components.sinks.seen import Seen
from vedette_mlflow.naming import clean
from vedette_mlflow.sink_entries import Entry, requests, tags_of, unwritten
from vedette_mlflow.sink_runs import found_or_made
from vedette_mlflow.trigger import Trigger
from vedette_specs import BatchSink, Event

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_COLUMNS = 1000
FOLDER = "vedette/explanations"
KNOWN_FOR = 10.0  # seconds for which nobody else writes into the run: a worker's lease, before another takes over


class NoAnswer(OSError):
    """MLflow takes longer than the sink may."""


class Attempt(threading.Thread):
    """Events on their way. It ends by itself, and keeps no process from ending."""

    def __init__(self, deliver: Callable[[Sequence[Event]], None], events: Sequence[Event]) -> None:
        super().__init__(name="vedette-mlflow", daemon=True)
        self.error: Exception | None = None
        self._deliver = deliver
        self._events = events

    def run(self) -> None:
        try:
            self._deliver(self._events)
        except Exception as error:  # emit_many raises it
            self.error = error


class MLflow(BatchSink):
    """Writes events into a run: one `log_batch` for all that are due together, nothing twice.

    A result's metrics are called `monitor/window[/segment]/value[/column]`; their time is the window's end (a later
    revision of it comes a millisecond later, so that it is the latest), their step that time in whole seconds.
    The tag `vedette.alert.<rule>` is the rule's state. What is not known (None, NaN) is not written.
    A tag `vedette.last.<kind>.<monitor>` holds the id of the last event, by which one that comes again is known.

    tracking_uri: of MLflow, with variables such as ${MLFLOW_TRACKING_URI}; by default what MLflow is told elsewhere.
    run_id: an existing run. Without it, `experiment` and `run_name` name the run, which is made when missing.
    columns: of values by column, so many are written.
    on_alert: what happens to a registered model when a rule fires; see Trigger.
    timeout: seconds that events which are due together may take; MLflow itself would try for minutes, and hold up
    other sinks.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        run_id: str | None = None,
        experiment: str | None = None,
        run_name: str | None = None,
        columns: int = 20,
        on_alert: Mapping[str, str] | None = None,
        timeout: float = 20.0,
    ) -> None:
        if run_id is not None and (experiment is not None or run_name is not None):
            raise ValueError("run_id: names the run already; leave experiment and run_name out")
        if not 0 <= columns <= MAX_COLUMNS:
            raise ValueError(f"columns: {columns} is not in [0, {MAX_COLUMNS}]")
        if timeout <= 0:
            raise ValueError(f"timeout: {timeout} is not above 0 seconds")
        self.tracking_uri = tracking_uri
        self.run_id = run_id
        self.experiment = experiment
        self.run_name = run_name
        self.columns = columns
        self.on_alert = on_alert
        self.timeout = timeout
        self._trigger = None if on_alert is None else Trigger.of(on_alert)
        self._seen = Seen()
        self._lock = threading.Lock()
        self._client: MlflowClient | None = None
        self._runs: dict[str, str] = {}
        self._last: dict[str, dict[str, str]] = {}  # by run, its tags as far as they are known
        self._known_at = 0.0
        self._unanswered: Attempt | None = None

    def __repr__(self) -> str:
        """A tracking URI may hold a password."""
        return f"MLflow(experiment={self.experiment!r}, run_name={self.run_name!r}, run_id={self.run_id!r})"

    def emit_many(self, events: Sequence[Event]) -> None:
        """Raises what MLflow raises, or NoAnswer: the events are then kept and tried again."""
        with self._lock:
            events = [event for event in events if event.id not in self._seen]
            if not events:
                return
            if self._unanswered is not None and self._unanswered.is_alive():
                raise NoAnswer("MLflow has not answered to an earlier event yet")
            self._unanswered = attempt = Attempt(self._deliver, events)
            attempt.start()
            attempt.join(self.timeout)
            if attempt.is_alive():
                raise NoAnswer(f"MLflow has not answered within {self.timeout:g} s")
            self._unanswered = None
            if attempt.error is not None:
                raise attempt.error
            for event in events:
                self._seen.add(event.id)

    def _deliver(self, events: Sequence[Event]) -> None:
        client = self._connected()
        by_run: dict[str, list[Event]] = {}
        for event in events:
            by_run.setdefault(self._run(client, event.model), []).append(event)
        for run, all_of_run in by_run.items():
            last = self._last_of(client, run)
            fresh = unwritten(all_of_run, last)
            for batch in requests([Entry.of(event, self.columns) for event in fresh]):
                self._write(client, run, batch)
                last.update((entry.lane, entry.event.id) for entry in batch)
        self._known_at = time.monotonic()

    def _last_of(self, client: MlflowClient, run: str) -> dict[str, str]:
        """The run's tags, where the last ids stand; asked for again when somebody else may have written."""
        if time.monotonic() > self._known_at + KNOWN_FOR:
            self._last.clear()
        if run not in self._last:
            self._last[run] = dict(client.get_run(run).data.tags)
        return self._last[run]

    def _write(self, client: MlflowClient, run: str, batch: Sequence[Entry]) -> None:
        """The tags that say that events have come are written with the rest, and after what is not in the request."""
        try:
            for entry in batch:
                if (event := entry.event).kind == "explanation":
                    file = f"{FOLDER}/{clean(event.monitor)}/{clean(event.id)}.json"
                    client.log_dict(run, event.to_json(), file)
                if self._trigger is not None:
                    self._trigger.pull(client, event)
            metrics = [metric for entry in batch for metric in entry.mlflow_metrics()]
            client.log_batch(run, metrics=metrics, tags=tags_of(batch), synchronous=True)
        except Exception:
            self._last.pop(run, None)  # it may have arrived all the same
            raise

    def _connected(self) -> MlflowClient:
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.tracking_uri)
        return self._client

    def _run(self, client: MlflowClient, model: str) -> str:
        if self.run_id is not None:
            return self.run_id
        if model not in self._runs:
            self._runs[model] = found_or_made(client, self.experiment, self.run_name or f"vedette {model}", model)
        return self._runs[model]
