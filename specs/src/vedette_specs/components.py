"""Base classes of everything that a plugin can add. See docs/plugins.md for how to write one."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from vedette_specs.batch import Batch
from vedette_specs.columns import Floats, Mask
from vedette_specs.convert import Tabular, as_batch
from vedette_specs.decisions import benjamini_hochberg, conformal_p_values
from vedette_specs.results import Event, Result, Verdict
from vedette_specs.schema import Kind, Schema

State = dict[str, Any]
"""Arrays, numbers, strings, bytes, lists and str-keyed dicts of these: what `codec.encode` takes."""
Memory = dict[str, Any]
Part = Literal["labels", "prediction", "probabilities"]


class NotFittedError(ValueError):
    """A component was used before `fit`."""


@dataclass(frozen=True)
class Tags:
    """What the engine and the conformance kit need to know of a component class.

    needs_inputs: reads inputs besides the prediction, probabilities or labels that it needs. Of a component that needs
    none of these it goes without saying.
    learns: parts of the reference that `fit` reads besides inputs: labels, prediction, probabilities.
    """

    modalities: tuple[Kind, ...] = ("numeric", "category", "text", "image", "embedding")
    needs_labels: bool = False
    needs_prediction: bool = False
    needs_probabilities: bool = False
    needs_inputs: bool = False
    learns: tuple[Part, ...] = ()
    needs_annotations: bool = False  # the labels of all annotators of a row, not of the first one only
    mergeable: bool = True
    deterministic: bool = True
    state_version: int = 1


@dataclass(frozen=True)
class ResultContext:
    """Where a result is computed: the same for every replica, so that the same state gives the same result."""

    window: str = ""
    segment: str = ""
    revision: int = 0
    start: float = 0.0
    end: float = 0.0
    seed: int = 0

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Tick:
    """A closed slice of event time [start, end); gap: seconds since the end of the last tick that had rows."""

    start: float
    end: float
    gap: float = 0.0
    seed: int = 0

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Folded:
    """What a change detector answers for a tick; `scores` are named series for charts and chained monitors."""

    memory: Memory
    result: Result
    scores: Mapping[str, float] = field(default_factory=dict)


class BaseComponent:
    """Options are the annotated keyword arguments of `__init__`, stored under their own names (scikit-learn's habit).

    Fitted state is every public attribute that ends in ``_``: arrays, JSON values or scikit-learn estimators.
    `tags` belong to the class; an instance may have its own in `vars(self)` where needs depend on options.
    """

    tags: ClassVar[Tags] = Tags()
    schema: Schema = Schema()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._option_names()}

    def set_params(self, **options: Any) -> Self:
        for name, value in options.items():
            if name not in self._option_names():
                raise ValueError(f"{type(self).__name__} has no option {name!r}; it has {self._option_names()}")
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        """A new, unfitted component with the same options, bound to the same schema."""
        return type(self)(**copy.deepcopy(self.get_params())).bind(self.schema)

    def bind(self, schema: Schema) -> Self:
        """Tell the component what the model looks like; the engine does this before anything else."""
        self.schema = schema
        return self

    def to_state(self) -> State:
        """Fitted attributes."""
        return {k: v for k, v in vars(self).items() if k.endswith("_") and not k.startswith("_")}

    def from_state(self, state: Mapping[str, Any]) -> Self:
        """Take the fitted attributes that `to_state` gave."""
        vars(self).update(state)
        return self

    def is_fitted(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def check_fitted(self) -> None:
        if not self.is_fitted():
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(reference) first")

    @classmethod
    def _option_names(cls) -> list[str]:
        if cls.__init__ is object.__init__:
            return []
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            raise TypeError(f"{cls.__name__}.__init__ names its options one by one: no *args or **kwargs")
        return [p.name for p in parameters]

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({options})"


class Fittable(BaseComponent, ABC):
    """A component that learns from the reference. Implement `fit_batch`."""

    feature_names_in_: list[str]

    def fit(self, reference: Batch | Tabular, schema: Schema | None = None) -> Self:
        """Learn from reference rows: a Batch, DataFrame, array (n, d), dict of columns or pyarrow Table."""
        batch = as_batch(reference, schema)
        if len(batch) == 0:
            raise ValueError(f"{type(self).__name__}.fit: the reference has no rows")
        self.bind(batch.schema)
        self.fit_batch(batch)
        self.feature_names_in_ = list(batch.inputs)
        return self

    @abstractmethod
    def fit_batch(self, reference: Batch) -> None:
        """Set the fitted attributes (names ending in ``_``)."""

    def rows(self, data: Batch | Tabular) -> Batch:
        """`data` as a batch like the reference's; raises ValueError naming the columns that are missing."""
        self.check_fitted()
        batch = as_batch(data, self.schema)
        if absent := [name for name in self.feature_names_in_ if name not in batch.inputs]:
            raise ValueError(f"{type(self).__name__}: columns {absent} are missing; fitted on {self.feature_names_in_}")
        return batch


class Metric(BaseComponent, ABC):
    """A commutative monoid of rows with a result: Beam's CombineFn, Flink's AggregateFunction.

    additive: entries of the state that are sums of weights over the rows: what a decaying window scales, so that rows
    count less as they age. Empty where no entry says how much a row counts (sketches, extremes): no decaying window.
    """

    additive: ClassVar[tuple[str, ...]] = ()

    def kept_columns(self) -> tuple[str, ...]:
        """Inputs that a metric of labels reads by name: the engine stores them, as attributes, until the label comes.

        Other inputs are not at hand then: `add` sees prediction, probabilities, labels and attributes.
        """
        return ()

    def create(self) -> State:
        """The neutral element."""
        return {}

    @abstractmethod
    def add(self, state: State, batch: Batch) -> State:
        """`state` with the rows of `batch` counted; vectorised. May reuse `state`, never changes `batch`."""

    @abstractmethod
    def merge(self, left: State, right: State) -> State:
        """Associative and commutative, with `create()` as neutral element. Changes neither argument."""

    @abstractmethod
    def result(self, state: State, ctx: ResultContext) -> Result:
        """The named values of a state; never changes it."""

    def scale(self, state: State, factor: float) -> State:
        """The state of the same rows, each of which counts `factor` times as much. Raises TypeError where none can."""
        if not self.additive:
            raise TypeError(f"{type(self).__name__}: its state does not say how much a row counts, so it cannot decay")
        return {key: _scaled(value, factor) if key in self.additive else value for key, value in state.items()}

    def compute(self, data: Batch | Tabular, schema: Schema | None = None, ctx: ResultContext | None = None) -> Result:
        """create + add + result in one go, for people."""
        batch = as_batch(data, schema or self.schema)
        return self.bind(batch.schema).result(self.add(self.create(), batch), ctx or ResultContext())


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, Mapping):
        return {key: _scaled(item, factor) for key, item in value.items()}
    return value * factor


