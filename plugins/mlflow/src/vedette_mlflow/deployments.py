"""The target `vedette-rayserve` of `mlflow deployments`: a model on Ray Serve, watched.

Only what such a deployment consists of is ever touched: the application `<name>` and the one that watches it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST

from vedette.plugins.errors import did_you_mean
from vedette_mlflow import rayserve_config as made
from vedette_mlflow.rayserve_config import OPTIONS, Wanted
from vedette_rayserve.deploy import DEFAULT_ADDRESS, DeployFailed, ServeClient, check_store, merged, without

TARGET = "vedette-rayserve"
FLAVOR = "python_function"
POLL = 0.5
UNDO_TIMEOUT = 120.0  # seconds in which what ran before has to run again
REQUEST_TIMEOUT = 60.0
HELP = f"""A model of MLflow on Ray Serve, with its monitors beside it.

Target: {TARGET}, or {TARGET}:http://host:8265 with the address of Ray's dashboard ({DEFAULT_ADDRESS} by default,
or RAY_DASHBOARD_ADDRESS). Where Serve's proxy is not found by itself: {TARGET}:http://host:8265?serve=http://host:8000

    mlflow deployments create -t {TARGET} -m models:/income@champion --name income --config monitors=monitors.yaml

    mlflow deployments predict -t {TARGET} --name income -I rows.json

    mlflow deployments explain -t {TARGET} --name income -I rows.json

The cluster needs vedette[rayserve,mlflow], what the model needs, and a way to MLflow and to the store.
Monitors that ask for a token get the one in VEDETTE_TOKEN.

