"""Paths of requests that are handed on to the monitors."""

from __future__ import annotations

import pytest

from vedette.http.handing_on import climbs


@pytest.mark.parametrize(
    ("path", "sent", "out"),
    [
        ("/vedette/api", b"/vedette/api", False),
        ("/vedette/a..b", b"/vedette/a..b", False),
        ("/vedette/../internal", b"/vedette/../internal", True),
        ("/vedette/../internal", b"/vedette/%2e%2e/internal", True),
        ("/internal", b"/vedette/../internal", True),
        ("/vedette/./api", b"/vedette/./api", True),
        ("/vedette/..\\internal", b"/vedette/..%5cinternal", True),
    ],
)
def test_paths_that_climb_out(path: str, sent: bytes, out: bool) -> None:
    assert climbs({"path": path, "raw_path": sent}) is out
