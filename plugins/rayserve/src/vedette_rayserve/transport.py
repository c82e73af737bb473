"""From a model replica to the monitors' pools, by deployment handle, out of the tap's own threads."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from vedette.engine.message import Message, TapPlan
from vedette.engine.tap.transport import Busy, TransportError
from vedette_rayserve.graph import UnsupportedRay, for_threads
from vedette_rayserve.names import CONTROL, pool_deployment
from vedette_rayserve.reply import opened

DESCRIBE_TIMEOUT = 10.0
BACK_OFF = 0.5  # seconds that a full queue asks for


class RayTransport:
    """Finds the monitors' application by its name, again and again, so that it may come, go and change."""

    def __init__(self, monitors: str) -> None:
        self.monitors = monitors
        self._sleeping: frozenset[str] = frozenset()
        self._handles: dict[tuple[str, str], Any] = {}

    def describe(self) -> TapPlan:
        """What the control deployment says; TransportError while there is none."""
        said = self._call(CONTROL, "vedette_describe", (), DESCRIBE_TIMEOUT)
        self._sleeping = frozenset(said.get("sleeping", ()))
        return TapPlan.from_json(said)

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        """Returns once a replica of the pool has committed the message; raises Busy, Refused or TransportError."""
        if pool in self._sleeping and Message.from_bytes(message).seq == 0:  # a heartbeat must not wake the pool
            self._call(CONTROL, "heartbeat", (pool, message), timeout)
        else:
            self._call(pool_deployment(pool), "apply", (message,), timeout)

    def close(self) -> None:
        self._handles.clear()

    def _call(self, deployment: str, method: str, args: tuple[Any, ...], timeout: float) -> Any:
        where = f"{deployment} of {self.monitors}"
        try:
            response = self._handle(deployment, method).remote(*args)
        except (
            RayError,
            RayServeException,
            UnsupportedRay,
            KeyError,
        ) as error:  # no such application, no Serve
            raise TransportError(f"{where}: {error}", arrived=False) from error
        try:
            return opened(response.result(timeout_s=timeout))
        except BackPressureError as error:
            raise Busy(BACK_OFF, f"{where}: its queue is full") from error
        except TimeoutError as error:  # a dead replica may never answer
            response.cancel()  # type: ignore[no-untyped-call]
            raise TransportError(f"{where} did not answer within {timeout:g} s") from error
        except (RayError, RayServeException) as error:
            self._handles.pop((deployment, method), None)
            raise TransportError(f"{where}: {error}") from error

    def _handle(self, deployment: str, method: str) -> DeploymentHandle[Any]:
        key = (deployment, method)
        if key not in self._handles:
            handle = for_threads(serve.get_deployment_handle(deployment, app_name=self.monitors))
            self._handles[key] = handle.options(method_name=method)
        found: DeploymentHandle[Any] = self._handles[key]
        return found
