"""Ray Serve keeps what every platform promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.platforms.rayserve import RayServe

from vedette.testing.platforms import Bench, PlatformCheck, parametrize_platform_checks, run_platform_check
from vedette_rayserve.local import LocalRay

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def bench(cluster: LocalRay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(RayServe(cluster), tmp_path_factory.mktemp("rayserve")) as bench:
        yield bench


@parametrize_platform_checks()
def test_conformance(check: PlatformCheck, bench: Bench) -> None:
    run_platform_check(check, bench)
