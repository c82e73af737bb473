"""Calendar periods, decaying windows and windows that begin at a change, against what is computed without them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.harness import Harness
from tests.engine.traffic import by_rows, detector, metric, monitor, plan_of, rows, same, tumbling

from vedette import Session
from vedette.config import expand_plan
from vedette.config.plan import WindowSpec
from vedette.engine.reduce.extents import extent_of
from vedette.store.results import StoredResult

MONTHS = """
version: 1
model: {name: m}
schema: {task: none, features: {x: numeric}}
store: "sqlite://"
monitors: {stats: {metrics: [moments], window: month}}
"""
QUARTER = 900.0
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"]
PERIODS = ["day", "week", "month", "quarter", "year"]


def calendar(period: str, zone: str = "UTC", every: float = 0.0) -> WindowSpec:
    return WindowSpec(period, calendar=period, zone=zone, every=every)


def same_period(period: str, zone: str, one: float, other: float) -> bool:
    """By the wall clock alone."""
    a, b = (datetime.fromtimestamp(time, ZoneInfo(zone)) for time in (one, other))
    if period == "week":
        return a.isocalendar()[:2] == b.isocalendar()[:2]
    months = {"month": 1, "quarter": 3, "year": 12}.get(period)
    if months is None:
        return a.date() == b.date()
    return (a.year, (a.month - 1) // months) == (b.year, (b.month - 1) // months)


@given(
    period=st.sampled_from(PERIODS), zone=st.sampled_from(ZONES),
    at=st.integers(0, 2**31), step=st.integers(-500 * 96, 500 * 96),
)  # fmt: skip
def test_periods_are_those_of_the_wall_clock(period: str, zone: str, at: int, step: int) -> None:
    extent = extent_of(calendar(period, zone), QUARTER, lambda end: [])
    tick, other = at // 900, at // 900 + step
    (end,) = extent.ends(tick, tick + 10**6)
    first = extent.first(end)
    assert first <= tick < end <= first + extent.longest
    held = first <= other < end
    assert held == same_period(period, zone, tick * QUARTER, other * QUARTER)
    assert extent.ends(tick, end - 1) == []


def test_the_days_on_which_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    extent = extent_of(calendar("day", "Europe/Berlin"), QUARTER, lambda end: [])
    for date, hours in (((2026, 3, 29), 23), ((2026, 6, 1), 24), ((2026, 10, 25), 25)):
        noon = datetime(*date, 12, tzinfo=berlin).timestamp()
        (end,) = extent.ends(int(noon // QUARTER), 2**40)
        assert (end - extent.first(end)) * QUARTER == hours * 3600


def test_a_month_so_far_and_when_it_is_over() -> None:
    start = datetime(2026, 2, 1, tzinfo=ZoneInfo("UTC")).timestamp()
    window = calendar("month", every=7 * 86_400.0)
    extent = extent_of(window, 86_400.0, lambda end: [])
    ends = extent.ends(round(start / 86_400), 2**40)
    days = [datetime.fromtimestamp(end * 86_400.0, ZoneInfo("UTC")).date().isoformat() for end in ends]
    assert days == ["2026-02-05", "2026-02-12", "2026-02-19", "2026-02-26", "2026-03-01"]
    assert {extent.first(end) * 86_400.0 for end in ends} == {start}


def test_months_are_published_when_they_are_over_and_late_rows_revise_them() -> None:
    found = Harness(plan_of(monitor("stats", metric("moments"), windows=[calendar("month", "Europe/Berlin")])))
    berlin = ZoneInfo("Europe/Berlin")
    january, march = (datetime(2026, month, 31, 23, 50, tzinfo=berlin).timestamp() for month in (1, 3))
    found.store.time = datetime(2026, 4, 2, tzinfo=berlin).timestamp()
    found.send_at([january, january + 1200.0, march])  # the second one is of February
    found.settle()
    begins = [datetime.fromtimestamp(r.start, berlin).strftime("%d %B %H:%M") for r in found.results("stats")]
    assert begins == ["01 January 00:00", "01 February 00:00", "01 March 00:00"]
    found.send_at([january - 86_400.0])
    found.settle()
    assert [(r.n, r.revision) for r in found.results("stats")] == [(2, 1), (1, 0), (1, 0)]


def test_a_session_publishes_the_month_that_it_ends_in(tmp_path: Path) -> None:
    (tmp_path / "monitors.yaml").write_text(MONTHS)
    with Session(tmp_path / "monitors.yaml", event_time=True) as session:
        for month in (1, 2):
            session.log({"x": np.arange(50.0)}, time=datetime(2026, month, 3, tzinfo=ZoneInfo("UTC")).timestamp())
        session.finish()
        results = session.results("stats")
    assert [(r["window"], r["n"]) for r in results] == [("month", 50), ("month", 50)]
    assert "window: month" in expand_plan(session.plan)


def half_life(seconds: float, every: float) -> WindowSpec:
    return WindowSpec("decay", half_life=seconds, every=every)


def expected_mean(x: np.ndarray, times: np.ndarray, end: float, half: float, every: float) -> float:
    slots = np.floor(times / every) * every + every
    inside = times < end
    weights = 2.0 ** -((end - slots[inside]) / half)
    return float((weights * x[inside]).sum() / weights.sum())


@pytest.mark.parametrize("restart", [False, True])
def test_rows_count_less_as_they_age(restart: bool) -> None:
    windows = [half_life(20.0, 5.0), tumbling(1.0)]
    found = Harness(plan_of(monitor("stats", metric("moments"), metric("missing_rate"), windows=windows)))
    rng = np.random.default_rng(3)
    times = found.start + np.sort(rng.random(300) * 100.0)
    batch = rows(rng, times)
    for part in np.array_split(np.arange(300), 30):
        found.send_batch(batch.take(part))
        found.reduce(float(times[part[-1]]))
        if restart:
            found.reducer.drop()
    found.settle()
    x = batch.inputs["x"].values
    known = ~np.isnan(x)
    results = found.results("stats", "decay")
    assert len(results) > 20
    for result in results[:40]:
        mean = result.body["values"]["mean"]["x"]
        assert mean == pytest.approx(expected_mean(x[known], times[known], result.end, 20.0, 5.0), rel=1e-9)
        rate = result.body["values"]["missing_rate"]["x"]
        assert rate == pytest.approx(expected_mean(1.0 - known, times, result.end, 20.0, 5.0), abs=1e-9)
        slots = np.floor(times[times < result.end] / 5.0) * 5.0 + 5.0
        assert result.n == round(float((2.0 ** -((result.end - slots) / 20.0)).sum())), "rounded once, not slot by slot"
    assert results[5].n < 300


def test_late_rows_revise_a_decayed_result_to_what_it_would_have_been() -> None:
    outcomes = []
    for late in (False, True):
        found = Harness(plan_of(monitor("stats", metric("moments"), windows=[half_life(20.0, 5.0)])))
        rng = np.random.default_rng(4)
        batch = rows(rng, found.start + np.array([1.0, 2.0, 11.0, 12.0, 13.0, 31.0]))
        order = [[0, 1, 2, 4, 5], [3]] if late else [[0, 1, 2, 3, 4, 5]]
        for part in order:
            found.send_batch(batch.take(np.array(part)))
            found.reduce(found.start + 40.0)
        outcomes.append([(r.end, r.body["values"]["mean"]) for r in found.results("stats")])
        assert any(r.revision for r in found.results("stats")) == late
    for (end, one), (other_end, other) in zip(*outcomes, strict=True):
        assert end == other_end
        assert one == pytest.approx(other, rel=1e-12)


def since(monitor_name: str, every: float, longest: float) -> WindowSpec:
    return WindowSpec("since", span=longest, since=monitor_name, every=every)


def shifted(restart: bool = False, parts: int = 12) -> tuple[Harness, list[StoredResult], list[float]]:
    """Rows that move at half-time; results of the window since the change, and when changes were found."""
    shift = detector("shift", "change", "conformal", options={"false_alarms": "1 per 100000 rows"})
    stats = monitor("stats", metric("moments"), windows=[since("shift", 10.0, 10_000.0)])
    found = Harness(plan_of(stats, shift, monitor("other", metric("moments"), windows=[by_rows(100)])))
    rng = np.random.default_rng(8)
    for part in range(parts):
        times = found.start + 20.0 * part + np.arange(100) * 0.2
        found.send_batch(rows(rng, times, shift=0.0 if part < parts // 2 else 2.0))
        found.reduce(float(times[-1]))
        if restart:
            found.reducer.drop()
    found.settle()
    alarms = [r.end for r in found.results("shift") if r.body["values"]["alarm"] == 1]
    return found, found.results("stats"), alarms


@pytest.mark.parametrize("restart", [False, True])
def test_a_window_begins_where_a_change_was_found(restart: bool) -> None:
    found, results, alarms = shifted(restart)
    change = min(alarms)
    assert found.start + 120.0 < change < found.start + 160.0
    before = [r for r in results if r.end <= change]
    after = [r for r in results if change + 10.0 <= r.end <= found.start + 240.0]
    assert [r.start for r in before] == [r.end - 10_000.0 for r in before], "all that it may hold"
    assert before[-1].n >= 600
    for result in after:
        begin = max(alarm for alarm in alarms if alarm <= result.end - 10.0)
        assert begin <= result.start < begin + 10.0, "on the first tick after the alarm"
        assert result.body["values"]["mean"]["x"] == pytest.approx(2.0, abs=0.5)
    assert after


def test_it_is_the_same_however_ticks_close() -> None:
    runs = [shifted(restart)[1] for restart in (False, True)]
    one, other = ([(r.start, r.end, r.n, r.body["values"]) for r in run] for run in runs)
    assert same(one, other)


def test_weeks_begin_on_monday() -> None:
    extent = extent_of(calendar("week", "Europe/Berlin"), QUARTER, lambda end: [])
    for day in range(14):
        time = datetime(2026, 10, 20, 5, tzinfo=ZoneInfo("Europe/Berlin")) + timedelta(days=day)
        (end,) = extent.ends(int(time.timestamp() // QUARTER), 2**40)
        assert (
            datetime.fromtimestamp(extent.first(end) * QUARTER, ZoneInfo("Europe/Berlin")).strftime("%a %H") == "Mon 00"
        )
