"""Monitors that run elsewhere: the tap ships to `vedette serve`, and /vedette beside the model is its API."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.mlflow.conftest import MODEL, Here
from tests.mlflow.servers import COMMAND, JSON, Registry, Server, records, until

from vedette.http.handing_on import climbs
from vedette_mlflow import forwarding
from vedette_mlflow.forwarding import MAX_BODY, Forwarding
from vedette_mlflow.paths import handed_on

TOKEN = {"Authorization": "Bearer hush"}


@pytest.fixture(scope="module")
def monitors(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`vedette serve`, which has a copy of the model for explanations."""
    folder = tmp_path_factory.mktemp("afar")
    yaml = registry.yaml(folder, "server: {tokens: hush}\n")
    yaml.write_text(yaml.read_text().replace("{name: tumours}", f'{{name: tumours, uri: "{MODEL}"}}'))
    pattern = re.compile(r"http://127\.0\.0\.1:(\d+)")
    found = Server([*COMMAND, "serve", str(yaml), "--port", "0"], registry.environment, folder, pattern)
    try:
        found.port = int(until(lambda: found.alive() and pattern.search(found.output()))[1])
        yield found
    finally:
        assert found.stop() == 0


@pytest.fixture(scope="module")
def model(monitors: Server, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ["-m", MODEL, "--monitors-url", f"http://127.0.0.1:{monitors.port}", "--token", "hush"]
    found = registry.serve(tmp_path_factory.mktemp("near"), *options)
    try:
        yield found.wait_ready()
    finally:
        assert found.stop() == 0


def both(model: Server, monitors: Server, path: str) -> tuple[Any, Any]:
    """What is answered beside the model, and by the monitors themselves."""
    return model.ask("GET", f"/vedette{path}", headers=TOKEN), monitors.ask("GET", path, headers=TOKEN)


def test_rows_labels_and_results_go_there_and_come_back(model: Server, monitors: Server) -> None:
    assert model.children("vedette_mlflow.monitoring") == []
    assert re.search(r"monitors: http://127\.0\.0\.1:\d+/vedette/ \(at http://127\.0\.0\.1:\d+\)", model.output())
    answer = model.predict(6)
    assert answer.status == 200
    identity, labels = answer.header("x-request-id"), answer.json()["predictions"]
    path = f"/vedette/api/predictions/{identity}"
    until(lambda: len(model.ask("GET", path, headers=TOKEN).rows()) == 6)
    body = f'{{"id": "{identity}", "labels": {str(labels).replace(chr(39), chr(34))}}}'
    assert model.ask("POST", "/vedette/feedback", body, {**JSON, **TOKEN}).status == 202
    until(lambda: [row["label"] for row in model.ask("GET", path, headers=TOKEN).rows()] == labels)


@pytest.mark.parametrize("path", ["/api/monitors", "/api/results?monitor=quality&limit=2", "/openapi.json", "/healthz"])
def test_answers_are_the_monitors_own(model: Server, monitors: Server, path: str) -> None:
    here, there = both(model, monitors, path)
    assert (here.status, here.body) == (there.status, there.body)
    assert sorted(name for name, _ in here.headers) == sorted({name for name, _ in there.headers} | {"date", "server"})


def test_errors_are_the_monitors_own(model: Server, monitors: Server) -> None:
    for path, status in [("/api/results?monitor=qualty", 404), ("/api/results?limit=x", 422)]:
        here, there = both(model, monitors, path)
        assert (here.status, here.body) == (there.status, there.body)
        assert here.status == status


def test_the_taps_token_is_nobody_elses(model: Server) -> None:
    for path in ("/vedette/", "/vedette/api/monitors", "/vedette/metrics"):
        refused = model.ask("GET", path)
        assert (refused.status, "www-authenticate" in dict(refused.headers)) == (401, True)
    assert model.ask("GET", "/vedette/api/monitors", headers={"Authorization": "Bearer wrong"}).status == 401
    assert model.ask("POST", "/vedette/feedback", '{"id": "a", "label": 1}', JSON).status == 401


def test_the_pages_links_lead_to_where_it_is_seen(model: Server) -> None:
    redirect = model.ask("GET", "/vedette")
    assert (redirect.status, redirect.header("location")) == (307, "/vedette/")
    page = model.ask("GET", "/vedette/", headers=TOKEN)
    assert page.status == 200
    links = re.findall(r'href="([^"]+)"', page.body.decode())
    assert len(links) > 4
    assert all(link.startswith("/vedette/") for link in links)
    assert {model.ask("GET", link, headers=TOKEN).status for link in links} == {200}


def test_an_explanation_is_by_the_monitors_copy_of_the_model(model: Server) -> None:
    split = records(1)["dataframe_split"]
    row = dict(zip(split["columns"], split["data"][0], strict=True))
    text = str(row).replace("'", '"')
    answer = model.ask("POST", "/vedette/explain", f'{{"instances": [{text}]}}', {**JSON, **TOKEN})
    assert answer.status == 200, answer.body
    assert set(answer.json()["explanations"][0]["data"]["shap_values"]["malignant"]) == set(row)


def test_what_is_not_for_clients_of_the_model_is_not_there(model: Server) -> None:
    for method, path in [("GET", "/vedette/api/tap"), ("POST", "/vedette/api/ingest/default"),
                         ("POST", "/vedette/api/%69ngest/default"), ("POST", "/vedette//api/ingest/default"),
                         ("POST", "/vedette/predict"), ("GET", "/vedette/v2"), ("GET", "/vedette/../ping"),
                         ("GET", "/vedette/api/%2e%2e/api/tap"), ("GET", "/%76edette/api/monitors")]:  # fmt: skip
        assert model.ask(method, path, "" if method == "POST" else None, TOKEN).status == 404, path


def test_a_body_that_is_too_large_is_not_handed_on(model: Server) -> None:
    answer = model.ask("POST", "/vedette/feedback", b" " * (MAX_BODY + 1), {**JSON, **TOKEN})
    assert (answer.status, answer.json()["field"]) == (413, "body")


def test_monitors_that_stand_still_are_told_and_hold_up_no_prediction(model: Server, monitors: Server) -> None:
    os.kill(monitors.process.pid, signal.SIGSTOP)
    try:
        late = model.ask("GET", "/vedette/api/monitors", headers=TOKEN)
        assert model.predict(1).status == 200
    finally:
        os.kill(monitors.process.pid, signal.SIGCONT)
    assert (late.status, late.json()["error"]) == (504, "the monitors have not answered within 10 s")
    assert model.ask("GET", "/vedette/api/monitors", headers=TOKEN).status == 200


def test_a_wrong_token_ends_the_command(monitors: Server, here: Here) -> None:
    url = f"http://127.0.0.1:{monitors.port}"
    code, text = here("mlflow", "serve", "-m", MODEL, "--port", "0", "--monitors-url", url, "--token", "wrong")
    assert code == 2
    assert "401" in text


def asked(there: Callable[..., Any] | None, path: str = "/vedette/api/monitors", **changes: Any) -> httpx.Response:
    """Of a forwarding whose monitors are an application in this process; None: nobody listens."""

    async def nobody(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the model is not asked")

    async def work() -> httpx.Response:
        front = Forwarding(nobody, "http://127.0.0.1:9/vedette/tumours")
        if there is not None:
            front._client = httpx.AsyncClient(transport=httpx.ASGITransport(there))
        transport = httpx.ASGITransport(front, client=changes.pop("client", ("127.0.0.1", 5)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, **changes)

    return asyncio.run(work())


async def open_to_all(scope: Any, receive: Any, send: Any) -> None:
    """Monitors without tokens."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 100})


def test_monitors_that_nobody_answers_for_are_a_bad_gateway() -> None:
    reply = asked(None)
    assert (reply.status_code, reply.json()) == (502, {"error": "the monitors cannot be reached"})


def test_monitors_without_tokens_are_shown_to_this_machine_only() -> None:
    assert asked(open_to_all).status_code == 200
    assert asked(open_to_all, client=("192.0.2.7", 5)).status_code == 403
    assert asked(open_to_all, client=("192.0.2.7", 5), headers={"Authorization": "Bearer any"}).status_code == 403
    assert asked(open_to_all, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403
    assert asked(open_to_all, headers={"Host": "evil.example"}).status_code == 400


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MAX_ANSWER", 99)
    reply = asked(open_to_all)
    assert reply.status_code == 502
    assert "more than 99 bytes" in reply.json()["error"]


def test_no_more_than_a_few_are_under_way() -> None:
    waiting, released = [], asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        waiting.append(scope["path"])
        await released.wait()
        await open_to_all(scope, receive, send)

    async def work() -> list[int]:
        front = Forwarding(slow, "http://monitors")
        front._client = httpx.AsyncClient(transport=httpx.ASGITransport(slow))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost") as client:
            first = [asyncio.create_task(client.get("/vedette/metrics")) for _ in range(forwarding.AT_ONCE)]
            while len(waiting) < forwarding.AT_ONCE:
                await asyncio.sleep(0)
            refused = await client.get("/vedette/metrics")
            released.set()
            return [refused.status_code, *[(await task).status_code for task in first]]

    assert asyncio.run(work()) == [503, *[200] * forwarding.AT_ONCE]


def test_paths() -> None:
    assert all(map(handed_on, ["", "api/monitors", "api/alerts/r/acknowledge", "feedback", "explain/why", "metrics"]))
    assert not any(map(handed_on, ["api/tap", "api//tap", "/api/ingest/x", "predict", "v1/models/m:predict", "/"]))
    assert climbs({"path": "/vedette/api/../x", "raw_path": b"/vedette/api/%2e%2e/x"})
    assert not climbs({"path": "/vedette/api/a b", "raw_path": b"/vedette/api/a%20b"})
