"""One server a module, and one with tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.sites import Site, site


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A model with monitors, and no tokens."""
    with site(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def lively(served: Site) -> Site:
    """The same, after 200 rows in two regions with their labels."""
    from tests.http.sites import MODEL, label_list

    for i, region in enumerate(["north", "<script>alert(1)</script>"]):
        reply = served.predict(100, f"live-{i}", region, seed=10 + i)
        assert reply.status_code == 200
        labels = label_list(MODEL.rows(100, 10 + i))
        assert served.client.post("/feedback", json={"id": f"live-{i}", "labels": labels}).status_code == 202
    served.settle()
    return served
