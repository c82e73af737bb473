"""`mlflow.models.evaluate(..., evaluators="vedette")` against a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.mlflow.tracking import CHAMPION, Tracking, mlflow, quiet, tracking_of

import vedette
from vedette.config import ConfigError
from vedette_mlflow.evaluating import BadEvaluation
from vedette_mlflow.evaluator import Evaluator
from vedette_mlflow.models import resolve

MONITORS = """
monitors:
  quality: {metrics: [missing_rate]}
  performance: {metrics: [accuracy, roc_auc], window: 7d}
  by_size: {metrics: [accuracy], window: 7d, by: size}
  drift: {detect: tabular, window: 100 rows}
  outliers: {detect: isolation_forest}
"""


def evaluate(data: Any, config: Path, model: Any = CHAMPION, **more: Any) -> Any:
    options = {"model_type": "classifier", "targets": "diagnosis", **more}
    with quiet():
        return mlflow.models.evaluate(
            model, data, evaluators="vedette", evaluator_config={"config": str(config)}, **options
        )


@pytest.fixture(scope="module")
def shifted(registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tracking, Any, Path]]:
    """An evaluation of rows whose radius has grown, and one that cannot be."""
    folder = tmp_path_factory.mktemp("evaluator")
    with tracking_of(registry.folder) as tracking:
        frame = tracking.frame()
        frame["mean radius"] += 3
        frame.loc[7, "mean radius"] = 500.0
        config = tracking.yaml(folder, MONITORS)
        yield tracking, evaluate(frame, config), config


def test_metrics_are_those_of_the_run_and_of_the_aliased_model(shifted: tuple[Tracking, Any, Path]) -> None:
    tracking, found, _ = shifted
    data = tracking.client.get_run(found.run_id).data
    assert data.metrics == pytest.approx(found.metrics)
    model = resolve(CHAMPION).model_id
    linked = {m.key: m for m in tracking.client.get_logged_model(model).metrics if m.run_id == found.run_id}
    assert set(linked) == set(found.metrics), "MLflow itself would link nothing to a model of an alias"
    assert {m.dataset_digest for m in linked.values()} != {None}


def test_what_has_shifted_is_found(shifted: tuple[Tracking, Any, Path]) -> None:
    metrics = shifted[1].metrics
    assert metrics["drift/drifted"] == 1.0
    assert metrics["drift/features_drifted"] == 1.0
    assert metrics["drift/feature_p_value/mean_radius"] < 1e-10 < metrics["drift/feature_p_value/size"]
    assert metrics["quality/missing_rate/mean_radius"] == 0.0
    assert metrics["drift/n"] == metrics["performance/n"] == 569.0, "all rows, whatever the window of serving is"
    assert set(metrics) >= {f"by_size/size_{size}/accuracy" for size in ("small", "medium", "large")}


def test_label_metrics_are_those_of_the_model_and_of_a_session(
    shifted: tuple[Tracking, Any, Path], tmp_path: Path
) -> None:
    tracking, found, config = shifted
    frame = tracking.frame()
    frame["mean radius"] += 3
    frame.loc[7, "mean radius"] = 500.0
    inputs, labels = frame.drop(columns="diagnosis"), frame["diagnosis"]
    with quiet():
        model = mlflow.sklearn.load_model(CHAMPION)
    predicted, chances = model.predict(inputs), model.predict_proba(inputs)
    assert found.metrics["performance/accuracy"] == pytest.approx((predicted == labels).mean(), abs=1e-12)
    with vedette.Session(config, store=f"sqlite:///{tmp_path}/s.db", event_time=True) as session:
        ids = session.log(inputs, prediction=predicted, probabilities=chances, time=np.full(len(frame), 0.5))
        session.feedback(ids, labels)
        session.finish()
        rate = list(session.results("outliers"))[-1]["values"]
        area = list(session.results("performance"))[-1]["values"]["roc_auc"]
    assert found.metrics["outliers/flagged"] == rate["flagged"]
    assert found.metrics["outliers/score_mean"] == pytest.approx(rate["score_mean"], abs=1e-9)
    assert found.metrics["performance/roc_auc"] == pytest.approx(area, abs=1e-9)


def test_results_and_plots_are_artifacts(shifted: tuple[Tracking, Any, Path], tmp_path: Path) -> None:
    tracking, found, _ = shifted
    folder = Path(tracking.client.download_artifacts(found.run_id, "vedette", str(tmp_path)))
    names = {path.name for path in folder.iterdir()}
    assert names >= {"results.json", "drift.png", "performance.png", "by_size-size_large.png", "quality.png"}
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith(".png"))
    body = json.loads((folder / "results.json").read_text())
    assert {item["monitor"] for item in body["results"]} == {"quality", "performance", "by_size", "drift", "outliers"}
    assert found.artifacts["vedette_results"].content == body
    assert found.artifacts["vedette_drift"].content.size[0] > 300


def test_it_takes_part_only_where_it_is_given_a_configuration() -> None:
    assert not Evaluator.can_evaluate(model_type="classifier", evaluator_config={})
    assert not Evaluator.can_evaluate(model_type="classifier", evaluator_config=None)
    assert not Evaluator.can_evaluate(model_type="classifier", evaluator_config={"explainability_nsamples": 3})
    assert Evaluator.can_evaluate(model_type="regressor", evaluator_config={"config": "monitors.yaml"})


def test_others_evaluate_as_before_where_nobody_asks_for_it(tracking: Tracking) -> None:
    with quiet():
        found = mlflow.models.evaluate(
            None, tracking.frame().assign(predicted="benign"), targets="diagnosis", predictions="predicted",
            model_type="classifier", evaluator_config={"log_explainer": False, "log_model_explainability": False},
        )  # fmt: skip
    assert "accuracy_score" in found.metrics
    assert not any("/" in name for name in found.metrics)


def test_predictions_of_a_table_and_a_given_model_id(tracking: Tracking, tmp_path: Path) -> None:
    """Without a model; MLflow logs the metrics itself, and each once."""
    frame = tracking.frame()
    frame["predicted"] = np.where(frame["mean radius"] > 15, "malignant", "benign")
    config = tracking.yaml(tmp_path, "monitors: {performance: {metrics: [accuracy], window: 7d}}")
    model = resolve(CHAMPION).model_id
    found = evaluate(frame, config, None, predictions="predicted", model_id=model)
    assert found.metrics["performance/accuracy"] == pytest.approx((frame["predicted"] == frame["diagnosis"]).mean())
    history = tracking.client.get_metric_history(found.run_id, "performance/accuracy")
    assert len(history) == 1
    linked = [m for m in tracking.client.get_logged_model(model).metrics if m.run_id == found.run_id]
    assert {m.key for m in linked} == set(found.metrics)


def test_what_cannot_be_fitted_has_its_place(tracking: Tracking, tmp_path: Path) -> None:
    """All faults, where they stand in the file, as `vedette check` says them."""
    wrong = "monitors:\n  a: {metrics: [accuracy], window: 7d, alert: {when: acuracy < 1}}\n"
    wrong += "  b: {metrics: [accuracy], window: 7d, alert: {when: roc < 1}}\n"
    config = tracking.yaml(tmp_path, wrong)
    first = config.read_text().splitlines().index("monitors:") + 2
    with pytest.raises(ConfigError) as caught:
        evaluate(tracking.frame().assign(predicted="benign"), config, None, predictions="predicted")
    assert [(fault.file, fault.line) for fault in caught.value.faults] == [
        (str(config), first),
        (str(config), first + 1),
    ]
    assert "did you mean 'accuracy'?" in str(caught.value)


def test_what_does_not_fit_is_named(tracking: Tracking, tmp_path: Path) -> None:
    config = tracking.yaml(tmp_path, "monitors: {performance: {metrics: [accuracy], window: 7d}}")
    frame = tracking.frame().assign(predicted="benign")
    with pytest.raises(BadEvaluation, match=r"data: column 'mean radius' is missing"):
        evaluate(frame.drop(columns="mean radius"), config, None, predictions="predicted")
    with pytest.raises(BadEvaluation, match=r"targets: 'unclear' is no class; allowed: benign, malignant"):
        evaluate(frame.assign(diagnosis="unclear"), config, None, predictions="predicted")
    with pytest.raises(ValueError, match=r"evaluator_config\.colums: is not known; did you mean 'columns'\?"), quiet():
        mlflow.models.evaluate(
            None, frame, targets="diagnosis", predictions="predicted", model_type="classifier",
            evaluators="vedette", evaluator_config={"config": str(config), "colums": 3},
        )  # fmt: skip
