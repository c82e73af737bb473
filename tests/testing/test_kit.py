"""The kit notices what it is there to notice, and says what it found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import broken_components as broken
import numpy as np
import pytest

from vedette.testing import (
    CHECKS,
    CheckFailed,
    ConformanceError,
    Lab,
    MadeUpModel,
    Subject,
    binary_classification,
    check_component,
    checks_for,
    drop_values,
    multiclass_classification,
    parametrize_components,
    regression,
    run,
    spoil,
)
from vedette.testing.lab import difference, json_text
from vedette_specs import Sink

HEAVY = "import_is_light"  # broken by a module of its own, below
RAISING = {
    "takes_no_rows": ZeroDivisionError,
    "fit_takes_missing_values": ValueError,
    "state_survives_bytes": ValueError,
}


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    before = threading.active_count()
    yield
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)


def subject(component) -> Subject:
    return Subject(component, delivered=lambda: broken.Keeping.delivered if isinstance(component, Sink) else [])


def test_every_check_has_a_component_that_fails_it() -> None:
    assert set(broken.BROKEN) | {HEAVY} == set(CHECKS)


@pytest.mark.parametrize("name", sorted(broken.BROKEN))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_broken_fail(name: str) -> None:
    (bound,) = [bound for bound in checks_for(subject(broken.BROKEN[name])) if bound.check.name == name]
    with pytest.raises(Exception) as caught:
        bound()
    assert isinstance(caught.value, RAISING.get(name, CheckFailed))
    assert str(caught.value)


@pytest.mark.parametrize("cls", [broken.Count, broken.Clipper, broken.Keeping, broken.KeepingMany])
def test_what_they_derive_from_is_sound(cls: type) -> None:
    outcomes = check_component(subject(cls()))
    assert set(outcomes.values()) == {"passed"}


def test_heavy_imports_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "acme_heavy.py").write_text(
        "import torch\nfrom vedette.components.sinks.log import Log\nclass L(Log): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import acme_heavy

    with pytest.raises(ConformanceError, match="importing acme_heavy imports torch; import it where it is used"):
        check_component(acme_heavy.L())


def test_all_failures_are_told_at_once() -> None:
    with pytest.raises(ConformanceError, match="Left fails 2 checks") as caught:
        check_component(broken.Left)
    assert set(caught.value.failures) == {"merge_is_commutative", "batching_does_not_matter"}
    assert "merge(a, b) is not merge(b, a): values.sum: " in caught.value.failures["merge_is_commutative"]


def test_expected_failures_are_no_failures() -> None:
    outcomes = check_component(
        broken.Hoarding, expected_failures={"memory_is_bounded": "the exact median keeps all rows"}
    )
    assert outcomes["memory_is_bounded"] == "expected: the exact median keeps all rows"
    assert outcomes["merge_is_associative"] == "passed"


def test_an_expected_failure_that_passes_is_one() -> None:
    with pytest.raises(ConformanceError, match="memory_is_bounded: passes, but is expected to fail: it grows"):
        check_component(broken.Count, expected_failures={"memory_is_bounded": "it grows"})


def test_an_unknown_expected_failure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected_failures: \['memory_bounded'\] are no checks of Count"):
        check_component(broken.Count, expected_failures={"memory_bounded": "x"})


def test_the_other_end_of_a_sink_may_be_out_of_sight() -> None:
    outcomes = check_component(broken.Keeping())
    assert outcomes["an_event_is_delivered_once"].startswith("skipped: nobody can look")


@parametrize_components(
    [
        Subject(broken.Hoarding(), expected_failures={"memory_is_bounded": "the exact median keeps all rows"}),
        broken.Count,
    ]
)
def test_under_pytest(check) -> None:
    run(check)


def test_parametrize_marks_expected_failures() -> None:
    decorator = parametrize_components([broken.Count], expected_failures={"takes_no_rows": "because"})
    names, parameters = decorator.args
    assert names == "check"
    marked = {p.id: p.marks for p in parameters}
    (mark,) = marked["Count-takes_no_rows"]
    assert (mark.name, mark.kwargs) == ("xfail", {"reason": "because", "strict": True})
    assert list(marked["Count-memory_is_bounded"]) == []


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, None),
        ({"a": 1.0}, {"a": 1.1}, "a: 1.0 against 1.1"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b: 2 against 3"),
        ({"a": 1}, {"b": 1}, "value: keys ['a'] against ['b']"),
        ([1], [1, 2], "value: 1 items against 2"),
        ({"a": None}, {"a": 0.0}, "a: None against 0.0"),
        (True, 1.0, None),
        (float("nan"), float("nan"), None),
        (float("inf"), 1e300, "value: inf against 1e+300"),
        ("x", "y", "value: 'x' against 'y'"),
    ],
)
def test_differences_are_placed(left, right, told) -> None:
    assert difference(left, right, 1e-9) == told


def test_json_is_strict() -> None:
    assert json_text({"b": 1, "a": None}) == '{"a": null, "b": 1}'
    for value in (float("nan"), np.float32(1.0), {1, 2}):
        with pytest.raises(CheckFailed, match="the answer is not JSON"):
            json_text(value)


@pytest.mark.parametrize("make", [binary_classification, multiclass_classification, regression])
def test_made_up_rows_are_reproducible_and_whole(make) -> None:
    rows = make(500, seed=3)
    assert rows.to_bytes() == make(500, seed=3).to_bytes()
    assert rows.to_bytes() != make(500, seed=4).to_bytes()
    assert len(rows) == 500
    assert list(rows.inputs) == list(rows.schema.features)
    assert len(set(rows.ids.tolist())) == 500
    assert rows.labels is not None
    assert rows.prediction is not None


def test_the_made_up_model_is_better_than_chance_and_calibrated() -> None:
    rows = binary_classification(20_000)
    p, yes = rows.probabilities[:, 1], rows.labels.values == 1
    assert abs(p.mean() - yes.mean()) < 0.01
    for low in (0.1, 0.4, 0.7):
        inside = (p >= low) & (p < low + 0.2)
        assert abs(p[inside].mean() - yes[inside].mean()) < 0.05
    assert (rows.prediction.values == rows.labels.values).mean() > 0.7


def test_a_shift_is_in_standard_deviations() -> None:
    usual, moved = binary_classification(20_000), binary_classification(20_000, shift=1.0)
    for name in ("age", "hours"):
        a, b = usual.inputs[name].values, moved.inputs[name].values
        assert (b.mean() - a.mean()) / a.std() == pytest.approx(1.0, abs=0.05)


def test_spoiled_rows_have_everything_that_production_sends() -> None:
    rows = spoil(binary_classification(2000))
    ages = rows.inputs["age"].values
    assert np.isnan(ages).any()
    assert np.isposinf(ages).any()
    assert np.isneginf(ages).any()
    assert (np.abs(ages) == 1e300).any()
    sectors = rows.inputs["sector"]
    assert "never seen before" in sectors.categories
    assert (sectors.values == -1).any()
    assert np.isfinite(MadeUpModel("binary").predict(rows)).all()


def test_dropped_values_are_a_share() -> None:
    rows = drop_values(binary_classification(5000), 0.2)
    assert rows.inputs["hours"].missing().mean() == pytest.approx(0.2, abs=0.02)
    assert rows.inputs["sector"].missing().mean() == pytest.approx(0.2, abs=0.02)


def test_a_component_of_embeddings_gets_embeddings() -> None:
    from vedette_specs import Tags

    class OnEmbeddings(broken.Count):
        tags = Tags(modalities=("embedding", "image"))

    rows = Lab(Subject(OnEmbeddings())).traffic(10)
    assert {column.kind for column in rows.inputs.values()} == {"embedding"}
    assert rows.inputs["embedding"].values.shape == (10, 8)
