"""`vedette mlflow serve`: what is to run, before any of it does."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette_mlflow.bundles import logged_bundle
from vedette_mlflow.inside import tell_request_timeout
from vedette_mlflow.link import DRAIN, GRACE, Child
from vedette_mlflow.models import Resolved, features_of, of_option
from vedette_mlflow.supervisor import Supervisor

if TYPE_CHECKING:
    from vedette.config.plan import TapSpec
    from vedette.engine.bundle import Bundle

MONITOR_TIME = 60.0  # seconds for the monitors' last checkpoint
SLACK = 5.0


@dataclass(frozen=True)
class Asked:
    """What the command line asks for. config: YAML files, none for the bundle that is logged with the model.

    monitors_url: where monitors run elsewhere; token: for them.  timeout: seconds of a request, MLflow's default where
    it is None.
    """

    uri: str
    config: Sequence[Path] = ()
    workers: int = 1
    host: str = "127.0.0.1"
    port: int = 5000
    timeout: int | None = None
    strict: bool = False
    monitors_url: str | None = None
    token: str | None = None


def serve(asked: Asked, started: Callable[[str, int, Bundle | None, Resolved], None]) -> None:
    """Until SIGINT or SIGTERM. started: called with host, port, bundle and model when all processes serve.

    Raises what is wrong before any process is started, and NotStarted where a process cannot serve.
    """
    from vedette.http.running import bind

    with ExitStack() as stack:
        sock = stack.enter_context(bind(asked.host, asked.port))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vedette-mlflow-")))
        resolved, path = of_option(asked.uri, folder / "model")
        bundle = _bundle(asked, resolved, path)
        if bundle is not None:
            check_reach(asked.host, bundle)
        settings: dict[str, Any] = {
            "path": str(path), "version": _version(bundle, resolved), "strict": asked.strict,
            "bundle": None, "store": None, "monitors": asked.monitors_url, "token": asked.token,
            "tap": tap_settings(_tap(asked, bundle)),
        }  # fmt: skip
        monitors = None
        if bundle is not None:
            file = folder / "bundle.vdt"
            file.write_bytes(bundle.to_bytes())
            private = stack.enter_context(bind("127.0.0.1", 0))
            private.listen(128)  # taps wait here while the monitors are started again
            settings |= {
                "bundle": str(file), "store": bundle.plan.store, "token": secrets.token_urlsafe(32),
                "monitors": f"http://127.0.0.1:{private.getsockname()[1]}",
            }  # fmt: skip
            monitors = Child("monitors", "vedette_mlflow.monitoring", settings, [private])
        tell_request_timeout(asked.timeout)
        supervisor = Supervisor(_workers(asked, settings, sock), monitors, GRACE + DRAIN + SLACK, MONITOR_TIME)
        host, port = sock.getsockname()[:2]
        supervisor.run(lambda: started(host, port, bundle, resolved))


def check_reach(host: str, bundle: Bundle) -> None:
    """Raises NotLoopback where strangers could reach /vedette without a token."""
    from vedette.http.embedded import check_host

    check_host(host, {bundle.plan.model: bundle.plan.server.tokens})


def build(config: Sequence[Path], path: Path) -> Bundle:
    """The YAML's bundle for this model: features are those of its signature, where `schema:` names none."""
    from mlflow.models import Model

    from vedette.cli.building import build_loaded, load_plan
    from vedette_specs import FoundModel

    features = features_of(Model.load(str(path)).signature)
    return build_loaded(load_plan(config, model=FoundModel(lambda: None, features=features)))


def tap_settings(tap: TapSpec) -> dict[str, Any]:
    """JSON-ready."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(tap).items()}


def _bundle(asked: Asked, resolved: Resolved, path: Path) -> Bundle | None:
    if asked.monitors_url is not None:
        return None
    from vedette.config.loading import with_version

    bundle = build(asked.config, path) if asked.config else logged_bundle(path, asked.uri)
    return replace(bundle, plan=with_version(bundle.plan, resolved.version))


def _version(bundle: Bundle | None, resolved: Resolved) -> str:
    return (None if bundle is None else bundle.plan.model_version) or resolved.version


def _tap(asked: Asked, bundle: Bundle | None) -> TapSpec:
    from vedette.config.plan import TapSpec

    if bundle is not None:
        return bundle.plan.tap
    if asked.config:
        from vedette.cli.building import load_plan

        return load_plan(asked.config).plan.tap
    return TapSpec()


def _workers(asked: Asked, settings: dict[str, Any], sock: socket.socket) -> list[Child]:
    names = [f"scoring {number + 1}" for number in range(asked.workers)]
    return [Child(name, "vedette_mlflow.scoring", settings, [sock]) for name in names]
