"""GET metrics: the latest results, alerts and counters for Prometheus, in a bounded number of series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import Response

from vedette.config.plan import Plan
from vedette.engine.label_facts import LabelFacts
from vedette.engine.service import Service
from vedette.http import documents as out
from vedette.http.answers import Json, clean
from vedette.http.errors import HttpError
from vedette.http.latest import Result, latest_results, numbers
from vedette.http.state import Shared
from vedette.http.tokens import needs

MAX_SERIES = 5000
MAX_LABEL = 200
RESULT_LABELS = ("monitor", "window", "segment", "value", "column")
WINDOW_LABELS = RESULT_LABELS[:3]
ALERT_LABELS = ("rule", "severity", "segment")
COUNTERS = {  # name in the counters -> (metric, what it counts)
    "captured": ("vedette_rows", "Rows that taps took in"),
    "dropped_rows": ("vedette_dropped_rows", "Rows that taps dropped because their buffer was full"),
    "dropped_calls": ("vedette_dropped_calls", "Calls that taps dropped before they were decoded"),
    "dropped_labels": ("vedette_dropped_labels", "Labels of a model's own process that could not be stored"),
    "unknown_rows": ("vedette_unknown_rows", "Rows that were sent and may or may not have arrived"),
    "undecodable": ("vedette_undecodable_calls", "Calls that are not in a known format"),
    "failed_calls": ("vedette_failed_calls", "Calls that the model answered with an error"),
    "late_stamped": ("vedette_late_stamped_rows", "Rows without a time of their own"),
    "duplicates_suppressed": ("vedette_duplicates", "Batches that arrived again and were left out"),
}
GAUGES = {
    "logged_batches": ("vedette_logged_batches", "Batches that are committed and not yet in a checkpoint"),
    "poisoned_batches": ("vedette_poisoned_batches", "Batches parked because they killed workers"),
    "poisoned_rows": ("vedette_poisoned_rows", "Rows of parked batches"),
    "events_waiting": ("vedette_events_waiting", "Events that wait for their sink"),
    "explain_jobs_waiting": ("vedette_explain_jobs_waiting", "Explain jobs that wait for an explainer"),
}
STATES = ("pending", "applied", "superseded", "unmatched")

router = APIRouter()


@router.get("/metrics", tags=["operations"], dependencies=[Depends(needs("read"))], responses=out.ERRORS)
def metrics(request: Request, state: Shared) -> Response:
    """Prometheus text; OpenMetrics where it is asked for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(families(state.service)))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=None, headers={"Content-Type": content_type})


@router.get("/healthz", tags=["operations"], response_model=out.Health, responses={503: {"model": out.Error}})
def healthz(state: Shared) -> Response:
    """Whether the store answers and the monitors are deployed; asks for no token."""
    if not state.service.healthy():
        raise HttpError(503, "the monitors are not deployed")
    return Json({"status": "ok"})


class _Snapshot(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def families(service: Service, limit: int = MAX_SERIES) -> Iterator[Metric]:
    """All metrics of a model; results beyond `limit` series are left out and counted."""
    yield from _results(latest_results(service), limit)
    yield _alerts(service.plan, service.alerts(live=True))
    counts = service.counters()
    for name, (metric, text) in COUNTERS.items():
        yield CounterMetricFamily(metric, text, value=counts.get(name, 0))
    for name, (metric, text) in GAUGES.items():
        yield GaugeMetricFamily(metric, text, value=counts.get(name, 0))
    labels = GaugeMetricFamily("vedette_labels", "Labels by what became of them", labels=["state"])
    for state in STATES:
        labels.add_metric([state], counts.get(f"labels_{state}", 0))
    yield labels


def _results(found: Sequence[Result], limit: int) -> Iterator[Metric]:
    values = GaugeMetricFamily("vedette_result", "The latest result of a monitor's window", labels=RESULT_LABELS)
    rows = GaugeMetricFamily("vedette_result_rows", "Rows that the latest result stands on", labels=WINDOW_LABELS)
    ends = GaugeMetricFamily("vedette_result_timestamp_seconds", "End of the latest window", labels=WINDOW_LABELS)
    coverage = GaugeMetricFamily(
        "vedette_result_label_coverage",
        "Share of the latest window's predictions that have a label",
        labels=WINDOW_LABELS,
    )
    lags = GaugeMetricFamily(
        "vedette_result_label_lag_seconds", "Mean time from prediction to label, latest window", labels=WINDOW_LABELS
    )
    used = cut = 0
    seen: set[tuple[str, ...]] = set()
    for result in found:
        key = tuple(_label(result[name]) for name in WINDOW_LABELS)
        cells = list(numbers(result))
        facts = LabelFacts.of(result)
        size = len(cells) + 2 + (2 if facts else 0)
        if used + size > limit or key in seen:
            cut += size
            continue
        seen.add(key)
        used += size
        for value, column, number in cells:
            values.add_metric([*key, value, _label(column)], number)
        rows.add_metric(key, result["n"])
        ends.add_metric(key, result["end"])
        if facts is not None and facts.coverage is not None:
            coverage.add_metric(key, facts.coverage)
        if facts is not None and facts.lag is not None:
            lags.add_metric(key, facts.lag)
    yield from (values, rows, ends, coverage, lags)
    yield GaugeMetricFamily("vedette_result_series_cut", "Series left out because there are too many", value=cut)


def _alerts(plan: Plan, live: Sequence[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily("vedette_alert", "1 while an alert is firing", labels=ALERT_LABELS)
    states = {(alert.name, alert.severity, ""): 0 for alert in plan.rules}
    for body in live:
        key = (_label(body["rule"]), _label(body["severity"]), _label(body["segment"]))
        states[key] = max(states.get(key, 0), int(body["state"] == "firing"))
    for key, firing in list(states.items())[:MAX_SERIES]:
        family.add_metric(key, firing)
    return family


def _label(text: str) -> str:
    return clean(str(text))[:MAX_LABEL]
