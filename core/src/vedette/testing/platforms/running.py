"""Running the suite: all at once, or check by check under pytest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vedette.testing.lab import CheckFailed, CheckSkipped
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.checks import PLATFORM_CHECKS, PlatformCheck
from vedette.testing.platforms.platform import Platform
from vedette.testing.running import ConformanceError

if TYPE_CHECKING:
    import pytest


def check_platform(platform: Platform, folder: Path) -> dict[str, str]:
    """Run all checks; ConformanceError has every failure. Returns check -> `passed`, `skipped: ...`, `expected: ...`.

    folder: an empty one for configurations, stores and logs.
    """
    known(platform)
    outcomes: dict[str, str] = {}
    failures: dict[str, str] = {}
    with Bench(platform, folder) as bench:
        for name, check in PLATFORM_CHECKS.items():
            reason = platform.expected_failures.get(name)
            try:
                check(bench)
            except CheckSkipped as skipped:
                outcomes[name] = f"skipped: {skipped}"
            except Exception as error:  # the platform under test may raise anything: it is reported
                said = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
                outcomes[name] = f"failed: {said}" if reason is None else f"expected: {reason}"
                failures |= {name: said} if reason is None else {}
            else:
                outcomes[name] = "passed"
                if reason is not None:
                    failures[name] = passes(reason)
    if failures:
        raise ConformanceError(platform.name, failures)
    return outcomes


def parametrize_platform_checks() -> pytest.MarkDecorator:
    """Decorator for a test with the argument `check`, run once a check; the bench comes from a fixture.

    ::

        @pytest.fixture(scope="module")
        def bench(tmp_path_factory):
            with Bench(MyPlatform(), tmp_path_factory.mktemp("mine")) as bench:
                yield bench

        @parametrize_platform_checks()
        def test_conformance(check, bench):
            run_platform_check(check, bench)
    """
    import pytest

    return pytest.mark.parametrize("check", PLATFORM_CHECKS.values(), ids=PLATFORM_CHECKS)


def run_platform_check(check: PlatformCheck, bench: Bench) -> None:
    """Run a check inside a pytest test.

    What the platform does not support, pytest skips, with the reason; an expected failure is an xfail, and must fail.
    """
    import pytest

    known(bench.platform)
    reason = bench.platform.expected_failures.get(check.name)
    try:
        check(bench)
    except CheckSkipped as skipped:
        pytest.skip(str(skipped))
    except Exception as error:  # the platform under test may raise anything
        if reason is None:
            raise
        pytest.xfail(f"{reason} ({type(error).__name__}: {error})")
    if reason is not None:
        raise CheckFailed(passes(reason))


def known(platform: Platform) -> None:
    """ValueError where an expected failure names no check."""
    if unknown := set(platform.expected_failures) - set(PLATFORM_CHECKS):
        names = ", ".join(PLATFORM_CHECKS)
        raise ValueError(f"{platform.name}: expected_failures: {sorted(unknown)} are no checks; there are: {names}")


def passes(reason: str) -> str:
    return f"passes, but is expected to fail: {reason}"
