"""Where taps ship to, on ports that everybody on the machine can reach: nobody else is let in."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from tests.bentoml.configuration import write_config
from tests.bentoml.serving import Bento, environment, wait_for

from vedette.testing.platforms.model import answer, make_rows
from vedette_bentoml import names

SITE = """
import vedette_bentoml
from tests.bentoml import models

svc = vedette_bentoml.watch(models.Model, "monitors.yaml")
"""


def variables(pid: int) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs}


def test_without_the_secret_of_the_bento_nothing_is_taken_in_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(names.SECRET, raising=False)
    write_config(tmp_path)
    (tmp_path / "watched_site.py").write_text(SITE)
    rows = make_rows(20, seed=3)
    with Bento("watched_site:svc", tmp_path, environment(tmp_path / "home", BENTOML_NO_UDS="1")) as bento:
        seen = [variables(pid) for pid in (*bento.pids("Model"), *bento.pids("vedette_kit_pool_default"))]
        assert len(seen) == 3
        assert len({found[names.SECRET] for found in seen}) == 1
        url = json.loads(seen[0]["BENTOML_RUNNER_MAP"])["vedette_kit_pool_default"].replace("tcp://", "http://")
        with httpx.Client(base_url=url, trust_env=False) as client:
            for headers in ({}, {"Authorization": "Bearer guessed"}):
                assert client.post("/internal/api/ingest/default", content=b"x", headers=headers).status_code == 401
                for path in ("api/tap", "api/monitors", "metrics", ""):
                    assert client.get(f"/internal/{path}", headers=headers).status_code == 401, path
        assert bento.http.post("/predict", json={"instances": rows}).json() == answer(rows)
        wait_for(lambda: bento.metrics()["vedette_rows_total"] == len(rows), what=bento.tail)


def test_the_secret_can_be_given_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.SECRET, "the same in all containers")
    assert names.internal_secret() == "the same in all containers"
    monkeypatch.setenv(names.SECRET, "")
    made = names.internal_secret()
    assert len(made) >= 32
    assert names.internal_secret() == made
