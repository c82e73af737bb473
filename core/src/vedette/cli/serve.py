"""`vedette serve`: monitors, and the model where it has a URI, in one process."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vedette.config.loading import Loaded
    from vedette.engine.explain.gateway import Gateway
    from vedette.http.embedded import Embedded

HELP = """Serve monitors in one process: page, API, and the model under V2 and V1 where it has a URI.

One file is served at /, several at /vedette/<model>. Without server.tokens only this machine is let in.

Examples:

    vedette serve monitors.yaml --model model.skops

    vedette serve income.yaml churn.yaml --port 9000
"""


def register(cli: typer.Typer) -> None:
    cli.command("serve", help=HELP)(serve)


def serve(
    files: Annotated[list[Path], typer.Argument(help="A monitors.yaml a model.")],
    host: Annotated[str | None, typer.Option("--host", help="Address to bind to; server.host by default.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; server.port by default, 0 for a free one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Where the model is, instead of model.uri (with one file only).")
    ] = None,
) -> None:
    from vedette.cli.building import build_loaded, load_plans
    from vedette.http.embedded import Embedded, check_host, server_app
    from vedette.http.running import bind, run
    from vedette.plugins import get_registry
    from vedette.store.database import Store

    if model is not None and len(files) > 1:
        raise typer.BadParameter("with several files, name the models in them: model.uri", param_hint="--model")
    _log()
    loaded = load_plans(files)
    server = loaded[0].plan.server
    address = host or server.host
    check_host(address, {item.plan.model: item.plan.server.tokens for item in loaded})
    with bind(address, server.port if port is None else port) as sock:
        gateways = [_gateway(item, model, path) for item, path in zip(loaded, files, strict=True)]
        bundles = [build_loaded(_versioned(*pair)) for pair in zip(loaded, gateways, strict=True)]
        stores = {url: Store(url) for url in dict.fromkeys(item.plan.store for item in loaded)}
        models = [
            Embedded(stores[bundle.plan.store], bundle, get_registry(), gateway).start()
            for bundle, gateway in zip(bundles, gateways, strict=True)
        ]
        for item in models:
            _print_changes(item)
        where = sock.getsockname()[:2]
        run(server_app(models, list(stores.values())), sock, lambda: _print_address(models, *where))
    typer.echo("drained and stopped", err=True)


def _gateway(loaded: Loaded, model: str | None, path: Path) -> Gateway | None:
    """The model's gateway; a file in the YAML is relative to it, one of --model to where the command is given."""
    from vedette.engine.explain.gateway import make_gateway

    sys.path.insert(0, os.getcwd())  # where pkg.mod:predict is looked for
    uri = model or loaded.plan.model_uri
    if uri is None:
        return None
    return make_gateway(uri, loaded.plan.schema, base=None if model else path.absolute().parent)


def _versioned(loaded: Loaded, gateway: Gateway | None) -> Loaded:
    from vedette.config.loading import with_version

    version = None if gateway is None else gateway.version
    return replace(loaded, plan=with_version(loaded.plan, version))


def _print_changes(model: Embedded) -> None:
    changes = ", ".join(f"{change.action} {change.monitor}" for change in model.runtime.changes)
    typer.echo(f"{model.bundle.plan.model}: {changes or 'no monitors'}", err=True)


def _print_address(models: list[Embedded], host: str, port: int) -> None:
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    for item in models:
        name = item.bundle.plan.model
        at = f"{base}/" if len(models) == 1 else f"{base}/vedette/{name}/"
        served = f"; the model at {at}v2/models/{name}/infer" if item.gateway is not None else ""
        typer.echo(f"{name}: {at}{served}")
    sys.stdout.flush()


def _log() -> None:
    """Our own news, others' warnings, on standard error."""
    from pydantic import warnings as theirs

    # FastAPI hides it from its own use of pydantic, which does not hold while the monitors' threads change filters too
    if noise := getattr(theirs, "UnsupportedFieldAttributeWarning", None):
        warnings.filterwarnings("ignore", category=noise)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vedette").setLevel(logging.INFO)