--config:
""" + "\n".join(f"    {key:<14} {text}" for key, text in OPTIONS.items())


def target_help() -> str:
    return HELP


def run_local(name: str, model_uri: str, flavor: str | None = None, config: Mapping[str, Any] | None = None) -> None:
    """Serve the model on a Ray of its own on this machine, until SIGINT or SIGTERM."""
    import signal

    from vedette_rayserve.local import LocalRay

    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with LocalRay() as ray:
            client = RayServeClient(f"{TARGET}:{ray.dashboard}", {"host": "127.0.0.1", "port": ray.http_port})
            found = client.create_deployment(name, model_uri, flavor, dict(config or {}))
            print(f"{found['model_uri']}: {found['url']}/invocations; monitors: {found['monitors_url']}/", flush=True)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RayServeClient(BaseDeploymentClient):
    """MLflow's client of a Ray cluster. Raises MlflowException."""

    def __init__(self, target_uri: str, http_options: Mapping[str, Any] | None = None) -> None:
        self.target_uri = target_uri  # all that the base class's untyped __init__ does
        address, self._proxy = _addresses(target_uri)
        self._serve = ServeClient(address, keep=False)  # MLflow closes no client
        self._http_options = http_options

    def create_deployment(
        self, name: str, model_uri: str, flavor: str | None = None, config: Any = None, endpoint: str | None = None
    ) -> dict[str, Any]:
        """Deploy model and monitors, and wait until both run; what cannot run is taken away again."""
        _check(flavor, endpoint)
        live = _asked(self._serve.live)
        if name in _by_name(live):
            raise MlflowException(f"an application {name!r} exists on {self._serve.address}", RESOURCE_ALREADY_EXISTS)
        wanted = _asked(lambda: Wanted.of(name, config))
        new = _asked(lambda: made.configuration(wanted, model_uri))
        if self._http_options is not None:
            new["http_options"] = dict(self._http_options)
        self._refuse_taken(live, new)
        whole = self._whole(live, new)
        try:
            self._run(whole, new, wanted.timeout)
        except MlflowException as error:
            self._undo(error, new, [])
            raise
        return self.get_deployment(name)

    def update_deployment(
        self, name: str, model_uri: str | None = None, flavor: str | None = None, config: Any = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Another model, other monitors, other options; what is not named stays. Waits until both run; where they do
        not, what was deployed before is put back."""
        _check(flavor, endpoint)
        live = _asked(self._serve.live)
        before = self._pair(live, name)
        if before["monitors"] is None:
            raise MlflowException(f"{name!r} has lost its monitors: delete it and create it again")
        wanted = _asked(lambda: Wanted.of(name, config))
        new = _asked(lambda: made.configuration(wanted, model_uri, before))
        rest = without(live, made.names_of(before))
        self._refuse_taken(rest, new)
        whole = self._whole(rest, new)
        try:
            self._run(whole, new, wanted.timeout)
        except MlflowException as error:
            self._undo(error, new, [before["model"], before["monitors"]])
            raise MlflowException(f"{error}; {name!r} runs as it did before") from error
        return self.get_deployment(name)

    def delete_deployment(self, name: str, config: Any = None, endpoint: str | None = None) -> None:
        """Take away the two applications; nothing happens where they are gone already."""
        _check(None, endpoint)
        live = _asked(self._serve.live)
        if name not in _by_name(live):
            return
        gone = made.names_of(self._pair(live, name))
        _asked(lambda: self._serve.put(without(live, gone)))
        timeout = _asked(lambda: Wanted.of(name, config)).timeout
        self._until(lambda running: not set(gone) & set(running), timeout, f"{', '.join(gone)} to go")

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        _check(None, endpoint)
        found = _by_name(_asked(self._serve.live))
        return [self.get_deployment(name) for name, config in found.items() if made.is_ours(config)]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        _check(None, endpoint)
        found = self._pair(_asked(self._serve.live), name)
        running = _asked(self._serve.applications)
        model, monitors = found["model"], found["monitors"]
        args = model["args"]["args"]
        base = self._proxy or _asked(self._serve.proxy)
        shown = {
            "name": name, "flavor": FLAVOR, "model_uri": args["model_uri"], "version": args.get("version", ""),
            **_state(running.get(name, {})), "url": f"{base}{model['route_prefix'].rstrip('/')}",
        }  # fmt: skip
        if monitors is not None:
            shown |= {
                "monitors": monitors["name"], "monitors_url": f"{base}{monitors['route_prefix']}",
                "monitors_status": running.get(monitors["name"], {}).get("status", "UNKNOWN"),
                "bundle": monitors["args"]["bundle"],
            }  # fmt: skip
        return shown

    def predict(self, deployment_name: Any = None, inputs: Any = None, endpoint: str | None = None) -> Any:
        """inputs: DataFrame, array, list, or a request in a form of MLflow's. Returns a PredictionsResponse."""
        _check(None, endpoint)
        url = f"{self.get_deployment(str(deployment_name))['url']}/invocations"
        response: Any = PredictionsResponse
        return response.from_json(_posted(url, payload(inputs)))

    def explain(self, deployment_name: Any = None, df: Any = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """An explanation for each row, by the first explainer of the YAML."""
        _check(None, endpoint)
        found = self.get_deployment(str(deployment_name))
        if "monitors_url" not in found:
            raise MlflowException(f"{deployment_name!r} has no monitors, which would explain")
        body = json.loads(_posted(f"{found['monitors_url']}/explain", payload(df), os.environ.get("VEDETTE_TOKEN")))
        explanations: list[dict[str, Any]] = body["explanations"]
        return explanations

    def _pair(self, live: Mapping[str, Any], name: str) -> dict[str, Any]:
        applications = _by_name(live)
        if (found := made.pair(applications, name)) is not None:
            return found
        if name in applications:
            raise MlflowException(f"{name!r} was not deployed by {TARGET}: it is left alone", INVALID_PARAMETER_VALUE)
        known = [other for other, config in applications.items() if made.is_ours(config)]
        there = did_you_mean(name, known) or (f"; there are {', '.join(known)}" if known else "")
        raise MlflowException(f"no deployment {name!r} on {self._serve.address}{there}", RESOURCE_DOES_NOT_EXIST)

    def _refuse_taken(self, live: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """An application of the new names belongs to somebody else."""
        taken = [app["name"] for app in new["applications"] if app["name"] in _by_name(live)]
        if taken:
            raise MlflowException(
                f"an application {taken[0]!r} exists on {self._serve.address}; give the deployment another --name, "
                f"or the YAML another model.name",
                RESOURCE_ALREADY_EXISTS,
            )

    def _whole(self, live: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """What Serve is to run: nothing has been changed yet where this raises."""

        def whole() -> dict[str, Any]:
            found = merged(live, new)
            check_store(found, self._serve.nodes())
            return found

        made: dict[str, Any] = _asked(whole)
        return made

    def _run(self, whole: Mapping[str, Any], new: Mapping[str, Any], timeout: float) -> None:
        _asked(lambda: self._serve.put(whole))
        self._wait(new, timeout)

    def _undo(self, error: MlflowException, new: Mapping[str, Any], old: list[dict[str, Any]]) -> None:
        """Take the new applications away, and wait until the old ones run again. Where that fails too, both errors are
        raised as one. What others have deployed in the meantime stays."""
        names = [app["name"] for app in [*new["applications"], *old]]
        before = {"applications": old}

        def undone() -> None:
            self._serve.put(merged(without(self._serve.live(), names), before))

        try:
            _asked(undone)
            self._wait(before, UNDO_TIMEOUT)
        except MlflowException as second:
            raise MlflowException(f"{error}; and it could not be undone: {second}") from error

    def _wait(self, new: Mapping[str, Any], timeout: float) -> None:
        names = [app["name"] for app in new["applications"]]

        def run(running: Mapping[str, Any]) -> bool:
            for name in names:
                if running.get(name, {}).get("status") in ("DEPLOY_FAILED", "UNHEALTHY"):
                    raise MlflowException(f"{name!r} does not run: {running[name].get('message', '')}")
            return all(running.get(name, {}).get("status") == "RUNNING" for name in names)

        time.sleep(POLL)  # Serve takes up a configuration a moment after it has taken it
        self._until(run, timeout, f"{', '.join(names)} to run")

    def _until(self, done: Callable[[Mapping[str, Any]], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not done(_asked(self._serve.applications)):
            if time.monotonic() > deadline:
                raise MlflowException(f"waited {timeout:g} s for {what} (--config timeout); see `serve status`")
            time.sleep(POLL)


def _state(running: Mapping[str, Any]) -> dict[str, str]:
    return {"status": str(running.get("status", "UNKNOWN")), "message": str(running.get("message", ""))}


def payload(rows: Any) -> Any:
    """A request body: a DataFrame as dataframe_split, arrays and lists as inputs; a mapping is a request already."""
    if hasattr(rows, "to_json"):
        return {"dataframe_split": json.loads(rows.to_json(orient="split"))}
    if hasattr(rows, "tolist"):
        return {"inputs": rows.tolist()}
    if isinstance(rows, Mapping):
        return dict(rows)
    return {"inputs": rows}


def _posted(url: str, body: Any, token: str | None = None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        reply = httpx.post(url, json=body, headers=headers, timeout=REQUEST_TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        raise MlflowException(f"{url} does not answer: {error}") from error
    if not reply.is_success:
        raise MlflowException(f"{url} answered {reply.status_code}: {reply.text[:1000]}")
    return reply.text


def _check(flavor: str | None, endpoint: str | None) -> None:
    if flavor not in (None, FLAVOR):
        raise MlflowException(f"flavor: {flavor!r} is not known; allowed: {FLAVOR}", INVALID_PARAMETER_VALUE)
    if endpoint is not None:
        raise MlflowException(f"endpoint: {TARGET} has none; give the deployment's name", INVALID_PARAMETER_VALUE)


def _asked(work: Callable[[], Any]) -> Any:
    """What went wrong, as MLflow's clients expect it."""
    try:
        return work()
    except MlflowException:
        raise
    except DeployFailed as error:
        raise MlflowException(str(error)) from error
    except (ValueError, LookupError, OSError) as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


def _by_name(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {app.get("name", "default"): app for app in config.get("applications", ())}


def _addresses(target: str) -> tuple[str, str | None]:
    """(dashboard, Serve's proxy where it is named)."""
    rest = target.removeprefix(TARGET).removeprefix(":").lstrip("/")
    if not rest:
        return os.environ.get("RAY_DASHBOARD_ADDRESS") or DEFAULT_ADDRESS, None
    parts = urlsplit(rest)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MlflowException(
            f"target: {target!r} is of no known form; allowed: {TARGET}, {TARGET}:http://host:8265",
            INVALID_PARAMETER_VALUE,
        )
    proxy = parse_qs(parts.query).get("serve", [None])[0]
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), proxy.rstrip("/") if proxy else None
