"""performance_change: its parts add up, equal what other metrics say, and go to the cause that there was."""

from __future__ import annotations

import numpy as np
import pytest
from tests.components.metrics.populations import inputs_shifted
from tests.components.metrics.test_estimated_session import FAST, HEAD, START, frame

import vedette
from vedette.testing.lab import difference
from vedette_specs import Column, ResultContext

NAMES = ["accuracy", "recall", "roc_auc"]
CTX = ResultContext()


def fitted(seed=0, n=4000):
    return vedette.make("performance_change", estimate=NAMES).fit(inputs_shifted(np.random.default_rng(seed), n))


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


def flipped(batch, share, seed=1):
    """Labels that have changed for a share of the rows, whatever their inputs are: concept drift alone."""
    turn = np.random.default_rng(seed).random(len(batch)) < share
    codes = np.where(turn, 1 - batch.labels.values, batch.labels.values)
    return batch.replace(labels=Column("category", codes.astype(np.int32), batch.labels.categories))


def test_parts_add_up_and_are_what_other_metrics_say():
    window = inputs_shifted(np.random.default_rng(3), 3000, 0.8)
    values = result_of(fitted(), window).values
    expected = vedette.make("pape", estimate=NAMES).fit(inputs_shifted(np.random.default_rng(0), 4000))
    foreseen = result_of(expected, window).values
    for name in NAMES:
        change = values[name] - values[f"{name}_reference"]
        assert values[f"{name}_covariate"] + values[f"{name}_concept"] == pytest.approx(change, abs=1e-12)
        assert values[f"{name}_concept"] == pytest.approx(values[name] - foreseen[name], abs=1e-12)
        realised = vedette.make(name).compute(window).values[name]
        assert values[name] == pytest.approx(realised, abs=2e-3 if name == "roc_auc" else 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_shards_say_what_one_pass_says(seed, merged):
    part, window = fitted(), inputs_shifted(np.random.default_rng(seed + 9), 700, 0.5)
    whole, split = result_of(part, window), part.result(merged(part, window, seed), CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-9) is None


@pytest.mark.parametrize(("shift", "flips"), [(0.0, 0.0), (1.5, 0.0), (0.0, 0.15), (1.5, 0.15)])
def test_the_cause_is_told(shift, flips):
    """Over windows of 3000 rows: x2 moves, which the model does not see, or labels of equal inputs change."""
    part, found = fitted(n=8000), []
    for seed in range(8):
        window = flipped(inputs_shifted(np.random.default_rng(50 + seed), 3000, shift), flips, seed)
        values = result_of(part, window).values
        found.append((values["accuracy_covariate"], values["accuracy_concept"]))
    covariate, concept = np.mean(found, axis=0)
    many = inputs_shifted(np.random.default_rng(7), 200_000, shift)
    before = part.reference_["realised"]["accuracy"]
    of_inputs = vedette.make("accuracy").compute(many).values["accuracy"] - before
    of_labels = vedette.make("accuracy").compute(flipped(many, flips)).values["accuracy"] - before - of_inputs
    assert covariate == pytest.approx(of_inputs, abs=0.015)
    assert concept == pytest.approx(of_labels, abs=0.015)


def test_rows_without_labels_are_left_out():
    window = inputs_shifted(np.random.default_rng(4), 400)
    codes = window.labels.values.copy()
    codes[::2] = -1
    some = window.replace(labels=Column("category", codes, window.labels.categories))
    result = result_of(fitted(), some)
    assert (result.n, result.details["left_out"]) == (200, 200)
    nothing = part_of_none().values
    assert nothing["accuracy"] is None
    assert nothing["accuracy_concept"] is None


def part_of_none():
    part = fitted()
    return part.result(part.create(), CTX)


def test_a_confusion_matrix_is_refused():
    with pytest.raises(ValueError, match="a confusion_matrix is not split"):
        vedette.make("performance_change", estimate="confusion_matrix")


def test_inputs_are_kept_until_labels_come(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame(3000, 0).to_parquet(tmp_path / "reference.parquet")
    split = "monitors: {split: {metrics: [{use: performance_change, estimate: accuracy}], window: lifetime}}\n"
    (tmp_path / "m.yaml").write_text(HEAD + split + "labels: {coverage: 0.5}\n")
    rows = frame(2000, 1)
    inputs = rows[["x0", "x1", "x2"]] + [0.0, 0.0, 1.0]
    with vedette.Session("m.yaml", event_time=True, settings=FAST) as session:
        ids = session.log(inputs, probabilities=rows[["p_no", "p_yes"]].to_numpy(), time=START + np.arange(2000) / 100)
        session.feedback(ids, rows["y"].tolist())
        session.finish()
        found = session.results("split")[-1]
    assert found["n"] == 2000
    assert found["values"]["accuracy"] is not None
    assert found["details"]["performance_change"]["weighted"], "the shift of an input that was kept is seen"
