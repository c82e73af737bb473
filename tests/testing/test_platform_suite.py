"""The suite for platforms notices what it is there to notice, and says what it found."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vedette.testing import CheckFailed, ConformanceError
from vedette.testing.platforms import (
    PLATFORM_CHECKS,
    Bench,
    Embedded,
    NotSupported,
    PlatformCheck,
    Reply,
    Setting,
    Site,
    check_platform,
    configuration,
    monitors,
    run_platform_check,
    running,
    same_results,
)
from vedette.testing.platforms.comparing import Results
from vedette.testing.platforms.embedded import PREDICT, EmbeddedSite
from vedette.testing.platforms.recording import Recording


class Dishonest(Embedded):
    """Breaks what it can break: where it is watched it speaks V2, and none of its other promises holds."""

    name = "dishonest"
    request_id_header = "x-other-id"
    skip_header = "x-leave-me-out"

    @property
    def yaml(self) -> Mapping[str, Any]:
        return {"explainers": {}}

    def serve(self, setting: Setting) -> Site:
        if setting.config is None:
            return super().serve(setting)
        return DishonestSite(setting, setting.config, PREDICT)


class DishonestSite(EmbeddedSite):
    def __init__(self, setting: Setting, config: Path, predict: str | None) -> None:
        super().__init__(setting, config, predict)
        self.url = f"{self.api}/v2/models/{setting.model}/infer"

    def stop_monitors(self) -> None:
        """They are not stopped."""

    def start_monitors(self) -> None:
        """They were not stopped."""

    def close(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        super().close()


@pytest.fixture(scope="module")
def dishonest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(Dishonest(), tmp_path_factory.mktemp("dishonest")) as bench:
        yield bench


NOTICED = {
    "answers_are_the_plain_ones": '1 rows: 200 b\'{"model_name"',
    "errors_are_the_plain_ones": "a column is missing",
    "request_id_that_is_given_is_kept": "x-other-id is None",
    "request_id_is_minted_where_none_is_given": "a response has no x-other-id",
    "instances_are_explained": "explainer: none is declared",
    "past_predictions_are_explained": "explainer: none is declared",
    "rows_that_monitors_missed_are_counted_as_dropped": "0 rows are told as dropped",
    "shutdown_loses_nothing": "rows sent",
}


@pytest.mark.parametrize("name", NOTICED)
def test_broken_promises_are_noticed(name: str, dishonest: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dishonest.watched.recording.start
    dishonest.watched.settle()
    if name == "rows_that_monitors_missed_are_counted_as_dropped":  # for once, it answers as it should
        dishonest.watched.site.url = f"{dishonest.watched.site.api}/predict"
    if name == "shutdown_loses_nothing":
        monkeypatch.setattr(monitors, "PATIENCE", 3.0)
    with pytest.raises(CheckFailed) as caught:
        PLATFORM_CHECKS[name](dishonest)
    assert NOTICED[name] in str(caught.value)
    if name == "rows_that_monitors_missed_are_counted_as_dropped":  # on a busy machine some really are
        dishonest.watched.sent.rows -= int(dishonest.watched.monitors.metrics()["vedette_dropped_rows_total"])
    if name == "errors_are_the_plain_ones":  # the check ended before it could count the row that was answered
        dishonest.watched.sent.add(1)


def test_rows_that_are_lost_or_counted_twice_are_noticed(dishonest: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    dishonest.watched.predict([{"a": 1.0, "b": 2.0, "c": None}])  # the site is served again
    monkeypatch.setattr(monitors, "PATIENCE", 1.0)
    dishonest.watched.sent.rows = dishonest.watched.counted() + 50
    with pytest.raises(CheckFailed, match="counted"):
        PLATFORM_CHECKS["every_row_is_counted_once"](dishonest)
    dishonest.watched.sent.rows = 1
    with pytest.raises(CheckFailed, match="1 rows sent"):
        dishonest.watched.settle()


def stub(name: str, error: Exception | None) -> PlatformCheck:
    def function(bench: Bench) -> None:
        """A check that ends in a known way."""
        if error is not None:
            raise error

    return PlatformCheck(name, function)


STUBS = {
    "good": stub("good", None),
    "bad": stub("bad", CheckFailed("3 rows, not 4")),
    "raising": stub("raising", ValueError("odd")),
    "missing": stub("missing", NotSupported("it has no headers")),
}


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PLATFORM_CHECKS", STUBS)


@pytest.mark.usefixtures("stubs")
def test_outcomes_of_a_run(tmp_path: Path) -> None:
    platform = Embedded()
    with pytest.raises(ConformanceError) as caught:
        check_platform(platform, tmp_path)
    assert caught.value.failures == {"bad": "3 rows, not 4", "raising": "ValueError: odd"}
    platform.expected_failures = {"bad": "known", "raising": "known too"}
    assert check_platform(platform, tmp_path) == {
        "good": "passed",
        "bad": "expected: known",
        "raising": "expected: known too",
        "missing": "skipped: it has no headers",
    }
    platform.expected_failures = {"good": "no longer", **platform.expected_failures}
    with pytest.raises(ConformanceError, match="good: passes, but is expected to fail: no longer"):
        check_platform(platform, tmp_path)
    platform.expected_failures = {"god": "misspelt"}
    with pytest.raises(ValueError, match=r"'god'.* are no checks; there are: good, bad"):
        check_platform(platform, tmp_path)


@pytest.mark.usefixtures("stubs")
def test_outcomes_under_pytest(tmp_path: Path) -> None:
    bench = Bench(Embedded(), tmp_path)
    run_platform_check(STUBS["good"], bench)
    with pytest.raises(pytest.skip.Exception, match="it has no headers"):
        run_platform_check(STUBS["missing"], bench)
    with pytest.raises(ValueError, match="odd"):
        run_platform_check(STUBS["raising"], bench)
    bench.platform.expected_failures = {"raising": "known", "good": "no longer"}
    with pytest.raises(pytest.xfail.Exception, match=r"known \(ValueError: odd\)"):
        run_platform_check(STUBS["raising"], bench)
    with pytest.raises(CheckFailed, match="passes, but"):
        run_platform_check(STUBS["good"], bench)


def test_a_platform_without_separate_monitors_says_so() -> None:
    class Joined(Site):
        def close(self) -> None:
            """Nothing runs."""

    with Joined() as site, pytest.raises(NotSupported, match="Joined: monitors cannot be stopped apart"):
        site.stop_monitors()
    with pytest.raises(NotSupported, match="cannot be started"):
        site.start_monitors()


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Recording]:
    from vedette.testing.platforms.comparing import replay_of

    recording = Recording(requests=8)
    recording.begin(1.7e9)
    setting = configuration.write(Embedded(), "suite", tmp_path_factory.mktemp("replayed"))
    return replay_of(setting, recording), recording


def test_equal_results_are_equal(replayed: tuple[Results, Recording]) -> None:
    results, recording = replayed
    assert {monitor for monitor, *_ in results} >= {"quality", "performance", "drift", "shift", "outliers", "regions"}
    same_results(copy.deepcopy(results), results, recording)


@pytest.mark.parametrize(
    ("monitor", "value", "by", "equal"),
    [("quality", "mean", 1e-12, True), ("quality", "mean", 1e-7, False), ("performance", "accuracy", 1e-6, False),
     ("quality", "quantile", 1e-4, True), ("quality", "quantile", 0.5, False)],
)  # fmt: skip
def test_results_that_differ_are_noticed(
    replayed: tuple[Results, Recording], monitor: str, value: str, by: float, equal: bool
) -> None:
    results, recording = replayed
    other = copy.deepcopy(results)
    key = max(key for key in other if key[0] == monitor)
    values = other[key]["values"]
    if isinstance(values[value], dict):
        values[value]["a"] += by
    else:
        values[value] += by
    if equal:
        same_results(other, results, recording)
        return
    with pytest.raises(CheckFailed, match=monitor):
        same_results(other, results, recording)


def test_windows_that_are_missing_or_new_are_noticed(replayed: tuple[Results, Recording]) -> None:
    results, recording = replayed
    first = min(results)
    rest = {key: result for key, result in results.items() if key != first}
    for left, right in ((rest, results), (results, rest)):
        with pytest.raises(CheckFailed, match=first[0]):
            same_results(left, right, recording)


def test_headers_of_replies_are_found_whatever_their_case(dishonest: Bench) -> None:
    reply = dishonest.plain.predict([{"a": 1.0, "b": 2.0, "c": 3.0}], dishonest.watched.stamp())
    assert isinstance(reply, Reply)
    assert reply.headers["content-type"] == "application/json"
