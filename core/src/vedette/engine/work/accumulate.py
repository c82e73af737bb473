"""Counting batches: what a worker holds in memory between two checkpoints, per (series, segment, tick)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.config.plan import MonitorSpec
from vedette.engine.bundle import Bundle, fits, in_order
from vedette.engine.naming import ID
from vedette.engine.work.flags import OutlierFlags
from vedette.engine.work.views import NoInput, Views, segment_keys
from vedette.store.panes import Pane
from vedette.store.series import OTHER
from vedette_specs.batch import Batch
from vedette_specs.codec import encode
from vedette_specs.columns import Floats, Mask
from vedette_specs.components import TwoStepMetric

logger = logging.getLogger("vedette.worker")
NameSegment = Callable[[int, str], str]  # (series, wanted segment) -> the one that the store allows


class SegmentsUnknown(RuntimeError):
    """The store does not answer under which name a segment is counted."""


@dataclass
class Delta:
    """Rows counted since the last checkpoint. states: alias -> component state."""

    rows: int = 0
    states: dict[str, Any] = field(default_factory=dict)
    labelled: int = 0
    lag: float = 0.0


@dataclass
class Failure:
    """A component that raised: its series is quarantined, `rows` of it are missing."""

    series: int
    monitor: str
    reason: str
    rows: int


class Accumulator:
    """Deltas of some monitors. Not thread-safe: it belongs to its worker's thread."""

    def __init__(
        self,
        bundle: Bundle,
        series: Mapping[str, int],
        monitors: Iterable[MonitorSpec],
        name_segment: NameSegment | None = None,
        labelled: bool = False,
    ) -> None:
        """series: monitor -> series id.

        labelled: False where predictions are counted (of monitors that wait for labels only the rows are),
        True where labelled rows are.
        """
        self.bundle = bundle
        self.series = dict(series)
        self.labelled = labelled
        self.monitors = [m for m in in_order(monitors) if m.name in self.series]
        self.deltas: dict[tuple[int, str, int], Delta] = {}
        self.quarantined: set[int] = set()
        self.failures: list[Failure] = []
        self._in_hand = 0  # rows of the batch at hand that the monitor at work has counted
        self._waits = {m.name for m in self.monitors if needs_labels(bundle, m)}
        self._segments: dict[tuple[int, str], str] = {}
        self._full: set[int] = set()  # series that have as many segments as they may
        self._name_segment = name_segment or (lambda series, segment: segment)

    def add(self, batch: Batch, lags: Floats | None = None) -> Mask:
        """Count a batch; returns (n,) True for rows that some outlier detector holds as candidates.

        lags: (n,) seconds between prediction and label.
        """
        views = Views(batch, self.bundle.preprocessors)
        candidates = np.zeros(len(batch), dtype=bool)
        for spec in self.monitors:
            series = self.series[spec.name]
            if series in self.quarantined:
                self.failures.append(Failure(series, spec.name, "", len(batch)))
                continue
            self._in_hand = 0
            try:
                candidates |= self._add_monitor(spec, series, views, lags)
            except SegmentsUnknown:
                raise
            except NoInput as error:
                logger.debug("monitor %s: %s", spec.name, error)
                if self._source_stopped(spec):  # its rows are missing as well
                    self.failures.append(Failure(series, spec.name, "", len(batch)))
            except Exception as error:  # a stranger's component: its series stops, the others go on
                logger.exception("monitor %s raised and is quarantined", spec.name)
                self._drop(series, spec.name, f"{type(error).__name__}: {error}", len(batch))
        return candidates

    def _source_stopped(self, spec: MonitorSpec) -> bool:
        return spec.source is not None and self.series.get(spec.source) in self.quarantined

    def _drop(self, series: int, monitor: str, reason: str, rows: int) -> None:
        self.quarantined.add(series)
        lost = [self.deltas.pop(key) for key in list(self.deltas) if key[0] == series]
        before = sum(delta.labelled if self.labelled else delta.rows for delta in lost) - self._in_hand
        self.failures.append(Failure(series, monitor, reason, before + rows))

    def _add_monitor(self, spec: MonitorSpec, series: int, views: Views, lags: Floats | None) -> Mask:
        # until its label comes a row is only counted, also where the label is all that the monitor reads
        view = views.batch if spec.of == "labels" and not self.labelled else views.view(spec)
        candidates = np.zeros(len(view), dtype=bool)
        for segment, of_segment in _groups(segment_keys(view, spec.by)):
            name = self._segment(series, str(segment))
            part = _cut(view, of_segment)
            flags = self.bundle.metric(spec.name, spec.components[0].alias, name)
            scores = flags.detector.score_batch(part) if isinstance(flags, OutlierFlags) else None
            for tick, of_tick in _groups(ticks_of(part, spec.tick)):
                delta = self.deltas.setdefault((series, name, int(tick)), Delta())
                rows = _cut(part, of_tick)
                self._in_hand += len(rows)
                if self.labelled:
                    delta.labelled += len(rows)
                    delta.lag += 0.0 if lags is None else float(_cut(_cut(lags, of_segment), of_tick).sum())
                else:
                    delta.rows += len(rows)
                if not self.labelled and spec.name in self._waits:
                    self._add_predicted(delta, spec, name, rows)
                else:
                    self._add_rows(delta, spec, name, rows, None if scores is None else _cut(scores, of_tick))
            if isinstance(flags, OutlierFlags) and scores is not None:
                views.put_scores(spec.name, scores, of_segment)
                candidates[_where(of_segment)] = flags.candidates(scores)
        return candidates

    def _add_rows(self, delta: Delta, spec: MonitorSpec, segment: str, rows: Batch, scores: Floats | None) -> None:
        for part in spec.components:
            component = self.bundle.metric(spec.name, part.alias, segment)
            if component is None or not fits(component, rows):
                continue
            state = delta.states.get(part.alias)
            state = component.create() if state is None else state
            if isinstance(component, OutlierFlags) and scores is not None:
                delta.states[part.alias] = component.add_scored(state, rows, scores)
            elif isinstance(component, TwoStepMetric) and self.labelled:
                delta.states[part.alias] = component.add_labelled(state, rows)
            else:
                delta.states[part.alias] = component.add(state, rows)

    def _add_predicted(self, delta: Delta, spec: MonitorSpec, segment: str, rows: Batch) -> None:
        """Rows whose label has not come, for the components that count them."""
        for part in spec.components:
            component = self.bundle.metric(spec.name, part.alias, segment)
            if isinstance(component, TwoStepMetric) and fits(component, rows, labelled=True):
                state = delta.states.get(part.alias)
                delta.states[part.alias] = component.add_predicted(component.create() if state is None else state, rows)

    def _segment(self, series: int, wanted: str) -> str:
        if not wanted:
            return wanted
        key = (series, wanted)
        if key in self._segments:
            return self._segments[key]
        if series in self._full:
            return OTHER
        try:
            name = self._name_segment(series, wanted)
        except Exception as error:  # the store's fault, for which no component is to be quarantined
            raise SegmentsUnknown(f"segment {wanted!r}: {error}") from error
        if name == OTHER != wanted:
            self._full.add(series)  # whatever else comes is not asked for, nor remembered
        else:
            self._segments[key] = name
        return name

    def take(self) -> tuple[list[Pane], list[Failure]]:
        """The deltas as panes, and the failures; the accumulator is empty afterwards."""
        parts = [delta_pane(*key, delta) for key, delta in self.deltas.items()]
        failures = self.failures
        self.deltas, self.failures = {}, []
        return parts, failures


