"""Without tokens this machine alone is served: not others, not their proxies, not sites that a browser was led to."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse

from vedette.http.loopback import LoopbackOnly

APP = LoopbackOnly(PlainTextResponse("served"))


def ask(client: tuple[str, int], **headers: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(APP, client=client)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8200") as http:
            return await http.get("/", headers=headers)

    return asyncio.run(asked())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.4.4.4", "::1"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8200", "[::1]:8200"])
def test_this_machine_is_served(address: str, host: str) -> None:
    assert ask((address, 5), host=host).text == "served"


@pytest.mark.parametrize("address", ["10.0.0.7", "2001:db8::1", "0.0.0.0", "somewhere"])
def test_other_machines_are_not_whatever_host_they_name(address: str) -> None:
    reply = ask((address, 5), host="localhost")
    assert (reply.status_code, reply.json()["error"]) == (403, "without server.tokens only this machine is served")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_a_proxy_on_this_machine_speaks_for_others(header: str) -> None:
    reply = ask(("127.0.0.1", 5), **{header: "10.0.0.7"})
    assert reply.status_code == 403
    assert header.lower() in reply.json()["error"]


def test_another_site_s_name_is_refused() -> None:
    reply = ask(("127.0.0.1", 5), host="evil.example")
    assert reply.status_code == 400
    assert "evil.example" in reply.json()["error"]
