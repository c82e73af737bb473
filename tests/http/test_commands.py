"""build, diff, status and labels: against a store, and against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from sqlalchemy import select
from tests.http.sites import MODEL, YAML, Site, label_list, site, write_config
from typer.testing import CliRunner

from vedette.cli import make_cli
from vedette.engine.bundle import Bundle
from vedette.plugins import get_registry
from vedette.store import series
from vedette.store.database import Store
from vedette.store.tables import labels


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(make_cli(), [str(item) for item in arguments])
    shown = f"{result.output}{result.exception!r}"
    if code == 0:
        assert result.exit_code == 0, shown
    else:
        assert result.exit_code != 0, shown
    return result


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    folder = tmp_path_factory.mktemp("running")
    with site(folder) as found:
        found.predict(50, "seen")
        found.settle()
        yield found, folder


# build and diff


def test_build_writes_the_same_bundle_twice(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    first = json.loads(run("build", path, "-o", tmp_path / "out", "--json").stdout)
    again = run("build", path, "-o", tmp_path / "out").stdout.strip()
    assert first["digest"] == again
    data = (Path(first["folder"]) / "bundle.vdt").read_bytes()
    assert first["bytes"] == len(data)
    assert Bundle.from_bytes(data, get_registry()).digest == again
    assert not (tmp_path / "vedette.db").exists()


def test_build_can_put_the_bundle_into_the_store(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    found = json.loads(run("build", path, "-o", tmp_path / "out", "--store", "--json").stdout)
    store = Store(f"sqlite:///{tmp_path / 'vedette.db'}")
    with store.read() as connection:
        assert series.get_bundle(connection, found["digest"]) is not None
        assert series.deployed(connection, "income") is None
    store.close()


def actions(result: Result) -> dict[str, str]:
    return {change["monitor"]: change["action"] for change in json.loads(result.stdout)["changes"]}


def test_diff_without_a_store_starts_everything_and_makes_none(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    found = actions(run("diff", path, "--json"))
    assert found == dict.fromkeys(("performance", "quality", "drift", "outliers"), "start")
    assert not (tmp_path / "vedette.db").exists()


def test_diff_says_what_is_kept_restarted_retired_and_started(running: tuple[Site, Path]) -> None:
    _, folder = running
    changed = YAML.replace("{detect: ks, window: recent}", "{detect: {use: ks, correction: bh}, window: recent}")
    changed = changed.replace("  outliers:", "  strange:").replace("0.999", "0.5")
    over = folder / "changed.yaml"
    over.write_text(changed.replace("STORE", "sqlite:///vedette.db"))
    assert set(actions(run("diff", folder / "monitors.yaml", "--json")).values()) == {"keep"}
    found = actions(run("diff", over, "--json"))
    assert found["performance"] == found["quality"] == "keep"
    assert (found["strange"], found["outliers"]) == ("start", "retire")
    shown = run("diff", over).stdout
    assert "retire" in shown
    assert "no longer declared" in shown


# status


def test_status_of_a_store_and_of_a_server_agree(running: tuple[Site, Path]) -> None:
    found, folder = running
    url = f"sqlite:///{folder / 'vedette.db'}"
    (of_store,) = json.loads(run("status", "--store", url, "--json").stdout)
    (of_server,) = json.loads(run("status", "--url", found.url, "--json").stdout)
    assert of_store["monitors"] == of_server["monitors"]
    assert of_store["status"]["bundle"] == of_server["status"]["bundle"]
    shown = run("status", "--store", url).stdout
    for text in ("income", "1 replicas", "performance", "drift", "p_value", "captured 50"):
        assert text in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--store", "sqlite:///gone/vedette.db"), "there is no store"),
        (("--url", "localhost:8200"), "is no address"),
        (("--url", "http://127.0.0.1:9"), "does not answer"),
    ],
)
def test_status_of_nothing(arguments: tuple[str, ...], says: str) -> None:
    assert says in str(run("status", *arguments, code=1).exception)


def test_status_of_a_model_that_is_not_there(running: tuple[Site, Path]) -> None:
    url = f"sqlite:///{running[1] / 'vedette.db'}"
    assert "there are: income" in str(run("status", "--store", url, "--model", "churn", code=1).exception)


def test_a_page_that_is_no_server_of_ours(running: tuple[Site, Path]) -> None:
    assert "404" in str(run("status", "--url", f"{running[0].url}/nowhere", code=1).exception)


# labels


def labelled(found: Site, request: str) -> list[Any]:
    found.settle()
    return [row["label"] for row in found.client.get(f"/api/predictions/{request}").json()]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("remote", [True, False])
def test_labels_reach_their_predictions(running: tuple[Site, Path], ending: str, remote: bool) -> None:
    found, folder = running
    request = f"labels-{ending}-{remote}"
    found.predict(30, request, seed=5)
    wanted = label_list(MODEL.rows(30, 5))
    frame = pd.DataFrame({"id": request, "label": wanted, "row": range(30), "annotator": "anna", "time": 1.7e9})
    path = folder / f"labels.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path, index=False)
    arguments = ["--url", found.url] if remote else []
    assert "30 labels are stored" in run("labels", folder / "monitors.yaml", path, *arguments).stdout
    assert labelled(found, request) == wanted


def test_many_labels_go_in_chunks(running: tuple[Site, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found, folder = running
    before = found.client.get("/api/status").json()["counters"].get("labels_pending", 0)
    path = folder / "many.csv"
    pd.DataFrame({"id": [f"later-{i}" for i in range(25_000)], "label": ">50K"}).to_csv(path, index=False)
    assert "25,000 labels" in run("labels", folder / "monitors.yaml", path).stdout
    after = found.client.get("/api/status").json()["counters"]["labels_pending"]
    assert after - before == 25_000


def test_times_may_be_timestamps(running: tuple[Site, Path]) -> None:
    _, folder = running
    path = folder / "times.parquet"
    times = pd.to_datetime(["2026-01-01T00:00:00Z", None])
    pd.DataFrame({"id": ["t-1", "t-2"], "label": ">50K", "time": times, "annotator": ["anna", None]}).to_parquet(path)
    run("labels", folder / "monitors.yaml", path)


def test_times_of_csv_files_may_be_iso_8601(running: tuple[Site, Path]) -> None:
    _, folder = running
    path = folder / "times.csv"
    path.write_text("id,label,time\niso-1,>50K,2026-01-01T00:00:00Z\niso-2,>50K,\n")
    run("labels", folder / "monitors.yaml", path)
    store = Store(f"sqlite:///{folder / 'vedette.db'}")
    with store.read() as connection:
        times = {r.request: r.time for r in connection.execute(select(labels.c.request, labels.c.time))}
    store.close()
    assert times["iso-1"] == 1_767_225_600.0
    assert times["iso-2"] > 1.7e9
    path.write_text("id,label,time\niso-3,>50K,soon\n")
    assert "allowed: seconds since the epoch or ISO 8601" in str(
        run("labels", folder / "monitors.yaml", path, code=1).exception
    )


def test_a_file_is_read_in_chunks_with_annotators_and_sent_again_adds_nothing(
    running: tuple[Site, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = running
    monkeypatch.setattr("vedette.cli.label_files.CHUNK", 4)
    rows = pd.DataFrame({"id": [f"c-{i}" for i in range(10)], "label": ">50K", "annotator": "kim", "time": 1.7e9})
    for ending in ("csv", "parquet"):
        path = folder / f"chunks.{ending}"
        rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path, index=False)
        first = "10 labels are stored;" if ending == "csv" else "0 labels are stored (10 were known);"
        assert first in run("labels", folder / "monitors.yaml", path).stdout
    rows.loc[9, "label"] = "rich"
    rows.to_csv(folder / "chunks.csv", index=False)
    error = str(run("labels", folder / "monitors.yaml", folder / "chunks.csv", code=1).exception)
    assert f"{folder / 'chunks.csv'}: column 'label': row 10: 'rich' is not a class; allowed: " in error
    assert error.endswith("(8 labels are stored)")
    arguments = [folder / "monitors.yaml", folder / "chunks.csv", "--url", running[0].url]
    assert str(run("labels", *arguments, code=1).exception) == error  # a server knows the place in its request only


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a"]}, "column 'label' is missing"),
        ({"label": [">50K"]}, "column 'id' is missing"),
        ({"id": ["a"], "label": [">50K"], "weight": [1]}, "column 'weight' is not known"),
        ({"id": ["a", "b"], "label": [">50K", "rich"]}, "column 'label': row 2: 'rich' is not a class"),
        ({"id": ["a", "b"], "label": [">50K", None]}, "row 2: 'label' is empty"),
        ({"id": ["a"], "label": [">50K"], "row": [-1]}, "column 'row': row 1 holds "),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_files_that_are_wrong(running: tuple[Site, Path], columns: dict[str, Any], says: str, ending: str) -> None:
    found, folder = running
    before = found.client.get("/api/status").json()["counters"]
    path = folder / f"wrong.{ending}"
    frame = pd.DataFrame(columns)
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path, index=False)
    assert says in str(run("labels", folder / "monitors.yaml", path, code=1).exception)
    after = found.client.get("/api/status").json()["counters"]
    assert after.get("labels_pending") == before.get("labels_pending")


def test_a_file_of_another_kind(running: tuple[Site, Path]) -> None:
    path = running[1] / "labels.xlsx"
    path.write_bytes(b"x")
    assert "allowed: .parquet, .csv" in str(run("labels", running[1] / "monitors.yaml", path, code=1).exception)


@pytest.mark.parametrize("name", ["build", "diff", "serve", "status", "labels"])
def test_help_has_an_example(name: str) -> None:
    assert f"vedette {name} " in run(name, "--help").stdout


def test_labels_of_rows_that_a_request_does_not_have(running: tuple[Site, Path]) -> None:
    found, folder = running
    found.predict(3, "three", seed=6)
    found.settle()
    path = folder / "beyond.csv"
    pd.DataFrame({"id": ["three", "three", "unheard"], "label": ">50K", "row": [2, 7, 9]}).to_csv(path, index=False)
    done = run("labels", folder / "monitors.yaml", path)
    assert "3 labels are stored" in done.stdout
    assert "note: request 'three' has 3 rows (0 to 2), and a label of row 7" in done.stderr
    assert "unheard" not in done.stderr  # its prediction may still come
    assert "are given up after 1w" in done.stderr
