"""One model's monitoring as questions and answers, JSON-ready: what the HTTP API and Session show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import false, func, select, true

from vedette.engine.alerting import Alerting
from vedette.engine.bad_request import BadRequest
from vedette.engine.bundle import Bundle, in_order
from vedette.engine.explain.explaining import CannotExplain, Explaining
from vedette.engine.frames import Results
from vedette.engine.message import TapPlan
from vedette.engine.naming import ID
from vedette.engine.result_filters import check_limit, check_names, moment
from vedette.engine.run.times import LATEST
from vedette.store import counters, jobs, keys, labels, leases, panes, predictions, results, series
from vedette.store.database import Store
from vedette.store.tables import batch_log, incarnations, outbox, producers
from vedette.store.texts import storable
from vedette_specs.batch import Batch
from vedette_specs.convert import as_batch
from vedette_specs.explainers import Predict

MAX_LABELS = 100_000
MAX_LABEL = 1000  # characters
MAX_ROW = 1_000_000
MAX_VALUE = 1e300


class Service:
    """Reads and writes go to the store, so that every replica gives the same answers. Thread-safe."""

    def __init__(self, store: Store, bundle: Bundle, predict: Predict | None = None, model_version: str = "") -> None:
        self.store = store
        self.bundle = bundle
        self.plan = bundle.plan
        self.model = bundle.plan.model
        self.alerting = Alerting(store, bundle.plan)
        self.explaining = Explaining(bundle, predict, model_version)

    def tap_plan(self) -> TapPlan:
        return TapPlan.of(self.plan, self.bundle.digest)

    def monitors(self) -> list[dict[str, Any]]:
        """Declared monitors with the state of their series and their latest result."""
        with self.store.read() as connection:
            running = {s.monitor: s for s in series.active(connection, self.model)}
            return [self._monitor(connection, spec.name, running) for spec in in_order(self.plan.monitors)]

    def _monitor(self, connection: Any, name: str, running: Mapping[str, series.Series]) -> dict[str, Any]:
        spec = self.plan.monitor(name)
        row = running.get(name)
        latest = results.query(connection, self.model, name, limit=1)
        rows, labelled = (0, 0) if row is None else panes.totals(connection, row.id)
        return {
            "name": name,
            "kind": spec.kind,
            "use": [part.use for part in spec.components],
            "of": spec.of,
            "pool": spec.pool,
            "by": list(spec.by),
            "windows": [w.name for w in spec.windows],
            "alert": spec.alert.said if spec.alert else None,
            "status": row.status if row else "not deployed",
            "reason": row.reason if row else None,
            "rows": rows,
            "labelled_rows": labelled,
            "late_rows": row.late_rows if row else 0,
            "missing_rows": row.missing_rows if row else 0,
            "latest": latest[0].to_json() if latest else None,
        }

    def results(
        self, monitor: str | None = None, window: str | None = None, segment: str | None = None,
        since: Any = None, until: Any = None, limit: int = 1000,
    ) -> Results:  # fmt: skip
        """Results, oldest first. since, until: of the windows' ends; seconds, datetimes, or ISO 8601.

        BadRequest for what is no time or limit, Unknown for a name that is neither declared nor that of a result.
        """
        begin, end = moment("since", since), moment("until", until)
        check_limit(limit)
        with self.store.read() as connection:
            found = results.query(connection, self.model, monitor, window, segment, begin, end, limit=limit)
            if not found:
                check_names(connection, self.plan, monitor, window, segment)
        return Results([item.to_json() for item in found])

    def alerts(self, live: bool = False, since: float | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """Changes of alerts, oldest first; or, with `live`, what is pending or firing now."""
        if live:
            return self.alerting.live()
        with self.store.read() as connection:
            changes = results.alert_history(connection, self.model, since, limit)
        return [{"acknowledged": None, "silenced": None, **body} for body in changes]

    def feedback(self, items: Sequence[Mapping[str, Any]], arrived: float | None = None) -> int:
        """Store labels to be joined; returns how many are new. All or none: BadRequest names the item and field.

        An item is {"id", "labels": [one a row of the request]} or {"id", "row" (0), "label"}, with optional
        "annotator" and "time" (seconds since the epoch). Where `labels.join` is a column, "id" is the key of one row.
        arrived: the time of those that say none, which is now; infinite in a replay, where nobody knows it.
        """
        with self.store.read() as connection:  # nobody waits while a long request is read
            now = self.store.now(connection)
        unsaid = now if arrived is None else arrived
        rows = [row for i, item in enumerate(items) for row in self._label_rows(item, i, unsaid)]
        if len(rows) > MAX_LABELS:
            raise BadRequest("labels", f"{len(rows)} labels in one request; at most {MAX_LABELS} are taken")
        with self.store.write() as connection:
            return labels.add(connection, self.model, labels.unknown(connection, self.model, rows), now)

    def _label_rows(self, item: Mapping[str, Any], position: int, unsaid: float) -> list[dict[str, Any]]:
        at = f"[{position}]"
        if not isinstance(item, Mapping):
            raise BadRequest(at, "an item of feedback is an object with `id` and `labels` or `label`")
        unknown = set(item) - {"id", "row", "label", "labels", "annotator", "time"}
        if unknown:
            raise BadRequest(
                f"{at}.{sorted(unknown)[0]}", "unknown key; allowed: id, row, label, labels, annotator, time"
            )
        join = self.plan.labels.join
        longest, called = (256, "request id") if join == ID else (keys.LONGEST, f"{join!r} of a prediction")
        request = item.get("id")
        if not isinstance(request, str) or not request or len(request) > longest:
            shown = repr(request)[:60]
            raise BadRequest(f"{at}.id", f"{shown} is not a {called} (a string of 1 to {longest} characters)")
        if ("label" in item) == ("labels" in item):
            raise BadRequest(at, "give exactly one of `label` and `labels`")
        values = item["labels"] if "labels" in item else [item["label"]]
        if not isinstance(values, list):
            raise BadRequest(f"{at}.labels", "is a list with one label a row of the request")
        first = item.get("row", 0)
        if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first <= MAX_ROW:
            raise BadRequest(f"{at}.row", f"{str(first)[:40]!r} is not a row number (0 to {MAX_ROW})")
        if join != ID and (first or len(values) != 1):
            field = "row" if first else "labels"
            raise BadRequest(f"{at}.{field}", f"labels.join is {join!r}, so `id` names one row: give its `label` only")
        time = item.get("time", unsaid)
        if "time" in item and (not isinstance(time, int | float) or isinstance(time, bool) or not 0 <= time < LATEST):
            raise BadRequest(f"{at}.time", f"{time!r} is not a time in seconds since the epoch, from 1970 to 2200")
        annotator = item.get("annotator", "")
        if not isinstance(annotator, str) or len(annotator) > 128:
            raise BadRequest(f"{at}.annotator", f"{annotator!r} is not a name of at most 128 characters")
        return [
            {"request": storable(request), "row": first + i, "annotator": storable(annotator), "time": float(time),
             "value": self._label(value, f"{at}.labels[{i}]" if "labels" in item else f"{at}.label")}
            for i, value in enumerate(values)
            if value is not None
        ]  # fmt: skip

    def _label(self, value: Any, field: str) -> Any:
        schema = self.plan.schema
        if isinstance(value, bool | int | float | str) and value == value:
            if schema.task == "regression":
                if isinstance(value, str | bool) or not -MAX_VALUE < value < MAX_VALUE:
                    raise BadRequest(field, f"{str(value)[:40]!r} is not a finite number")
                return float(value)
            if isinstance(value, str) and len(value) > MAX_LABEL:
                raise BadRequest(field, f"a text of {len(value)} characters; at most {MAX_LABEL} are taken")
            if not isinstance(value, str) and not -MAX_VALUE < value < MAX_VALUE:
                raise BadRequest(field, f"{str(value)[:40]!r} is not a finite number")
            text = next(iter(_texts(value)))
            if schema.classes and text not in schema.classes:
                raise BadRequest(field, f"{value!r} is not a class; allowed: {', '.join(schema.classes)}")
            return text
        raise BadRequest(field, f"{value!r} is not a label")

    def explain(
        self, *, rows: Any = None, request: str | None = None, row: int = 0, explainer: str | None = None,
        target: str = "model", limits: Mapping[str, float] | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Explanations of instances, or of a past prediction whose inputs were kept; BadRequest or CannotExplain."""
        if (rows is None) == (request is None):
            raise BadRequest("instances", "give exactly one of `instances` and `id`")
        if request is not None:
            batch = self._past(request, row)
            return self.explaining.explain(batch, explainer, target, f"{request}/{row}", limits)
        try:
            batch = rows if isinstance(rows, Batch) else as_batch(rows, self.plan.schema)
        except (TypeError, ValueError) as error:
            raise BadRequest("instances", str(error)) from error
        key = json.dumps(batch.to_records(), sort_keys=True, default=str)
        return self.explaining.explain(batch, explainer, target, key, limits)

    def _past(self, request: str, row: int) -> Batch:
        with self.store.read() as connection:
            batch = predictions.payload_row(connection, self.model, request, row, self.plan.schema)
        if batch is None:
            raise BadRequest("id", f"the inputs of {request!r} row {row} were not kept (privacy.payloads keeps them)")
        return batch

    def prediction(self, request: str) -> list[dict[str, Any]]:
        """The stored rows of a request, with their labels; empty when there are none."""
        found: list[dict[str, Any]] = []
        with self.store.read() as connection:
            blocks = predictions.find_blocks(connection, self.model, [request]).get(request, [])
            in_force = labels.applied_of_requests(connection, self.model, [request])
            for batch in predictions.load(connection, blocks, self.plan.schema).values():
                if batch.ids is not None:
                    found += _rows_json(batch.take(batch.ids == request), in_force)
        return sorted(found, key=lambda item: item["row"])

    def explanations(self, limit: int = 100) -> list[dict[str, Any]]:
        """Explain jobs with their results, newest first."""
        with self.store.read() as connection:
            return jobs.listed(connection, self.model, limit)

    def counters(self) -> dict[str, int]:
        """What was taken in, dropped, suppressed and parked, summed over producers and pools of this model."""
        with self.store.read() as connection:
            mine = producers.c.pool.startswith(f"{self.model}/", autoescape=True)
            primary = f"{self.model}/{self.plan.worker_pools[0]}"
            total: dict[str, int] = {"duplicates_suppressed": 0}
            for row in connection.execute(select(producers).where(mine)):
                total["duplicates_suppressed"] += row.duplicates
                if row.pool == primary:
                    for name, value in json.loads(row.counters).items():
                        total[name] = total.get(name, 0) + int(value)
            for name, n in counters.totals(connection, self.model).items():
                total[name if name.startswith("labels_") else f"worker_{name}"] = n
            log = select(func.count(), func.coalesce(func.sum(batch_log.c.rows), 0))
            log = log.where(batch_log.c.pool.startswith(f"{self.model}/", autoescape=True))
            total["logged_batches"], _ = connection.execute(log.where(batch_log.c.poisoned == false())).one()
            total["poisoned_batches"], total["poisoned_rows"] = connection.execute(
                log.where(batch_log.c.poisoned == true())
            ).one()
            total |= {f"labels_{state}": n for state, n in labels.counts(connection, self.model).items()}
            waiting = outbox.c.model == self.model, outbox.c.delivered.is_(None)
            total["events_waiting"] = connection.scalar(select(func.count()).select_from(outbox).where(*waiting)) or 0
            total["explain_jobs_waiting"] = jobs.depth(connection, self.model)
        return total

    def status(self) -> dict[str, Any]:
        """Leases, replicas and watermarks, for people."""
        counters = self.counters()
        with self.store.read() as connection:
            now = self.store.now(connection)
            mine = incarnations.c.pool.startswith(f"{self.model}/", autoescape=True)
            alive = select(incarnations).where(mine, incarnations.c.fenced == false(), incarnations.c.seen > now - 15)
            return {
                "model": self.model,
                "bundle": self.bundle.digest,
                "time": now,
                "leases": [x for x in leases.holders(connection) if str(x["pool"]).startswith(f"{self.model}/")],
                "replicas": [dict(row._mapping) for row in connection.execute(alive)],
                "counters": counters,
            }

    def healthy(self) -> bool:
        """Whether the store answers."""
        with self.store.read() as connection:
            return series.deployed(connection, self.model) is not None


def _texts(value: Any) -> list[str]:
    from vedette_specs.columns import category

    return list(category([value]).categories)


def _rows_json(batch: Batch, in_force: Mapping[tuple[str, int], labels.Label]) -> list[dict[str, Any]]:
    shown = []
    columns = {name: column.to_list() for name, column in batch.attributes.items()}
    prediction = None if batch.prediction is None else batch.prediction.to_list()
    for i in range(len(batch)):
        assert batch.ids is not None
        assert batch.rows is not None
        assert batch.times is not None
        label = in_force.get((str(batch.ids[i]), int(batch.rows[i])))
        shown.append(
            {
                "id": str(batch.ids[i]),
                "row": int(batch.rows[i]),
                "time": float(batch.times[i]),
                "prediction": None if prediction is None else prediction[i],
                "probabilities": None if batch.probabilities is None else batch.probabilities[i].tolist(),
                "attributes": {name: values[i] for name, values in columns.items()},
                "label": None if label is None else label.value,
            }
        )
    return shown


__all__ = ["BadRequest", "CannotExplain", "Service"]
