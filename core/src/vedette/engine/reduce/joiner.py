"""Labels meet predictions: first labels become deltas at prediction time, corrections ask for a recomputation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec
from vedette.engine.bundle import Bundle
from vedette.engine.failures import report_failures
from vedette.engine.reduce.name_rows import name_rows
from vedette.engine.reduce.recompute import annotated, attach, readable
from vedette.engine.running import Bundles, series_of
from vedette.engine.work.accumulate import Accumulator, needs_annotations, needs_labels
from vedette.store import counters, labels, leases, panes, predictions, series
from vedette.store.database import Store
from vedette.store.labels import Label
from vedette.store.leases import Lease
from vedette_specs.batch import Batch, concat

LIMIT = 5000  # labels joined in one transaction
Key = tuple[str, int]


@dataclass(frozen=True)
class Row:
    """A stored prediction: its block, the position there, and the digest of the bundle that it was counted under."""

    batch: Batch
    position: int
    bundle: str

    def tick(self, spec: MonitorSpec) -> int:
        assert self.batch.times is not None
        return math.floor(float(self.batch.times[self.position]) / spec.tick)


@dataclass(frozen=True)
class Counting:
    """The monitors of a bundle that wait for labels, and the series that counted its predictions."""

    bundle: Bundle
    monitors: list[MonitorSpec]
    series: dict[str, int]

    @classmethod
    def of(cls, connection: Connection, bundle: Bundle) -> Counting:
        running = series_of(connection, bundle)
        found = {name: row.id for name, row in running.items() if row.status != "quarantined"}
        monitors = [m for m in bundle.plan.monitors if m.name in found and needs_labels(bundle, m)]
        return cls(bundle, monitors, {m.name: found[m.name] for m in monitors})

    def accumulator(self, connection: Connection) -> Accumulator:
        def name(series_id: int, segment: str) -> str:
            return series.segment_name(connection, series_id, segment)

        return Accumulator(self.bundle, self.series, self.monitors, name, labelled=True)


@dataclass
class Joiner:
    """Runs under the lease of the pool that keeps the predictions."""

    store: Store
    bundle: Bundle
    bundles: Bundles

    def __post_init__(self) -> None:
        self.model = self.bundle.plan.model

    def step(self, lease: Lease) -> int:
        """Join what can be joined now; returns how many labels were looked at."""
        seen = 0
        while True:
            with self.store.read() as connection:
                if not labels.pending(connection, self.model, self.store.now(connection), 1):
                    return seen
            with self.store.write() as connection:
                leases.check(connection, lease)
                now = self.store.now(connection)
                waiting = labels.pending(connection, self.model, now, LIMIT)
                self._join(connection, waiting, now)
            seen += len(waiting)
            if len(waiting) < LIMIT:
                return seen

    def _join(self, connection: Connection, waiting: Sequence[Label], now: float) -> None:
        waiting, unknown = name_rows(connection, self.bundle.plan, waiting)
        rows = self._rows_of(connection, waiting)
        matched = sorted((label for label in waiting if label.key in rows), key=lambda label: label.id)
        in_force = labels.applied(connection, self.model, {label.key for label in matched})
        matched = self._readable(connection, matched)
        own, others = self._by_first_annotator(connection, matched, in_force)
        found = {label.key: label for label in own}
        counting = self._counting(connection, {rows[key].bundle for key in found.keys() | {o.key for o in others}})
        found = self._countable(connection, found, rows, counting)
        # a recomputation sees these labels and their part, or neither; in order of id, before all other rows
        for series_id in sorted({number for one in counting.values() for number in one.series.values()}):
            series.lock(connection, series_id)
        # one that waited for its prediction may come after a later one that did not have to
        changed = {k: v for k, v in found.items() if k in in_force and _corrects(v, in_force[k])}
        new = {key: label for key, label in found.items() if key not in in_force}
        taken = {label.id for label in [*changed.values(), *new.values()]}
        over = [label.id for label in matched if label.id not in taken]
        labels.set_state(connection, over, "superseded")
        self._correct(connection, changed, in_force, rows, counting, now)
        self._annotate(connection, [label for label in others if label.key not in new], rows, counting, now)
        for digest, one in counting.items():
            self._apply(connection, {k: v for k, v in new.items() if rows[k].bundle == digest}, rows, one, now)
        self._wait(connection, [*unknown, *(label for label in waiting if label.key not in rows)], now)

    def _counting(self, connection: Connection, digests: Iterable[str]) -> dict[str, Counting]:
        """Who counts the labels of predictions that were counted under these bundles."""
        found = {digest: self.bundles.get(connection, digest) for digest in digests}
        return {digest: Counting.of(connection, bundle) for digest, bundle in found.items() if bundle is not None}

    def _countable(
        self, connection: Connection, found: dict[Key, Label], rows: dict[Key, Row], counting: Mapping[str, Counting]
    ) -> dict[Key, Label]:
        """Without the labels whose predictions were counted under a bundle that is forgotten: they come too late."""
        late = {key: label for key, label in found.items() if rows[key].bundle not in counting}
        labels.set_state(connection, [label.id for label in late.values()], "unmatched")
        self._count(connection, "labels_of_forgotten_bundles", len(late))
        return {key: label for key, label in found.items() if key not in late}

    def _readable(self, connection: Connection, matched: list[Label]) -> list[Label]:
        """The labels that today's task can read; the others can never be joined, and are counted."""
        read = readable(matched, self.bundle.plan.schema)
        strange = [label.id for label in matched if label.id not in read]
        labels.set_state(connection, strange, "unmatched")
        self._count(connection, "labels_unreadable", len(strange))
        return [label for label in matched if label.id in read]

    def _by_first_annotator(
        self, connection: Connection, matched: list[Label], in_force: dict[Key, Label]
    ) -> tuple[list[Label], list[Label]]:
        """(labels of their rows' first annotators, which are those in force, labels of others).

        A second annotator disagrees, which is no correction; only metrics that ask for all annotators see it.
        """
        first = {key: label.annotator for key, label in in_force.items()}
        for label in matched:
            first.setdefault(label.key, label.annotator)
        own = [label for label in matched if label.annotator == first[label.key]]
        others = [label for label in matched if label.annotator != first[label.key]]
        self._count(connection, "labels_other_annotator", len(others))
        return own, others

    def _count(self, connection: Connection, name: str, n: int) -> None:
        if n:
            counters.add(connection, self.model, {name: n})

    def _rows_of(self, connection: Connection, wanted: Iterable[Label]) -> dict[Key, Row]:
        """(request, row) -> where the prediction is stored."""
        keys = {label.key for label in wanted}
        blocks = predictions.find_blocks(connection, self.model, (request[:256] for request, _ in keys))
        numbers = {b for ids in blocks.values() for b in ids}
        digests = predictions.bundles_of(connection, numbers)
        found: dict[Key, Row] = {}
        for number, batch in predictions.load(connection, numbers, self.bundle.plan.schema).items():
            if batch.ids is None or batch.rows is None:
                continue
            for i, key in enumerate(zip(batch.ids.tolist(), batch.rows.tolist(), strict=True)):
                if key in keys and key not in found:
                    found[key] = Row(batch, i, digests[number])
        return found

    def _apply(
        self, connection: Connection, new: dict[Key, Label], rows: dict[Key, Row], counting: Counting, now: float
    ) -> None:
        """Count newly labelled rows in the panes of their prediction time, with the labels' new state."""
        if not new:
            return
        labels.set_state(connection, [label.id for label in new.values()], "applied")
        accumulator = counting.accumulator(connection)
        of_all = any(needs_annotations(counting.bundle, spec) for spec in counting.monitors)
        for batch in _batches(new, rows):
            schema = counting.bundle.plan.schema
            labelled, lags = attach(batch.replace(schema=schema), new, schema)
            accumulator.add(annotated(connection, self.model, labelled) if of_all else labelled, lags)
        parts, failures = accumulator.take()
        panes.insert(connection, parts)
        report_failures(connection, self.bundle, failures, now)

    def _correct(
        self, connection: Connection, changed: dict[Key, Label], in_force: dict[Key, Label],
        rows: dict[Key, Row], counting: Mapping[str, Counting], now: float,
    ) -> None:  # fmt: skip
        labels.set_state(connection, [in_force[key].id for key in changed], "superseded")
        labels.set_state(connection, [label.id for label in changed.values()], "applied")
        for key in changed:
            one = counting[rows[key].bundle]
            for spec in one.monitors:
                labels.ask_recompute(connection, one.series[spec.name], rows[key].tick(spec), now)

    def _annotate(
        self, connection: Connection, others: Sequence[Label], rows: dict[Key, Row],
        counting: Mapping[str, Counting], now: float,
    ) -> None:  # fmt: skip
        """Labels of further annotators change what was counted of their rows, where a monitor asks for them."""
        for row in {label.key: rows[label.key] for label in others}.values():
            one = counting.get(row.bundle)
            if one is None:  # forgotten, as its labels are
                continue
            for spec in one.monitors:
                if needs_annotations(one.bundle, spec):
                    labels.ask_recompute(connection, one.series[spec.name], row.tick(spec), now)

    def _wait(self, connection: Connection, unmatched: Sequence[Label], now: float) -> None:
        """A label before its prediction is normal; after `within` it is given up and counted."""
        within = self.bundle.plan.labels.within
        given_up = [label.id for label in unmatched if now - label.received > within]
        labels.set_state(connection, given_up, "unmatched")
        labels.postpone(connection, [label for label in unmatched if label.id not in set(given_up)], now)


def _corrects(label: Label, before: Label) -> bool:
    return label.id > before.id and label.value != before.value


def _batches(new: dict[Key, Label], rows: dict[Key, Row]) -> list[Batch]:
    """The newly labelled rows, those of one form together."""
    by_block: dict[int, tuple[Batch, list[int]]] = {}
    for key in new:
        row = rows[key]
        by_block.setdefault(id(row.batch), (row.batch, []))[1].append(row.position)
    forms: dict[tuple[object, ...], list[Batch]] = {}
    for batch, positions in by_block.values():
        prediction = None if batch.prediction is None else batch.prediction.kind
        width = None if batch.probabilities is None else batch.probabilities.shape[1]
        form = (prediction, width, *sorted((name, column.kind) for name, column in batch.attributes.items()))
        forms.setdefault(form, []).append(batch.take(sorted(positions)))
    return [concat(batches) for batches in forms.values()]
