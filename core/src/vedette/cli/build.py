"""`vedette build`: the bundle that every platform deploys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle

HELP = """Fit everything on the reference and write the bundle: a folder named by its digest.

Examples:

    vedette build monitors.yaml -o bundles

    vedette build monitors.yaml -f prod.yaml --store
"""


def register(cli: typer.Typer) -> None:
    cli.command("build", help=HELP)(build)


def build(
    file: Annotated[Path, typer.Argument(help="The monitors.yaml.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Laid on it; may be repeated.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder that the bundle's folder is made in.")] = Path(
        "bundles"
    ),
    to_store: Annotated[
        bool, typer.Option("--store", help="Put it into the configured store too, where a cluster finds it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from vedette.cli.building import build_loaded, load_plan

    bundle = build_loaded(load_plan([file, *(over or ())]))
    folder = bundle.save(output)
    stored = _put(bundle) if to_store else None
    size = (folder / "bundle.vdt").stat().st_size
    if as_json:
        body = {"model": bundle.plan.model, "digest": bundle.digest, "folder": str(folder), "bytes": size}
        typer.echo(json.dumps(body | {"store": stored}, indent=2))
        return
    typer.echo(bundle.digest)
    typer.echo(f"{folder} ({size:,} bytes){f', and in {stored}' if stored else ''}", err=True)


def _put(bundle: Bundle) -> str:
    """Into the store; returns its URL without a password."""
    from vedette.store import series
    from vedette.store.database import Store

    store = Store(bundle.plan.store)
    try:
        with store.write() as connection:
            now = store.now(connection)
            series.put_bundle(connection, bundle.digest, bundle.plan.model, bundle.to_bytes(), now)
        return store.shown_url
    finally:
        store.close()