def delta_pane(series: int, segment: str, tick: int, delta: Delta) -> Pane:
    state = encode(delta.states) if delta.states else None
    return Pane(series, segment, tick, delta.rows, state, delta.labelled, delta.lag)


def needs_labels(bundle: Bundle, spec: MonitorSpec) -> bool:
    """Whether the monitor's rows are counted when labels come, rather than when predictions do."""
    if spec.of == "labels":
        return True
    components = [bundle.metric(spec.name, part.alias) for part in spec.components]
    return any(component is not None and component.tags.needs_labels for component in components)


def needs_annotations(bundle: Bundle, spec: MonitorSpec) -> bool:
    """Whether a label of a further annotator changes what the monitor has counted."""
    components = [bundle.metric(spec.name, part.alias) for part in spec.components]
    return any(component is not None and component.tags.needs_annotations for component in components)


def kept_columns(bundle: Bundle) -> tuple[str, ...]:
    """Inputs that are stored with the predictions: segments, keys of labels, what metrics of labels read by name."""
    names = {name for spec in bundle.plan.monitors for name in spec.by}
    if bundle.plan.labels.join != ID:
        names.add(bundle.plan.labels.join)
    for spec in bundle.plan.monitors:
        if needs_labels(bundle, spec):
            found = [bundle.metric(spec.name, part.alias) for part in spec.components]
            names |= {name for component in found if component is not None for name in component.kept_columns()}
    return tuple(sorted(names))


def _where(index: Any) -> Any:
    return slice(None) if index is None else index


def _cut(rows: Any, index: Any) -> Any:
    if index is None:
        return rows
    return rows.take(index) if isinstance(rows, Batch) else rows[index]


def ticks_of(batch: Batch, tick: float) -> NDArray[np.int64]:
    """(n,) tick numbers: floor(event time / tick)."""
    if batch.times is None:
        raise ValueError("a batch of traffic has event times")
    return np.floor(batch.times / tick).astype(np.int64)


def _groups(keys: NDArray[Any]) -> list[tuple[Any, Any]]:
    """(value, positions) of each distinct key; positions None where all rows have one."""
    if not len(keys):
        return []
    if (keys == keys[0]).all():
        return [(keys[0], None)]
    values, inverse = np.unique(keys, return_inverse=True)
    return [(value, np.flatnonzero(inverse == i)) for i, value in enumerate(values)]
