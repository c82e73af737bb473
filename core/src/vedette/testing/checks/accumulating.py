"""What metrics, drift and change detectors keep: a commutative monoid of rows, whatever replica saw which row."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from vedette.testing.checks._table import check
from vedette.testing.lab import CONTEXT, Lab, pieces, require, same, size, through_bytes
from vedette_specs import Batch, ChangeDetector, Metric, State, TwoStepMetric

SIZES = (100, 1, 250, 49)
SLACK = 64 << 10  # bytes that any state may have
GROWTH = 4  # a state of 100 times the rows may have so many times the bytes


def _states(component: Metric, batch: Batch) -> list[State]:
    return [component.add(component.create(), part) for part in pieces(batch, SIZES)]


def _result(component: Metric, state: State) -> dict[str, Any]:
    return component.result(state, CONTEXT).to_json()


@check(Metric)
def create_is_neutral(lab: Lab) -> None:
    """Merging with `create()` on either side changes nothing."""
    component = lab.ready()
    state = component.add(component.create(), lab.traffic())
    alone = _result(component, state)
    for merged, side in (
        (component.merge(component.create(), state), "left"),
        (component.merge(state, component.create()), "right"),
    ):
        same(_result(component, merged), alone, lab.tolerance, f"create() on the {side} changes the result")


@check(Metric)
def merge_is_commutative(lab: Lab) -> None:
    """merge(a, b) and merge(b, a) have one result."""
    component = lab.ready()
    for left, right in pairwise(_states(component, lab.traffic())):
        one, other = component.merge(left, right), component.merge(right, left)
        same(_result(component, one), _result(component, other), lab.tolerance, "merge(a, b) is not merge(b, a)")


@check(Metric)
def merge_is_associative(lab: Lab) -> None:
    """merge(merge(a, b), c) and merge(a, merge(b, c)) have one result."""
    component = lab.ready()
    a, b, c, _ = _states(component, lab.traffic())
    first = component.merge(component.merge(a, b), c)
    second = component.merge(a, component.merge(b, c))
    same(_result(component, first), _result(component, second), lab.tolerance, "merge(merge(a, b), c) differs")


@check(Metric)
def scaling_goes_with_merging(lab: Lab) -> None:
    """Where rows can count less, scale(merge(a, b)) is merge(scale(a), scale(b)), and a scale of 1 changes nothing."""
    component = lab.ready()
    if not component.additive:
        return
    left, right, *_ = _states(component, lab.traffic())
    once = component.scale(component.merge(left, right), 0.25)
    twice = component.merge(component.scale(left, 0.25), component.scale(right, 0.25))
    same(_result(component, once), _result(component, twice), lab.tolerance, "scale(merge(a, b)) differs")
    same(_result(component, component.scale(left, 1.0)), _result(component, left), lab.tolerance, "scale(a, 1) differs")
    through_bytes(once)


@check(Metric)
def shares_are_shares(lab: Lab) -> None:
    """What `shares` names is a value in [0, 1], of no more rows than there are."""
    component = lab.ready()
    rows = lab.traffic()
    for state in (component.create(), component.add(component.create(), rows)):
        values = component.result(state, CONTEXT).values
        for name, given in component.shares(state).items():
            require(name in values, f"shares() names {name!r}, which is none of the values {list(values)}")
            value = values[name]
            for column, of in given.items() if isinstance(given, Mapping) else [(None, given)]:
                share = value.get(column) if isinstance(value, Mapping) else value
                what = name if column is None else f"{name}({column!r})"
                require(share is None or 0.0 <= share <= 1.0, f"{what} is {share}, so it is no share of rows")
                require(0 <= of <= len(rows), f"shares() says that {what} is of {of} rows; there are {len(rows)}")


@check(Metric)
def merge_leaves_its_arguments(lab: Lab) -> None:
    """`merge` changes neither state, so that a pane can be merged into several windows."""
    component = lab.ready()
    left, right, *_ = (through_bytes(state) for state in _states(component, lab.traffic()))
    before = _result(component, left), _result(component, right)
    merged = component.merge(left, right)
    component.add(merged, lab.traffic(50, seed=4))
    same([_result(component, left), _result(component, right)], list(before), 0.0, "merge changes its arguments")


@check(Metric)
def batching_does_not_matter(lab: Lab) -> None:
    """Rows in one batch, in several, and added on several replicas and merged: one result."""
    component = lab.ready()
    rows = lab.traffic(sum(SIZES))
    whole = _result(component, component.add(component.create(), rows))
    state = component.create()
    for part in pieces(rows, SIZES):
        state = component.add(state, part)
    same(_result(component, state), whole, lab.tolerance, "rows in several batches give another result")
    merged = component.create()
    for other in reversed(_states(component, rows)):
        merged = component.merge(merged, other)
    same(_result(component, merged), whole, lab.tolerance, "rows on several replicas give another result")


@check(Metric)
def state_survives_bytes(lab: Lab) -> None:
    """A state through the codec gives the same result, and rows can be added to it (its arrays are read-only)."""
    component = lab.ready()
    first, second = pieces(lab.traffic(), (200, 200))
    state = component.add(component.create(), first)
    restored = through_bytes(state)
    same(_result(component, restored), _result(component, state), 0.0, "the restored state gives another result")
    on, restored_on = component.add(state, second), component.add(restored, second)
    same(
        _result(component, restored_on), _result(component, on), lab.tolerance, "the restored state goes on differently"
    )


@check(Metric)
def result_leaves_the_state(lab: Lab) -> None:
    """`result` can be asked at any time, and as often as one likes."""
    component = lab.ready()
    state = component.add(component.create(), lab.traffic())
    before = through_bytes(state)
    first = _result(component, state)
    same(_result(component, state), first, 0.0, "a second result of the same state differs")
    same(_result(component, before), first, 0.0, "result changes the state")


@check(TwoStepMetric)
def labels_may_come_later(lab: Lab) -> None:
    """Rows counted when predicted, and their labels on other replicas, are rows that came with labels; and back."""
    component, rows = lab.ready(), lab.traffic()
    assert rows.labels is not None
    whole = component.add(component.create(), rows)
    predicted = component.add_predicted(component.create(), rows.replace(labels=None))
    labelled = component.add_labelled(component.create(), rows.take(~rows.labels.missing()))
    for merged, order in (
        (component.merge(predicted, labelled), "labels after their rows"),
        (component.merge(labelled, predicted), "labels before their rows"),
    ):
        same(_result(component, merged), _result(component, whole), lab.tolerance, f"{order} give another result")
    bare = component.without_labels(whole)
    same(_result(component, bare), _result(component, predicted), lab.tolerance, "without_labels keeps some of them")


@check(Metric, unless=(ChangeDetector,))
def nothing_seen_is_not_zero(lab: Lab) -> None:
    """The result of no rows has n = 0 and is not `ok`: what is not known is never a number."""
    component = lab.ready()
    result = component.result(component.create(), CONTEXT)
    require(result.n == 0, f"a result of no rows has n = {result.n}")
    require(result.status != "ok", "a result of no rows has status 'ok'")


@check(Metric)
def memory_is_bounded(lab: Lab) -> None:
    """The state of 100 times the rows is not 100 times as large."""
    component = lab.ready()
    state = component.create()
    small = 0
    for seed in range(20):
        state = component.add(state, lab.traffic(2500, seed=seed))
        if seed == 0:
            small = size(component.add(component.create(), lab.traffic(500, seed=0)))
    limit = GROWTH * small + SLACK
    require(size(state) <= limit, f"500 rows make {small} bytes of state, 50000 rows {size(state)}; limit {limit}")
