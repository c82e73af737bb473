"""Taps that are closed when their test ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.tap.transports import FAST, Make

from vedette.config.plan import TapSpec
from vedette.engine.tap.tap import Tap


@pytest.fixture
def make() -> Iterator[Make]:
    taps: list[Tap] = []

    def build(transport: Any, settings: TapSpec | None = None, **options: Any) -> Tap:
        options.setdefault("timing", FAST)
        taps.append(Tap(transport, settings, **options))
        return taps[-1]

    yield build
    for tap in taps:
        tap.close(0.2)
