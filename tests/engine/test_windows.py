"""Windows are runs of whole ticks: against brute force, with gaps, late rows, and rows spread over replicas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.harness import Harness
from tests.engine.traffic import by_rows, lifetime, metric, monitor, plan_of, rows, sliding, tumbling

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.extents import Extent, extent_of
from vedette.engine.reduce.windows import SlidingWindow, Span, TwoStacks, ended_lifetime, ended_windows

Ticks = dict[int, int]  # tick -> rows


def merge(left: Any, right: Any) -> dict[str, Any]:
    """Keeps the order in which it was called."""
    return {"ticks": left["ticks"] + right["ticks"]}


def span_of(tick: int, count: int) -> Span:
    return Span(tick, tick + 1, count, {"ticks": [tick]})


def extent(window: WindowSpec) -> Extent:
    return extent_of(window, 1.0, lambda end: [])


def drive(window: WindowSpec, ticks: Ticks, cuts: list[int], stop: int) -> list[tuple[float, float, list[int]]]:
    """What a window publishes when ticks close in the runs that `cuts` makes."""
    sliding_window = SlidingWindow(window, 1.0, TwoStacks(merge))
    found, closed = [], min(ticks, default=0) - 1
    for upto in sorted({*cuts, stop}):
        run = [span_of(t, n) for t, n in sorted(ticks.items()) if closed <= t < upto]
        dues = sliding_window.advance(run, closed, upto, extent(window))
        found += [(due.start, due.end, due.span.states["ticks"]) for due in dues]
        closed = max(closed, upto)
    return found


def by_time_by_force(window: WindowSpec, ticks: Ticks, stop: int) -> list[tuple[float, float, list[int]]]:
    assert window.span is not None
    found = []
    for end in range(-100, stop + 1):
        held = [t for t in sorted(ticks) if end - window.span <= t < end]
        if end % window.every == 0 and held:
            found.append((end - window.span, float(end), held))
    return found


def by_rows_by_force(window: WindowSpec, ticks: Ticks) -> list[tuple[float, float, list[int]]]:
    assert window.rows is not None
    found: list[tuple[float, float, list[int]]] = []
    seen, order = 0, sorted(ticks)
    for i, tick in enumerate(order):
        before, seen = seen, seen + ticks[tick]
        if seen // window.every > before // window.every:
            held: list[int] = []
            total = 0
            for t in reversed(order[: i + 1]):
                held.insert(0, t)
                total += ticks[t]
                if total >= window.rows:
                    break
            found.append((float(held[0]), tick + 1.0, held))
    return found


ticks_strategy = st.dictionaries(st.integers(-5, 60), st.integers(1, 7), max_size=25)
cuts_strategy = st.lists(st.integers(-5, 70), max_size=8)


@given(
    ticks=ticks_strategy, cuts=cuts_strategy, every=st.integers(1, 7), steps=st.integers(1, 5), rest=st.integers(0, 6)
)
def test_windows_by_time_are_those_of_brute_force(
    ticks: Ticks, cuts: list[int], every: int, steps: int, rest: int
) -> None:
    window = sliding(every * steps + rest % every, every)
    assert drive(window, ticks, cuts, 100) == by_time_by_force(window, ticks, 100)


@given(ticks=ticks_strategy, cuts=cuts_strategy, n=st.integers(1, 30), every=st.integers(1, 30))
def test_windows_by_rows_are_those_of_brute_force(ticks: Ticks, cuts: list[int], n: int, every: int) -> None:
    window = by_rows(n, every)
    assert drive(window, ticks, cuts, 100) == by_rows_by_force(window, ticks)


@given(ticks=ticks_strategy, cuts=cuts_strategy)
def test_a_hopping_window_that_leaves_gaps_holds_only_its_own(ticks: Ticks, cuts: list[int]) -> None:
    window = sliding(3, 10)
    assert drive(window, ticks, cuts, 100) == by_time_by_force(window, ticks, 100)


def test_two_stacks_merge_a_few_times_a_slide_whatever_the_length() -> None:
    merges = 0

    def counted(left: Any, right: Any) -> dict[str, Any]:
        nonlocal merges
        merges += 1
        return {}

    stacks, slides, length = TwoStacks(counted), 4000, 600
    for tick in range(length):
        stacks.push(Span(tick, tick + 1, 1, {}))
    merges = 0
    for tick in range(length, length + slides):
        stacks.push(Span(tick, tick + 1, 1, {}))
        stacks.pop()
        total = stacks.total()
        assert total is not None
        assert (total.first, total.stop, total.rows) == (tick - length + 1, tick + 1, length)
    assert merges <= 3 * slides + length  # push, turn, total: one each, whatever the length


@given(st.lists(st.one_of(st.just("pop"), st.integers(1, 5)), max_size=60))
def test_two_stacks_are_a_queue(steps: list[Any]) -> None:
    stacks, tick = TwoStacks(merge), 0
    queue: list[Span] = []
    for step in steps:
        if step == "pop":
            if queue:
                assert stacks.oldest() == queue[0]
                stacks.pop()
                queue.pop(0)
        else:
            queue.append(span_of(tick, step))
            stacks.push(queue[-1])
            tick += 1
        total = stacks.total()
        assert stacks.rows == sum(item.rows for item in queue)
        assert ([] if total is None else total.states["ticks"]) == [item.first for item in queue]


def test_ended_windows_of_a_tick() -> None:
    assert ended_windows(extent(tumbling(10)), 12, 30) == [(10, 20)]
    assert ended_windows(extent(tumbling(10)), 12, 19) == []
    assert ended_windows(extent(sliding(20, 5)), 12, 30) == [(-5, 15), (0, 20), (5, 25), (10, 30)]
    assert ended_windows(extent(sliding(3, 10)), 12, 30) == []
    assert ended_lifetime(lifetime(every=10.0), 1.0, 12, 30) == [(12, 20)]


WINDOWS = [tumbling(10), sliding(20, 5), by_rows(8, 4), lifetime(every=10.0)]


def engine(url: str = "sqlite://", *windows: WindowSpec) -> Harness:
    return Harness(plan_of(monitor("stats", metric("moments"), windows=windows or WINDOWS)), url)


def published(found: Harness, window: str) -> list[tuple[float, float, int]]:
    return [(r.start - found.start, r.end - found.start, r.n) for r in found.results("stats", window)]


def test_a_row_belongs_to_the_tick_that_begins_with_it() -> None:
    found = engine()
    found.time(100)
    found.send_at([found.start + 10.0, np.nextafter(found.start + 10.0, 0.0)])
    found.settle()
    assert published(found, "10s") == [(0.0, 10.0, 1), (10.0, 20.0, 1)]


def test_a_window_waits_for_its_grace() -> None:
    found = engine("sqlite://", WindowSpec("w", span=10.0, every=10.0, grace=5.0))
    found.send_at([found.start + 1.0])
    found.reduce(found.start + 14.0)
    assert published(found, "w") == []
    found.reduce(found.start + 15.0)
    assert published(found, "w") == [(0.0, 10.0, 1)]


def test_too_few_rows_are_insufficient() -> None:
    found = engine("sqlite://", WindowSpec("w", span=10.0, every=10.0, min_rows=3))
    found.send_at([found.start, found.start, found.start + 10, found.start + 10, found.start + 10])
    found.settle()
    assert [r.status for r in found.results("stats")] == ["insufficient", "ok"]


def test_late_rows_revise_results_with_a_new_number() -> None:
    found = engine()
    found.send_at(found.start + t for t in (1.0, 4.0, 12.0))
    found.reduce(found.start + 30.0)
    before = {(r.window, r.end): r for r in found.results("stats")}
    assert {r.revision for r in before.values()} == {0}
    found.send_at([found.start + 5.0])
    found.reduce(found.start + 30.0)
    after = {(r.window, r.end): r for r in found.results("stats")}
    assert after["10s", found.start + 10].n == 3
    assert after["10s", found.start + 10].revision == 1
    assert after["10s", found.start + 20].revision == 0
    assert after["20s/5s", found.start + 20].n == 4
    assert after["lifetime", found.start + 20].n == 4
    assert after["10s", found.start + 10].created == before["10s", found.start + 10].created
    assert found.series("stats").late_rows == 1


def test_a_window_whose_first_row_is_late_begins_then() -> None:
    found = engine()
    found.send_at([found.start + 1.0, found.start + 41.0])
    found.reduce(found.start + 60.0)
    assert published(found, "10s") == [(0.0, 10.0, 1), (40.0, 50.0, 1)]
    found.send_at([found.start + 22.0, found.start + 23.0])
    found.reduce(found.start + 60.0)
    assert published(found, "10s") == [(0.0, 10.0, 1), (20.0, 30.0, 2), (40.0, 50.0, 1)]
    assert published(found, "20s/5s")[-3:] == [(30.0, 50.0, 1), (35.0, 55.0, 1), (40.0, 60.0, 1)]
    assert [r.revision for r in found.results("stats", "10s")] == [0, 0, 0]
    assert not any(r.status == "insufficient" for r in found.results("stats"))


def test_late_rows_before_all_others_belong_to_the_lifetime() -> None:
    found = engine("sqlite://", lifetime(every=10.0))
    found.send_at([found.start + 25.0])
    found.reduce(found.start + 30.0)
    found.send_at([found.start + 3.0])
    found.reduce(found.start + 30.0)
    assert published(found, "lifetime") == [(0.0, 10.0, 1), (0.0, 30.0, 2)]  # its tick is as long as its step


def test_late_rows_never_move_the_boundaries_of_windows_by_rows() -> None:
    found = engine("sqlite://", by_rows(4))
    found.send_at(found.start + t for t in range(4))
    found.reduce(found.start + 10.0)
    assert published(found, "4 rows") == [(0.0, 4.0, 4)]
    found.send_at([found.start + 2.0] * 3)
    found.reduce(found.start + 10.0)
    assert published(found, "4 rows") == [(0.0, 4.0, 7)]
    found.send_at(found.start + 20.0 + t for t in range(4))
    found.reduce(found.start + 40.0)
    assert published(found, "4 rows") == [(0.0, 4.0, 7), (20.0, 24.0, 4)]


@settings(max_examples=8)
@given(seed=st.integers(0, 2**16))
def test_results_do_not_depend_on_which_replica_saw_what(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.random(60) * 50.0)
    batches = [rows(rng, 1_000_000.0 + part) for part in np.array_split(times, 20)]
    outcomes = []
    for replicas in (1, 3):
        found = engine()
        workers = [found.worker] + [found.new_worker() for _ in range(replicas - 1)]
        for batch in batches:
            found.send_batch(batch, workers[int(rng.integers(replicas))])
            if rng.random() < 0.3:
                workers[int(rng.integers(replicas))].checkpoint()
        for worker in workers:
            worker.checkpoint()
        for part in (20.0, 21.0, 43.0):
            if replicas == 3:
                found.reduce(found.start + part)
        found.settle()
        outcomes.append([(r.window, r.start, r.end, r.n, r.revision) for r in found.results("stats")])
    assert sorted(outcomes[0]) == sorted(outcomes[1])


def test_a_reducer_that_starts_anew_goes_on_where_the_last_one_was() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.random(80) * 90.0)
    outcomes = []
    for restart in (False, True):
        found = engine()
        found.time(100.0)
        for i, time in enumerate(times):
            found.send_at([found.start + time])
            if i % 7 == 0:
                found.reduce(found.start + time)
                if restart:
                    found.reducer.drop()
        found.settle()
        outcomes.append(sorted((r.window, r.start, r.end, r.n) for r in found.results("stats")))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("tick", [0.1, 0.7, 60.0, 3600.0])
def test_windows_of_any_length_hold_each_row_once(tick: float) -> None:
    found = engine("sqlite://", tumbling(tick))
    rng = np.random.default_rng(1)
    found.time(50 * tick)
    found.send_batch(rows(rng, found.start + rng.random(200) * 50 * tick))
    found.settle(after=2 * tick)
    counted = found.results("stats")
    assert sum(r.n for r in counted) == 200
    assert all(abs((r.end - r.start) - tick) < 1e-6 for r in counted)
