"""tabular: the right test for each kind, one correction over all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vedette.components.drift.chi2 import Chi2
from vedette.components.drift.ks import KS
from vedette.components.drift.tabular import Tabular
from vedette_specs import Batch, ResultContext, category, numeric, tensor, text
from vedette_specs.codec import decode, encode

CTX = ResultContext()


def mixed(rng: np.random.Generator, n: int, shift: float = 0.0, blank: float = 0.0, odd: float = 0.5) -> Batch:
    words = [None if rng.random() < blank else "some words" for _ in range(n)]
    return Batch(
        {
            "age": numeric(rng.normal(40 + 10 * shift, 10, n)),
            "work": category(rng.choice(["a", "b"], n, p=[1 - odd, odd]).tolist()),
            "note": text(words),
            "vector": tensor("embedding", rng.normal(size=(n, 3))),
            "gain": numeric(np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))),
        }
    )


def test_every_column_gets_its_test():
    rng = np.random.default_rng(0)
    reference, window = mixed(rng, 1000, blank=0.2), mixed(rng, 400, blank=0.2)
    verdict = Tabular().fit(reference).test(window)
    assert {f.feature: f.test for f in verdict.features} == {
        "age": "ks", "gain": "ks", "gain:missing": "missing", "work": "chi2", "note:missing": "missing",
    }  # fmt: skip
    assert verdict.drifted is False
    alone = {f.feature: f.p_value for d in (KS(), Chi2()) for f in d.fit(reference).test(window).features}
    for feature in verdict.features:
        assert alone.get(feature.feature, feature.p_value) == feature.p_value
    p = np.array([f.p_value for f in verdict.features])
    assert verdict.p_value == pytest.approx(stats.false_discovery_control(p).min())


@pytest.mark.parametrize(
    ("change", "feature"), [({"shift": 0.5}, "age"), ({"odd": 0.7}, "work"), ({"blank": 0.2}, "note:missing")]
)
def test_each_kind_of_drift_is_found_and_named(change, feature):
    rng = np.random.default_rng(1)
    verdict = Tabular().fit(mixed(rng, 2000)).test(mixed(rng, 1000, **change))
    assert [f.feature for f in verdict.features if f.drifted] == [feature]
    assert verdict.drifted is True


def test_merged_equals_one_pass(merged):
    rng = np.random.default_rng(2)
    tabular = Tabular().fit(mixed(rng, 800))
    window = mixed(rng, 700, shift=0.1, blank=0.05)
    assert tabular.result(merged(tabular, window, shards=5), CTX) == tabular.test(window)


def test_fitted_state_survives_bytes():
    rng = np.random.default_rng(3)
    tabular = Tabular(alpha=0.05, columns=["age", "work"]).fit(mixed(rng, 500))
    state = decode(encode(tabular.to_state()))
    again = Tabular(alpha=0.05, columns=["age", "work"]).from_state(state)
    window = mixed(rng, 300)
    assert again.is_fitted()
    assert again.feature_names_in_ == tabular.feature_names_in_
    assert again.test(window) == tabular.test(window)


def test_options_reach_the_parts():
    rng = np.random.default_rng(4)
    tabular = Tabular(columns=["age", "work"], max_reference=50, max_categories=1).fit(mixed(rng, 500))
    assert [f.feature for f in tabular.test(mixed(rng, 100)).features] == ["age", "work"]
    assert tabular.clone().get_params() == tabular.get_params()
    assert not tabular.clone().is_fitted()
    with pytest.raises(ValueError, match="column 'nope'"):
        Tabular(columns=["nope"]).fit(mixed(rng, 50))
    with pytest.raises(ValueError, match="max_reference"):
        Tabular(max_reference=1)


def test_too_few_rows_and_no_rows():
    rng = np.random.default_rng(5)
    tabular = Tabular().fit(mixed(rng, 500))
    assert tabular.test(mixed(rng, 10)).drifted is None
    assert tabular.test(mixed(rng, 10).take(slice(0, 0))).status == "insufficient"
    assert tabular.result(tabular.create(), CTX).status == "insufficient"


def test_columns_of_one_kind_only():
    rng = np.random.default_rng(6)
    for column in (numeric(rng.normal(size=200)), category(["a", "b"] * 100)):
        batch = Batch({"x": column})
        verdict = Tabular().fit(batch).test(batch)
        assert verdict.drifted is False
        assert len(verdict.features) == 1


def test_false_alarms_small():
    rng = np.random.default_rng(7)
    alarms = [Tabular(alpha=0.05).fit(mixed(rng, 500)).test(mixed(rng, 250)).drifted for _ in range(200)]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
