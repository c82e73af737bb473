"""The embedded server keeps what every platform promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.platforms.embedded import Embedded

from vedette.testing.platforms import Bench, PlatformCheck, parametrize_platform_checks, run_platform_check


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(Embedded(), tmp_path_factory.mktemp("embedded")) as bench:
        yield bench


@parametrize_platform_checks()
def test_conformance(check: PlatformCheck, bench: Bench) -> None:
    run_platform_check(check, bench)