class TwoStepMetric(Metric):
    """A metric of labels that also sees the rows that have none yet, or never will.

    The engine counts a row twice: when it is predicted, and when its label comes. A corrected label takes what labels
    have added out again, and adds those that are in force.
    """

    @abstractmethod
    def add_predicted(self, state: State, batch: Batch) -> State:
        """`state` with rows counted as predicted; their labels, if any, are not looked at."""

    @abstractmethod
    def add_labelled(self, state: State, batch: Batch) -> State:
        """`state` with the labels of rows that were counted as predicted before, or will be; all have one."""

    @abstractmethod
    def without_labels(self, state: State) -> State:
        """`state` as if no label had come. Never changes it."""

    def add(self, state: State, batch: Batch) -> State:
        state = self.add_predicted(state, batch)
        return state if batch.labels is None else self.add_labelled(state, batch.take(~batch.labels.missing()))


class DriftDetector(Metric, Fittable):
    """Compares the rows of a window with the reference. The state is mergeable like a metric's."""

    @abstractmethod
    def result(self, state: State, ctx: ResultContext) -> Verdict: ...

    def test(self, data: Batch | Tabular, ctx: ResultContext | None = None) -> Verdict:
        """The verdict on some rows: create + add + result in one go."""
        return self.result(self.add(self.create(), self.rows(data)), ctx or ResultContext())


