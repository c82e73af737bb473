"""Every binding keeps what platforms promise, and the same data through all of them gives the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.platforms.adapters import ADAPTERS, PLATFORMS

from vedette.testing.platforms import (
    Bench,
    PlatformCheck,
    parametrize_platform_checks,
    record_together,
    recorded_results,
    run_platform_check,
    same_results,
)

Benches = Callable[[str], Bench]


@pytest.fixture(scope="module")
def benches(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    """Platform -> its bench, of those that the selected tests ask for.

    The same rows were sent at the same times to all of them. One that does not come up fails its own tests.
    """
    made: dict[str, Bench] = {}
    errors: dict[str, Exception] = {}

    def one(name: str) -> Bench:
        if name in errors:
            raise errors[name]
        return made[name]

    def opened(name: str) -> None:
        try:
            assert made[name].opened
        except Exception as error:  # `one` tells it to the tests of this platform
            errors[name] = error

    try:
        for name in wanted(request.session.items):
            made[name] = Bench(ADAPTERS[name](request), tmp_path_factory.mktemp(name))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(opened, made))
        record_together([bench for name, bench in made.items() if name not in errors])
        yield one
    finally:
        for bench in made.values():
            bench.close()


def wanted(items: list[pytest.Item]) -> list[str]:
    """The platforms that the selected tests are about; a test that names none is about all."""
    parameters = [
        item.callspec.params if hasattr(item, "callspec") else {}
        for item in items
        if "benches" in getattr(item, "fixturenames", ())
    ]
    named = {item.get("platform") for item in parameters}
    return [name for name in ADAPTERS if name in named or None in named]


@parametrize_platform_checks()
@pytest.mark.parametrize("platform", PLATFORMS)
def test_conformance(check: PlatformCheck, platform: str, benches: Benches) -> None:
    run_platform_check(check, benches(platform))


@pytest.mark.ray
def test_the_same_data_through_all_bindings_gives_the_same_results(benches: Benches) -> None:
    first, *others = [benches(name).watched for name in ADAPTERS]
    wanted = recorded_results(first)
    assert {monitor for monitor, *_ in wanted} >= {"quality", "regions", "performance", "drift", "shift", "outliers"}
    for watched in others:
        same_results(recorded_results(watched), wanted, first.recording)
