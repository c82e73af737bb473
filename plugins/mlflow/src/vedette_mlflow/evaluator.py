"""The evaluator `vedette` of `mlflow.models.evaluate`: drift, outliers and label metrics of the evaluated data."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.models.evaluation import EvaluationResult, ModelEvaluator

from vedette.plugins.errors import did_you_mean
from vedette_mlflow.inside import evaluation_artifact
from vedette_mlflow.naming import metrics_of

if TYPE_CHECKING:
    from vedette_mlflow.evaluating import Evaluated

log = logging.getLogger("vedette.mlflow")
KEYS = ("config", "columns")
FOLDER = "vedette"
COLUMNS = 100


class Evaluator(ModelEvaluator):
    """evaluator_config: `config`: a monitors.yaml, or a list of files laid on each other.

    columns: of values by column, so many become metrics (100).
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: Mapping[str, Any] | None, **_: Any) -> bool:
        """Every installed evaluator is asked: only who gives us a configuration wants us."""
        return bool((evaluator_config or {}).get("config"))

    def evaluate(
        self, *, model_type: str, dataset: Any, run_id: str, evaluator_config: Mapping[str, Any],
        model: Any = None, model_id: str | None = None, predictions: str | None = None, **_: Any,
    ) -> Any:  # fmt: skip
        """Raises ConfigError or BadEvaluation, which name what is wrong."""
        from vedette.config.loading import load_all
        from vedette.engine.bundle_faults import placed
        from vedette.plugins import get_registry
        from vedette_mlflow.evaluating import answers_of, batch_of, evaluate

        check_options(evaluator_config)
        loaded = load_all(_paths(evaluator_config["config"]), registry=get_registry())
        schema = loaded.plan.schema
        by = tuple({name: None for spec in loaded.plan.monitors for name in spec.by})
        if model is not None:
            answers = answers_of(model, dataset.features_data, schema, predictions)
        else:
            answers = given_answers(dataset.predictions_data, schema)
        labels = dataset.labels_data if dataset.has_targets else None
        rows = batch_of(dataset.features_data, labels, answers, schema, by)
        with placed(loaded):
            found = evaluate(loaded.plan, loaded.reference, rows)
        metrics = metrics_of_all(found, int(evaluator_config.get("columns", COLUMNS)))
        self._log(run_id, metrics, dataset, model_id, getattr(model, "model_id", None))
        result: Any = EvaluationResult  # which has no types
        return result(metrics=metrics, artifacts=artifacts(run_id, found), run_id=run_id)

    def _log(self, run_id: str, metrics: Mapping[str, float], dataset: Any, given: str | None, own: str | None) -> None:
        """Link the metrics to the model of an alias, which MLflow does not look up; else it logs them itself."""
        if given is not None:
            return
        now = _now()
        link: dict[str, Any] = {"model_id": own, "dataset_name": dataset.name, "dataset_digest": dataset.digest}
        values = [Metric(name, value, now, 0, run_id=run_id, **link) for name, value in metrics.items()]
        for start in range(0, len(values), 1000):
            MlflowClient().log_batch(run_id, metrics=values[start : start + 1000])


def check_options(config: Mapping[str, Any]) -> None:
    """ValueError for a key that looks like one of ours; others' keys may stand in a flat mapping for all evaluators."""
    for key in config:
        if key not in KEYS and (hint := did_you_mean(key, KEYS)):
            raise ValueError(f"evaluator_config.{key}: is not known{hint}")
    columns = config.get("columns", COLUMNS)
    if not isinstance(columns, int) or isinstance(columns, bool) or columns < 0:
        raise ValueError(f"evaluator_config.columns: {columns!r} is not a whole number from 0")


def given_answers(predictions: Any, schema: Any) -> tuple[Any, Any]:
    """Of a dataset with a column of predictions, evaluated without a model."""
    if predictions is None:
        return None, None
    from vedette.engine.capture.answers import read_answers

    return read_answers(predictions, len(predictions), schema, "predictions")


def metrics_of_all(found: Evaluated, columns: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for result in found.results:
        metrics |= metrics_of(result, columns, window=False)
    return metrics


def artifacts(run_id: str, found: Evaluated) -> dict[str, Any]:
    """Log results and plots; artifact name -> what MLflow shows of it."""
    from vedette_mlflow.plots import save_plots

    client = MlflowClient()
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="vedette-evaluation-") as name:
        folder = Path(name)
        body = {"results": found.results, "alerts": found.alerts, "reference": found.reference, "bundle": found.digest}
        (folder / "results.json").write_text(json.dumps(body, default=str), encoding="utf-8")
        plots = save_plots(found, folder)
        client.log_artifacts(run_id, str(folder), FOLDER)
        made["vedette_results"] = _artifact("Json", client, run_id, folder / "results.json")
        for path in plots:
            made[f"vedette_{path.stem}"] = _artifact("Image", client, run_id, path)
    return made


def _artifact(kind: Literal["Image", "Json"], client: MlflowClient, run_id: str, path: Path) -> Any:
    uri = client.get_run(run_id).info.artifact_uri
    return evaluation_artifact(kind, f"{uri}/{FOLDER}/{path.name}", path)


def _paths(config: Any) -> list[Path]:
    paths = [config] if isinstance(config, str | Path) else list(config)
    return [Path(path) for path in paths]


def _now() -> int:
    import time

    return int(time.time() * 1000)
