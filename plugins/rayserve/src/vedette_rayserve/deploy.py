"""Into a live Serve: merge by application name, so that nothing that runs is removed."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from vedette_rayserve.serve_config import Config, ServeConfigError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
TIMEOUT = 60.0


class DeployFailed(RuntimeError):
    """Ray's dashboard cannot be reached, or refused the configuration."""


class ServeClient:
    """The REST API of Ray's dashboard.

    keep: connections, for the next request; without, nothing is left open by one that is never closed.
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, headers: Mapping[str, str] | None = None, keep: bool = True
    ) -> None:
        self.address = address.rstrip("/")
        limits = httpx.Limits(max_keepalive_connections=None if keep else 0)
        self._client = httpx.Client(timeout=TIMEOUT, headers=dict(headers or {}), trust_env=False, limits=limits)

    def applications(self) -> dict[str, Any]:
        """Status and configuration of what runs, by name."""
        found: dict[str, Any] = self._get("/api/serve/applications/").get("applications", {})
        return found

    def live(self) -> Config:
        """What was deployed by configuration, as a configuration; applications of `serve.run` are not touched by it."""
        details = self._get("/api/serve/applications/")
        configs = [item.get("deployed_app_config") for item in details.get("applications", {}).values()]
        found: Config = {"applications": [config for config in configs if config]}
        for key in ("proxy_location", "http_options", "grpc_options", "target_capacity"):
            if details.get(key) is not None and found["applications"]:
                found[key] = details[key]
        return found

    def proxy(self) -> str:
        """Where Serve answers over HTTP: the address it is bound to, or the dashboard's where it is bound to all."""
        options = self._get("/api/serve/applications/").get("http_options") or {}
        host, port = options.get("host") or "0.0.0.0", options.get("port", 8000)
        if host in ("0.0.0.0", "::"):
            host = urlsplit(self.address).hostname or "127.0.0.1"
        path = str(options.get("root_path") or "").rstrip("/")
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def nodes(self) -> int:
        """How many nodes the cluster has."""
        summary = self._get("/nodes?view=summary").get("data", {}).get("summary", [])
        return sum(node.get("raylet", {}).get("state") == "ALIVE" for node in summary)

    def put(self, config: Mapping[str, Any]) -> None:
        response = self._send("PUT", "/api/serve/applications/", json=dict(config))
        if not response.is_success:
            raise DeployFailed(f"{self.address} refused the configuration ({response.status_code}): {response.text}")

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str) -> dict[str, Any]:
        response = self._send("GET", path)
        if not response.is_success:
            raise DeployFailed(f"GET {self.address}{path} answered {response.status_code}: {response.text[:500]}")
        body: dict[str, Any] = response.json()
        return body

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._client.request(method, self.address + path, **content)
        except httpx.TransportError as error:
            raise DeployFailed(f"Ray's dashboard does not answer at {self.address}: {error}") from error


def merged(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Config:
    """The live configuration with the wanted applications laid on it by name; none is removed."""
    applications = wanted.get("applications")
    if not isinstance(applications, list):
        raise ServeConfigError("applications: a list of applications is missing; this is no file for `serve deploy`")
    made: Config = {**copy.deepcopy(dict(live)), **{k: v for k, v in wanted.items() if k != "applications"}}
    by_name = {item.get("name", "default"): item for item in [*live.get("applications", ()), *applications]}
    made["applications"] = [copy.deepcopy(item) for item in by_name.values()]
    routes: dict[Any, str] = {}
    for item in made["applications"]:
        name, route = item.get("name", "default"), item.get("route_prefix", "/")
        if route is not None and routes.setdefault(route, name) != name:
            raise ServeConfigError(f"route_prefix: {route!r} is of {routes[route]!r}, which runs, and of {name!r}")
    return made


def without(live: Mapping[str, Any], names: Collection[str]) -> Config:
    """The live configuration without the applications of these names, which Serve then ends."""
    made: Config = copy.deepcopy(dict(live))
    made["applications"] = [item for item in made.get("applications", ()) if item.get("name", "default") not in names]
    return made


def changes(live: Mapping[str, Any], made: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(application, add | change | keep, unified diff), in the order of `made`."""
    before = {item.get("name", "default"): item for item in live.get("applications", ())}
    found = []
    for item in made["applications"]:
        name = item.get("name", "default")
        old, new = _text(before.get(name)), _text(item)
        action = "add" if name not in before else "keep" if old == new else "change"
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "running", "wanted", lineterm="", n=2)
        found.append((name, action, "\n".join(lines)))
    return found


def check_store(config: Mapping[str, Any], nodes: int) -> None:
    """SQLite is for one machine: ServeConfigError where the cluster has more."""
    for item in config["applications"]:
        store = (item.get("args") or {}).get("store", "") if isinstance(item.get("args"), Mapping) else ""
        if str(store).startswith("sqlite") and nodes > 1:
            raise ServeConfigError(
                f"application {item.get('name')!r}: store: SQLite lives on one machine, "
                f"and the cluster has {nodes} nodes: use postgresql://"
            )


def _text(config: Mapping[str, Any] | None) -> str:
    return "" if config is None else yaml.safe_dump(dict(config), sort_keys=True, allow_unicode=True)
