"""`vedette mlflow serve`, `vedette mlflow log`; `vedette mlflow labels` is in label_command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette_mlflow import label_command

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle
    from vedette_mlflow.models import Resolved

SERVE = """Serve a model of MLflow's registry as `mlflow models serve` does, watched.

/invocations, /ping, /health and /version are MLflow's own; page and API of the monitors are at /vedette, also where
the monitors run elsewhere (--monitors-url).
Without -c the monitors are those of the bundle that `vedette mlflow log` has put beside the model.
Without server.tokens in the YAML only this machine is let in.

Examples:

    vedette mlflow serve -m models:/income@champion -c monitors.yaml --workers 2

    vedette mlflow serve -m models:/income@champion --monitors-url http://monitors:8200
"""
LOG = """Fit the monitors and log their bundle onto the model, from where `vedette mlflow serve` takes it.

Example:

    vedette mlflow log -m models:/income@champion -c monitors.yaml
"""
ModelUri = Annotated[str, typer.Option("-m", "--model-uri", help="models:/name@alias, models:/name/3, models:/m-...")]


def register(cli: typer.Typer) -> None:
    group = typer.Typer(name="mlflow", help="MLflow.", no_args_is_help=True)
    group.command("serve", help=SERVE)(serve)
    group.command("log", help=LOG)(log)
    label_command.register(group)
    cli.add_typer(group)


def serve(
    model_uri: ModelUri,
    config: Annotated[
        list[Path] | None, typer.Option("-c", "--config", help="monitors.yaml; further ones are laid on it.")
    ] = None,
    workers: Annotated[
        int, typer.Option("-w", "--workers", min=1, envvar="MLFLOW_MODELS_WORKERS", help="Processes that predict.")
    ] = 1,
    host: Annotated[str, typer.Option("-h", "--host", envvar="MLFLOW_HOST", help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("-p", "--port", min=0, max=65535, envvar="MLFLOW_PORT", help="Port; 0 for a free one.")
    ] = 5000,
    timeout: Annotated[
        int | None, typer.Option("-t", "--timeout", min=1, help="Seconds that a request may take; MLflow's 60.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Answers without X-Request-Id: MLflow's, byte by byte.")] = (
        False
    ),
    monitors_url: Annotated[
        str | None, typer.Option("--monitors-url", help="Monitors that run elsewhere: http://host:8200/vedette/income.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="VEDETTE_TOKEN", help="For --monitors-url; its scope is write.")
    ] = None,
) -> None:
    from vedette_mlflow import serving
    from vedette_mlflow.monitors_url import check_url

    _check_mlflow()
    if monitors_url is not None:
        check_url(monitors_url, token)
    elif token is not None:
        raise typer.BadParameter("is for monitors that run elsewhere: --monitors-url", param_hint="--token")
    _log()
    asked = serving.Asked(
        model_uri, config or (), workers, host, port, timeout, strict, monitors_url, token
    )  # fmt: skip
    serving.serve(asked, _told(monitors_url))
    typer.echo("drained and stopped", err=True)


def log(
    model_uri: ModelUri,
    config: Annotated[list[Path], typer.Option("-c", "--config", help="monitors.yaml; further ones are laid on it.")],
) -> None:
    import tempfile

    from vedette_mlflow.bundles import log_bundle
    from vedette_mlflow.models import of_option
    from vedette_mlflow.serving import build

    _check_mlflow()
    with tempfile.TemporaryDirectory(prefix="vedette-mlflow-") as folder:
        resolved, path = of_option(model_uri, Path(folder))
        bundle = build(config, path)
    where = log_bundle(resolved, bundle)
    typer.echo(bundle.digest)
    typer.echo(f"logged: {where}", err=True)


def _told(monitors_url: str | None) -> Callable[[str, int, Bundle | None, Resolved], None]:
    def started(host: str, port: int, bundle: Bundle | None, resolved: Resolved) -> None:
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        elsewhere = f" (at {monitors_url})" if bundle is None else ""
        typer.echo(f"{resolved.uri}: {base}/invocations; monitors: {base}/vedette/{elsewhere}")
        sys.stdout.flush()

    return started


def _check_mlflow() -> None:
    from importlib.util import find_spec

    if find_spec("mlflow") is None:
        raise ImportError("MLflow is not installed: pip install 'vedette[mlflow]'")


def _log() -> None:
    """Our own news, others' warnings, on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vedette").setLevel(logging.INFO)
