"""The sink `mlflow`: results as metrics of a run, alerts as tags, explanations as artifacts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vedette.components.sinks._seen import Seen
from vedette_mlflow.naming import MAX_NAME, clean, metrics_of
from vedette_mlflow.trigger import Trigger
from vedette_specs import Event, Sink

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_METRICS = 1000  # MLflow's own limit for one batch
MAX_TAG = 5000  # characters of a tag's value
FOLDER = "vedette/explanations"
RUN_TAG = "vedette.model"  # finds the run again after a restart


class NoAnswer(OSError):
    """MLflow takes longer than the sink may."""


class Attempt(threading.Thread):
    """One event on its way. It ends by itself, and keeps no process from ending."""

    def __init__(self, deliver: Callable[[Event], None], event: Event) -> None:
        super().__init__(name="vedette-mlflow", daemon=True)
        self.error: Exception | None = None
        self._deliver = deliver
        self._event = event

    def run(self) -> None:
        try:
            self._deliver(self._event)
        except Exception as error:  # emit raises it
            self.error = error


class MLflow(Sink):
    """Writes each event into a run: one `log_batch` an event, nothing twice.

    A result's metrics are called `monitor/window[/segment]/value[/column]`; their time is the window's end (a later
    revision of it comes a millisecond later, so that it is the latest), their step that time in whole seconds.
    The tag `vedette.alert.<rule>` is the rule's state. What is not known (None, NaN) is not written.
    A tag `vedette.last.<kind>.<monitor>` holds the id of the last event, by which one that comes again is known.

    tracking_uri: of MLflow, with variables such as ${MLFLOW_TRACKING_URI}; by default what MLflow is told elsewhere.
    run_id: an existing run. Without it, `experiment` and `run_name` name the run, which is made when missing.
    columns: of values by column, so many are written.
    on_alert: what happens to a registered model when a rule fires; see Trigger.
    timeout: seconds that an event may take; MLflow itself would try for minutes, and hold up other sinks.
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
        if not 0 <= columns <= MAX_METRICS:
            raise ValueError(f"columns: {columns} is not in [0, {MAX_METRICS}]")
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
        self._unanswered: Attempt | None = None

    def __repr__(self) -> str:
        """A tracking URI may hold a password."""
        return f"MLflow(experiment={self.experiment!r}, run_name={self.run_name!r}, run_id={self.run_id!r})"

    def emit(self, event: Event) -> None:
        """Raises what MLflow raises, or NoAnswer: the event is then kept and tried again."""
        with self._lock:
            if event.id in self._seen:
                return
            if self._unanswered is not None and self._unanswered.is_alive():
                raise NoAnswer("MLflow has not answered to an earlier event yet")
            self._unanswered = attempt = Attempt(self._deliver, event)
            attempt.start()
            attempt.join(self.timeout)
            if attempt.is_alive():
                raise NoAnswer(f"MLflow has not answered within {self.timeout:g} s")
            self._unanswered = None
            if attempt.error is not None:
                raise attempt.error
            self._seen.add(event.id)

    def _deliver(self, event: Event) -> None:
        client = self._connected()
        run = self._run(client, event.model)
        lane = _lane(event)
        if client.get_run(run).data.tags.get(lane) != event.id:
            self._write(client, run, event, lane)

    def _write(self, client: MlflowClient, run: str, event: Event, lane: str) -> None:
        """The tag that says the event has come is written with the rest, and after what is not in the batch."""
        from mlflow.entities import Metric, RunTag

        if event.kind == "explanation":
            client.log_dict(run, event.to_json(), f"{FOLDER}/{clean(event.monitor)}/{clean(event.id)}.json")
        if self._trigger is not None:
            self._trigger.pull(client, event)
        time, step = _time(event), int(event.time)
        metrics = [Metric(name, value, time, step) for name, value in self._metrics(event).items()]
        tags = [RunTag(name, value) for name, value in {**_tags(event), lane: event.id}.items()]
        client.log_batch(run, metrics=metrics, tags=tags, synchronous=True)

    def _metrics(self, event: Event) -> dict[str, float]:
        if event.kind != "result":
            return {}
        result = {"monitor": event.monitor, "segment": event.segment, **event.payload}
        found = metrics_of(result, self.columns)
        return dict(list(found.items())[:MAX_METRICS])

    def _connected(self) -> MlflowClient:
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.tracking_uri)
        return self._client

    def _run(self, client: MlflowClient, model: str) -> str:
        if self.run_id is not None:
            return self.run_id
        if model not in self._runs:
            self._runs[model] = _found_or_made(client, self.experiment, self.run_name or f"vedette {model}", model)
        return self._runs[model]


def _found_or_made(client: MlflowClient, experiment: str | None, name: str, model: str) -> str:
    """The run of this name in which events of the model stand; a new one where there is none."""
    home = _experiment(client, experiment)
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    found = client.search_runs(
        [home], f"attributes.run_name = '{quoted}' and tags.`{RUN_TAG}` = '{model}'", max_results=1
    )
    if found:
        return str(found[0].info.run_id)
    return str(client.create_run(home, run_name=name, tags={RUN_TAG: model}).info.run_id)


def _experiment(client: MlflowClient, name: str | None) -> str:
    from mlflow.exceptions import MlflowException

    if name is None:
        return "0"  # MLflow's own default
    if (found := client.get_experiment_by_name(name)) is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process has been quicker, or nobody can make it
            if (found := client.get_experiment_by_name(name)) is None:
                raise
    return str(found.experiment_id)


def _lane(event: Event) -> str:
    """Events of a lane come one after another, so that the last id is all that must be known."""
    parts = (event.kind, event.monitor, event.segment) if event.segment else (event.kind, event.monitor)
    return clean("vedette.last." + ".".join(parts).replace("/", "_"), MAX_NAME)


def _time(event: Event) -> int:
    """Milliseconds since the epoch."""
    return int(event.time * 1000) + int(event.payload.get("revision") or 0)


def _tags(event: Event) -> dict[str, str]:
    payload = event.payload
    if event.kind == "alert":
        place = ".".join(clean(str(part)) for part in (payload.get("rule", event.monitor), event.segment) if part)
        state = str(payload.get("state", ""))
        details = {key: payload.get(key) for key in ("state", "severity", "value", "when", "since", "window")}
        return {
            clean(f"vedette.alert.{place}"): state,
            clean(f"vedette.alert_details.{place}"): json.dumps(details, default=str)[:MAX_TAG],
        }
    if event.kind == "component_failed":
        return {clean(f"vedette.failed.{event.monitor}"): str(payload.get("reason", ""))[:MAX_TAG]}
    return {}
