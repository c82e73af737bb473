"""Running the suite: all at once, or check by check under pytest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.testing.lab import CheckFailed, CheckSkipped
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.checks import PLATFORM_CHECKS, PlatformCheck
from vedette.testing.platforms.platform import Platform
from vedette.testing.running import ConformanceError

if TYPE_CHECKING:
    import pytest


def check_platform(
    platform: Platform, folder: Path, expected_failures: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Run all checks; ConformanceError has every failure. Returns check -> `passed`, `skipped: ...`, `expected: ...`.

    folder: an empty one for configurations, stores and logs.  expected_failures: check -> reason; such a check must
    fail.
    """
    expected = _known(expected_failures or {})
    outcomes: dict[str, str] = {}
    failures: dict[str, str] = {}
    with Bench(platform, folder) as bench:
        for check in PLATFORM_CHECKS.values():
            outcome = _outcome(check, bench)
            if reason := expected.get(check.name):
                if outcome == "passed":
                    failures[check.name] = f"passes, but is expected to fail: {reason}"
                elif not outcome.startswith("skipped"):
                    outcome = f"expected: {reason}"
            elif outcome != "passed" and not outcome.startswith("skipped"):
                failures[check.name] = outcome
            outcomes[check.name] = outcome
    if failures:
        raise ConformanceError(platform.name, failures)
    return outcomes


def parametrize_platform_checks(expected_failures: Mapping[str, str] | None = None) -> pytest.MarkDecorator:
    """Decorator for a test with the argument `check`, run once a check; the bench comes from a fixture.

    ::

        @pytest.fixture(scope="module")
        def bench(tmp_path_factory):
            with Bench(MyPlatform(), tmp_path_factory.mktemp("mine")) as bench:
                yield bench

        @parametrize_platform_checks(expected_failures={"requests_can_be_left_out": "it has no headers"})
        def test_conformance(check, bench):
            run_platform_check(check, bench)
    """
    import pytest

    expected = _known(expected_failures or {})
    parameters = []
    for check in PLATFORM_CHECKS.values():
        reason = expected.get(check.name)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        parameters.append(pytest.param(check, id=check.name, marks=marks))
    return pytest.mark.parametrize("check", parameters)


def run_platform_check(check: PlatformCheck, bench: Bench) -> None:
    """Run a check inside a pytest test: what the platform does not support, pytest skips, with the reason."""
    import pytest

    try:
        check(bench)
    except CheckSkipped as skipped:
        pytest.skip(str(skipped))


def _outcome(check: PlatformCheck, bench: Bench) -> str:
    try:
        check(bench)
    except CheckSkipped as skipped:
        return f"skipped: {skipped}"
    except CheckFailed as failed:
        return str(failed)
    except Exception as error:  # the platform under test may raise anything: it is reported
        return f"{type(error).__name__}: {error}"
    return "passed"


def _known(expected_failures: Mapping[str, str]) -> Mapping[str, str]:
    if unknown := set(expected_failures) - set(PLATFORM_CHECKS):
        raise ValueError(
            f"expected_failures: no such checks: {sorted(unknown)}; there are: {', '.join(PLATFORM_CHECKS)}"
        )
    return expected_failures
