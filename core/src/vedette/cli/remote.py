"""Asking a running server, for commands that take --url."""

from __future__ import annotations

from typing import Any

import httpx

TIMEOUT = 30.0


class Unanswered(OSError):
    """The server does not answer, or answers with an error."""


class Refused(Unanswered):
    """The server says that the request is wrong (400): sent again, it would be refused again."""


class Remote:
    """base: as in http://host:8200 or https://host/vedette/income."""

    def __init__(self, base: str, token: str | None) -> None:
        if not base.startswith(("http://", "https://")):
            raise ValueError(f"--url: {base!r} is no address; allowed: http://host[:port][/path] or https://...")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._base = base.rstrip("/")
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT)

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, json=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def close(self) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        url = f"{self._base}/{path}"
        try:
            reply = self._client.request(method, url, **arguments)
            body = reply.json()
        except httpx.HTTPError as error:
            raise Unanswered(f"{url} does not answer: {error}") from error
        except ValueError as error:
            raise Unanswered(f"{url} answered {reply.status_code} without JSON: is it a Vedette server?") from error
        if reply.is_error:
            reason = body.get("error") if isinstance(body, dict) else body
            kind = Refused if reply.status_code == 400 else Unanswered
            raise kind(f"{url} answered {reply.status_code}: {reason}")
        return body
