"""Labels that people, or other models, have put onto MLflow's traces as expectations and feedback."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

REQUEST_ID = "vedette.request_id"  # a trace's tag, its metadata, or an attribute of its first span
PAGE = 100
MAX_ANNOTATOR = 128


class BadTraces(ValueError):
    """What was asked for is not there, or cannot be asked for."""


@dataclass
class Found:
    """What one look at the traces has given.

    without_id: traces with a label that name no request.  empty: assessments without a value, such as failed judges.
    """

    traces: int = 0
    without_id: int = 0
    empty: int = 0


def experiment_id(client: MlflowClient, name: str) -> str:
    """Of an experiment's name, or of an id."""
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    if name.isdecimal():
        return str(client.get_experiment(name).experiment_id)  # raises where there is none
    known = [item.name for item in client.search_experiments(max_results=20)]
    from vedette.plugins.errors import did_you_mean

    hint = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
    raise BadTraces(f"--experiment: {name!r} does not exist{hint}")


def labels_of(
    client: MlflowClient, experiment: str, name: str, since: float | None, found: Found, page: int = PAGE
) -> Iterator[list[dict[str, Any]]]:
    """Items of feedback, a page of traces at a time, oldest first; each has the trace it comes from as `trace`.

    name: of the expectation or feedback that is the label.  since: seconds; older traces are left out.
    """
    text = "" if since is None else f"trace.timestamp_ms >= {int(since * 1000)}"
    token = None
    while True:
        traces = client.search_traces(
            locations=[experiment], filter_string=text or None, max_results=page, page_token=token,
            order_by=["timestamp_ms ASC"], include_spans=False,
        )  # fmt: skip
        found.traces += len(traces)
        yield [item for trace in traces for item in _items(client, trace.info, name, found)]
        if not (token := traces.token):
            return


def _items(client: MlflowClient, info: Any, name: str, found: Found) -> list[dict[str, Any]]:
    by_id = {item.assessment_id: item for item in info.assessments}
    wanted = [item for item in info.assessments if item.name == name and item.valid is not False]
    if not wanted:
        return []
    request = request_id(info.tags, info.trace_metadata, info.client_request_id) or _from_span(client, info.trace_id)
    if request is None:
        found.without_id += 1
        return []
    items = []
    for one in sorted(wanted, key=lambda item: item.last_update_time_ms or 0):
        value = None if one.issue is not None else one.value
        if value is None or getattr(one, "error", None) is not None:
            found.empty += 1
            continue
        label = {"labels": value} if isinstance(value, list) else {"label": value}
        time = (one.last_update_time_ms or one.create_time_ms) / 1000
        items.append({"id": request, **label, "annotator": annotator(one, by_id), "time": time, "trace": info.trace_id})
    return items


def request_id(tags: Mapping[str, str], metadata: Mapping[str, str], given: str | None) -> str | None:
    """The id by which the prediction is known here: the platform's X-Request-Id."""
    return tags.get(REQUEST_ID) or metadata.get(REQUEST_ID) or given or None


def _from_span(client: MlflowClient, trace: str) -> str | None:
    """Spans are not part of a search: only a trace that names no request elsewhere is fetched."""
    spans = client.get_trace(trace).data.spans
    root = next((span for span in spans if span.parent_id is None), None)
    value = None if root is None else root.attributes.get(REQUEST_ID)
    return str(value) if value else None


def annotator(assessment: Any, by_id: Mapping[str, Any]) -> str:
    """Who gave it; who gave the one that it overrides, since that one is corrected."""
    seen: set[str] = set()
    while assessment.overrides in by_id and assessment.overrides not in seen:
        seen.add(assessment.overrides)
        assessment = by_id[assessment.overrides]
    return str(assessment.source.source_id or "")[:MAX_ANNOTATOR]


def moment(text: str, now: float) -> float:
    """Seconds since the epoch, of a duration before now (`7d`) or a time (ISO 8601)."""
    from datetime import UTC, datetime

    from vedette.config.values import parse_duration

    if re.fullmatch(r"\d+(\.\d+)?\s*[a-z]+", text.strip()):
        return now - parse_duration(text.strip())
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadTraces(
            f"--since: {text!r} is no time; allowed: 7d, 12h, or ISO 8601 as in 2026-01-31T08:00"
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def without_trace(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key != "trace"} for item in items]
