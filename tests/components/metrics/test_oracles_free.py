"""Metrics without labels: shards and merge equal one pass equal numpy and scipy, gaps and ties included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.components.metrics.oracles_free import EVERY, Case, Values, draw

from vedette.testing.lab import difference
from vedette_specs import Batch, Fittable, Result, ResultContext
from vedette_specs.codec import decode, encode

CTX = ResultContext()
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def flat(values: Values) -> dict[tuple[str, ...], Any]:
    """(name, column) -> number; what is not known in any column is one None."""
    out: dict[tuple[str, ...], Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and any(item is not None for item in value.values()):
            out |= {(name, key): item for key, item in value.items()}
        else:
            out[(name,)] = None if isinstance(value, Mapping) else value
    return out


def check(case: Case, result: Result, batch: Batch) -> None:
    got, wanted = flat(result.values), flat(case.oracle(batch))
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        if value is None:
            assert got[key] is None, key
        else:
            assert got[key] == pytest.approx(value, rel=case.tolerance, abs=case.tolerance), key


def same(case: Case, left: Result, right: Result) -> None:
    if found := difference(left.to_json(), right.to_json(), case.merged):
        pytest.fail(found)


@pytest.mark.parametrize("case", EVERY)
@FEW
@given(
    n=st.integers(0, 90),
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    ties=st.booleans(),
)
def test_merged_equals_one_pass_equals_the_oracle(case, n, seed, missing, ties, merged):
    batch = draw(n, seed, missing, ties)
    part = case.metric()
    whole = part.result(part.add(part.create(), batch), CTX)
    check(case, whole, batch)
    same(case, part.result(merged(part, batch, seed), CTX), whole)


@pytest.mark.parametrize("case", EVERY)
class TestEveryMetric:
    def test_nothing_known_is_not_zero(self, case):
        part = case.metric()
        for state in (part.create(), part.add(part.create(), draw(0, 0))):
            result = part.result(state, CTX)
            assert set(result.values.values()) == {None}
            assert result.status == "insufficient"
            assert result.n == 0

    def test_names_of_values_are_there_before_any_row(self, case):
        """Rules are checked against the values of no rows: a name that comes later would be refused."""
        part = case.metric()
        assert part.result(part.create(), CTX).values.keys() == part.compute(draw(60, 2)).values.keys()

    def test_state_goes_through_bytes(self, case):
        part = case.metric()
        state = part.add(part.create(), draw(50, 6, 0.1))
        assert part.result(decode(encode(state)), CTX) == part.result(state, CTX)


@pytest.mark.parametrize("case", [p for p in EVERY if isinstance(p.values[0].metric(), Fittable)])
def test_fitted_state_goes_through_bytes(case):
    from vedette.engine.fitted import pack_component, unpack_component

    part: Any = case.metric()
    restored: Any = unpack_component(part.clone(), decode(encode(pack_component(part))))
    rows = draw(50, 8, 0.1)
    assert restored.compute(rows).to_json() == part.compute(rows).to_json()
