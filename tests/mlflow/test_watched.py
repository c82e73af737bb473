"""What the monitors see of a real `vedette mlflow serve` with two scoring processes."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.mlflow.servers import Server, records, until
from tests.mlflow.test_identical import CSV, FORMS, JSON, TABLE

CLIENTS, REQUESTS, ROWS, WORKERS = 6, 40, 7, 2


def settle(server: Server) -> int:
    """Rows that the monitors have, when all that was asked until now has come to them, and some rows of its own."""
    shown(server)
    return int(server.metric("vedette_rows_total"))


def more(server: Server, before: int) -> int:
    """Rows that have come since they were `before`, without those of its own, which it waits for."""
    own = shown(server)
    return int(server.metric("vedette_rows_total")) - before - own


def shown(server: Server) -> int:
    """Ask each process for a prediction, and wait for it: a tap ships in order. Returns how many rows that took."""
    last: dict[str, int] = {}
    rows = 0

    def both() -> bool:
        nonlocal rows
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda _: server.predict(1), range(2 * CLIENTS)))
        rows += len(answers)
        for producer, _, number in (str(answer.header("x-request-id")).rpartition("-") for answer in answers):
            last[producer] = max(last.get(producer, 0), int(number))  # what was answered last need not be its last
        return len(last) == WORKERS

    until(both)
    for identity in (f"{producer}-{number}" for producer, number in last.items()):
        until(lambda identity=identity: server.ask("GET", f"/vedette/api/predictions/{identity}").rows())
    until(lambda: int(server.metric("vedette_rows_total")) == server.counted())
    return rows


def counted(server: Server, rows: int) -> None:
    """Wait until the monitors have counted this many, and see that no more come."""
    until(lambda: server.counted() >= rows)
    assert server.counted() == rows
    assert server.metric("vedette_rows_total") == rows


def test_two_workers_under_load_count_every_row_once(watched: Server) -> None:
    before = settle(watched)

    def client(number: int) -> list[str]:
        answers = [watched.predict(ROWS) for _ in range(REQUESTS)]
        assert {answer.status for answer in answers} == {200}
        assert all(len(answer.json()["predictions"]) == ROWS for answer in answers)
        return [str(answer.header("x-request-id")) for answer in answers]

    with ThreadPoolExecutor(CLIENTS) as pool:
        ids = [identity for found in pool.map(client, range(CLIENTS)) for identity in found]
    assert len(set(ids)) == CLIENTS * REQUESTS
    assert len({identity.rpartition("-")[0] for identity in ids}) == 2, "both processes have answered"
    counted(watched, before + CLIENTS * REQUESTS * ROWS)
    assert watched.metric("vedette_dropped_rows_total") == 0


@pytest.mark.parametrize(
    "name", ["dataframe_split", "dataframe_records", "instances, records", "inputs, columns", "params", "csv"]
)
def test_every_format_becomes_rows(watched: Server, name: str) -> None:
    form = next(form for form in FORMS if form.name == name)
    identity = f"format-{name.replace(' ', '-').replace(',', '')}"
    answer = watched.ask("POST", form.path, form.data, {**form.headers, "X-Request-Id": identity})
    assert answer.status == 200
    assert answer.header("x-request-id") == identity
    rows = until(lambda: watched.ask("GET", f"/vedette/api/predictions/{identity}").rows())
    assert [row["prediction"] for row in rows] == answer.json()["predictions"]


def test_csv_is_read_by_its_content_type(watched: Server) -> None:
    before = watched.metric("vedette_undecodable_calls_total")
    assert watched.ask("POST", "/invocations", TABLE, {**CSV, "X-Request-Id": "table"}).status == 200
    until(lambda: watched.ask("GET", "/vedette/api/predictions/table").rows())
    assert watched.metric("vedette_undecodable_calls_total") == before


def test_labels_find_their_predictions_by_the_id_of_the_answer(watched: Server) -> None:
    answer = watched.predict(3)
    identity = str(answer.header("x-request-id"))
    labels = answer.json()["predictions"]
    assert watched.post("/vedette/feedback", {"id": identity, "labels": labels}).status == 202
    path = f"/vedette/api/predictions/{identity}"
    rows = until(lambda: [row for row in watched.ask("GET", path).rows() if row["label"] is not None])
    assert [row["label"] for row in rows] == labels


def test_the_version_behind_the_alias_stands_beside_the_rows(watched: Server) -> None:
    assert "models:/tumours/1:" in watched.output()
    watched.predict(1, {"X-Request-Id": "versioned"})
    until(lambda: watched.ask("GET", "/vedette/api/predictions/versioned").rows())
    with closing(sqlite3.connect(watched.folder / "vedette.db")) as connection:
        assert connection.execute("SELECT DISTINCT model_version FROM predictions").fetchall() == [("1",)]


def test_an_instance_is_explained_through_the_models_probabilities(watched: Server) -> None:
    split = records(1)["dataframe_split"]
    row = dict(zip(split["columns"], split["data"][0], strict=True))
    before = settle(watched)
    answer = watched.post("/vedette/explain", {"instances": [row]})
    assert answer.status == 200, answer.body
    data = answer.json()["explanations"][0]["data"]
    shares, raw = data["shap_values"]["malignant"], data["raw"]["raw_prediction"]["malignant"]
    assert set(shares) == set(row)
    assert 0 < raw < 1, "a probability, not a class"
    assert sum(shares.values()) + data["expected_value"]["malignant"] == pytest.approx(raw)
    assert more(watched, before) == 0, "what an explainer asks is no traffic"


def test_a_past_prediction_is_explained_by_its_id(watched: Server) -> None:
    identity = str(watched.predict(1).header("x-request-id"))
    answer = until(lambda: (found := watched.post("/vedette/explain", {"id": identity})).status == 200 and found)
    assert len(answer.json()["explanations"]) == 1


def test_calls_that_ask_not_to_be_logged_are_not(watched: Server) -> None:
    before = settle(watched)
    assert watched.predict(2, {"Seldon-Skip-Logging": "true"}).status == 200
    assert watched.predict(1).status == 200
    assert more(watched, before) == 1


FAILING = [form for form in FORMS if form.method == "POST" and form.path == "/invocations"]


def test_every_request_that_fails_is_counted_once(watched: Server) -> None:
    """All kinds of bad requests: MLflow's 400 and 415, and what makes it raise; with a body, without one, chunked."""
    settle(watched)
    before = watched.metric("vedette_failed_calls_total")
    statuses = [watched.ask(form.method, form.path, form.data, form.headers).status for form in FAILING]
    statuses.append(watched.ask("POST", "/invocations", iter([b"{", b"}"]), JSON).status)
    failed = [status for status in statuses if status >= 400]
    assert set(failed) == {400, 415, 500}
    assert len(failed) >= 30
    assert watched.ask("POST", "/invocations", "{", {**JSON, "Seldon-Skip-Logging": "true"}).status == 400
    settle(watched)
    assert watched.metric("vedette_failed_calls_total") == before + len(failed)


def test_the_page_is_beside_the_model(watched: Server) -> None:
    redirect = watched.ask("GET", "/vedette")
    assert redirect.status == 307
    page = watched.ask("GET", "/vedette/", headers={"Accept": "text/html"})
    assert page.status == 200
    assert b"tumours" in page.body


def test_other_sites_are_not_let_in_without_a_token(watched: Server) -> None:
    refused = watched.ask("GET", "/vedette/api/monitors", headers={"Host": "evil.example"})
    assert refused.status == 400
    assert watched.ask("GET", "/ping", headers={"Host": "evil.example"}).status == 200, "MLflow's own are not guarded"


def test_scoring_processes_take_no_batches(watched: Server) -> None:
    assert (
        watched.ask("POST", "/vedette/api/ingest/default", b"x", {"Content-Type": "application/octet-stream"}).status
        == 404
    )