class ChangeDetector(Metric, Fittable):
    """A sequential detector: rows are counted per tick like a metric's, and folded by one reducer in tick order."""

    @abstractmethod
    def start(self) -> Memory:
        """The memory before the first tick, and after an alarm."""

    @abstractmethod
    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        """The memory after `tick`. The result's values have `alarm` (1 or 0). Never changes its arguments."""

    def result(self, state: State, ctx: ResultContext) -> Result:
        """A fold from the start over one tick."""
        return self.fold(self.start(), state, Tick(ctx.start, ctx.end, seed=ctx.seed)).result


class OutlierDetector(Fittable):
    """Scores single rows: higher is stranger. A row's score depends on nothing but the row and the fit.

    `fit` splits the reference: two thirds (at most) train, the rest, up to `CALIBRATION` rows, calibrate the
    p-values ``(1 + #{calibration >= score}) / (n + 1)``, which are valid whatever the score is, as long as
    the rows are exchangeable with the reference.
    """

    CALIBRATION: ClassVar[int] = 5000
    random_state: int = 0
    calibration_: Floats

    def fit(self, reference: Batch | Tabular, schema: Schema | None = None) -> Self:
        batch = as_batch(reference, schema)
        if len(batch) < 2:
            raise ValueError(f"{type(self).__name__}.fit: {len(batch)} reference rows cannot be split in two")
        order = np.random.default_rng(self.random_state).permutation(len(batch))
        held = min(self.CALIBRATION, max(1, len(batch) // 3))
        super().fit(batch.take(np.sort(order[held:])))
        scores = self.score_batch(batch.take(np.sort(order[:held])))
        self.calibration_ = np.sort(scores[~np.isnan(scores)])  # one that has no score is not stranger than any other
        return self

    @abstractmethod
    def score_batch(self, batch: Batch) -> Floats:
        """(n,) scores; pure. A row that cannot be scored (all missing) gets NaN."""

    def outlier_scores(self, data: Batch | Tabular) -> Floats:
        """(n,) outlier scores, higher is stranger."""
        return self.score_batch(self.rows(data))

    def p_values(self, data: Batch | Tabular) -> Floats:
        """(n,) conformal p-values; NaN scores get 1."""
        return conformal_p_values(self.outlier_scores(data), self.calibration_)

    def flags(self, data: Batch | Tabular, fdr: float = 0.1) -> Mask:
        """(n,) True for outliers: Benjamini-Hochberg over these rows at false discovery rate `fdr`."""
        return benjamini_hochberg(self.p_values(data), fdr)


class Preprocessor(Fittable):
    """Turns a batch into another with the same rows; runs once per batch for all monitors that name it."""

    @abstractmethod
    def transform_batch(self, batch: Batch) -> Batch:
        """The batch with other input columns. Pure."""

    def transform(self, data: Batch | Tabular) -> Batch:
        return self.transform_batch(self.rows(data))


class Sink(BaseComponent, ABC):
    """Takes events out: at least once, in order per alert."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Deliver; idempotent by `event.id`. Raises where it failed: it is tried again later."""

    def close(self) -> None:
        """Release what is held. The base class holds nothing."""


class BatchSink(Sink):
    """A sink to which many events cost no more than one."""

    @abstractmethod
    def emit_many(self, events: Sequence[Event]) -> None:
        """Deliver all of them, those of a monitor and segment in their order; idempotent by `event.id`. Raises where it
        failed: each is then given to `emit`, so that one that cannot be delivered holds up no other."""

    def emit(self, event: Event) -> None:
        self.emit_many([event])
