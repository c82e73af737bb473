"""The contract between Vedette and its plugins: data, results, component base classes and hooks."""

from vedette_specs.batch import Batch, concat
from vedette_specs.columns import Column, Floats, Mask, category, make_column, numeric, tensor, text
from vedette_specs.components import (
    BaseComponent,
    BatchSink,
    ChangeDetector,
    DriftDetector,
    Fittable,
    Folded,
    Memory,
    Metric,
    NotFittedError,
    OutlierDetector,
    Preprocessor,
    ResultContext,
    Sink,
    State,
    Tags,
    Tick,
    TwoStepMetric,
)
from vedette_specs.convert import as_batch
from vedette_specs.explainers import Answer, Ask, BudgetExhausted, ExplainContext, Explainer, Predict, Steps
from vedette_specs.hooks import Component, FoundModel, hookimpl, hookspec
from vedette_specs.results import Alert, Event, Explanation, FeatureVerdict, Result, Value, Verdict
from vedette_specs.schema import Schema

__all__ = [
    "Alert", "Answer", "Ask", "BaseComponent", "Batch", "BatchSink", "BudgetExhausted", "ChangeDetector", "Column",
    "Component", "DriftDetector", "Event", "ExplainContext", "Explainer", "Explanation", "FeatureVerdict", "Fittable",
    "Floats", "Folded", "FoundModel", "Mask", "Memory", "Metric", "NotFittedError", "OutlierDetector", "Predict",
    "Preprocessor", "Result", "ResultContext", "Schema", "Sink", "State", "Steps", "Tags", "Tick", "TwoStepMetric",
    "Value", "Verdict", "as_batch", "category", "concat", "hookimpl", "hookspec", "make_column", "numeric", "tensor",
    "text",
]  # fmt: skip
