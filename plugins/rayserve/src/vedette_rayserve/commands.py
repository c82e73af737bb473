"""`vedette rayserve instrument` and `vedette deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vedette.config.plan import Plan
    from vedette.engine.bundle import Bundle

INSTRUMENT = """Make a Serve configuration whose model is watched, and put the monitors' bundle into the store.

Only the model's `import_path` and `args` are exchanged, and the application `<model>-vedette` is added.

Example:

    vedette rayserve instrument serve_config.yaml -c monitors.yaml -o monitored.yaml

    serve deploy monitored.yaml
"""
DEPLOY = """Merge a Serve configuration into what runs; no application is removed. Shows the changes and asks.

Example:

    vedette deploy monitored.yaml --address http://127.0.0.1:8265
"""


def register(cli: typer.Typer) -> None:
    group = typer.Typer(name="rayserve", help="Ray Serve.", no_args_is_help=True)
    group.command("instrument", help=INSTRUMENT)(instrument)
    cli.add_typer(group)
    cli.command("deploy", help=DEPLOY)(deploy)


def instrument(
    config: Annotated[Path, typer.Argument(help="The configuration for `serve deploy`.")],
    monitors: Annotated[list[Path], typer.Option("-c", "--config", help="monitors.yaml; further ones are laid on it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the watched configuration.")],
    application: Annotated[str | None, typer.Option(help="The model's application, where there are several.")] = None,
) -> None:
    import yaml

    from vedette.cli.building import build_loaded, load_plan
    from vedette_rayserve.serve_config import ServeConfigError, chosen, instrumented
    from vedette_rayserve.yaml_edit import rewritten

    text = config.read_text(encoding="utf-8")
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ServeConfigError(f"{config}: {error}") from error
    if not isinstance(parsed, dict):
        raise ServeConfigError(f"{config}: no file for `serve deploy`: applications are missing")
    chosen(parsed, application)
    loaded = load_plan(monitors)
    plan = loaded.plan
    digest = store_bundle(build_loaded(loaded))
    made = instrumented(
        parsed,
        plan.model,
        {"bundle": digest, "store": store_argument(plan)},
        plan.capture,
        plan.tap,
        application=application,
    )
    output.write_text(rewritten(text, application, made), encoding="utf-8")
    typer.echo(f"bundle {digest} is in the store; wrote {output}")


def store_bundle(bundle: Bundle) -> str:
    """Put the bundle into its plan's store, from where the cluster takes it by the digest that is returned."""
    from vedette.store import series
    from vedette.store.database import Store

    plan = bundle.plan
    store = Store(absolute(plan.store))
    with store.write() as connection:
        series.put_bundle(connection, bundle.digest, plan.model, bundle.to_bytes(), store.now(connection))
    store.close()
    return bundle.digest


def store_argument(plan: Plan) -> str:
    """The store as the cluster is told: variables stay unexpanded there, since they may hold a password."""
    written = str(plan.source.get("store", plan.store))
    return written if "${" in written and not plan.store.startswith("sqlite") else absolute(plan.store)


def absolute(url: str) -> str:
    """SQLite's relative path as an absolute one: replicas have working directories of their own."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return url
    return f"sqlite:///{Path(str(parsed.database)).absolute()}"


def deploy(
    config: Annotated[Path, typer.Argument(help="The watched configuration.")],
    address: Annotated[str, typer.Option(envvar="RAY_DASHBOARD_ADDRESS", help="Ray's dashboard.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    import yaml

    from vedette_rayserve.deploy import DEFAULT_ADDRESS, ServeClient, changes, check_store, merged
    from vedette_rayserve.serve_config import ServeConfigError

    try:
        wanted = yaml.safe_load(config.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ServeConfigError(f"{config}: {error}") from error
    client = ServeClient(address or DEFAULT_ADDRESS)
    live = client.live()
    made = merged(live, wanted if isinstance(wanted, dict) else {})
    check_store(made, client.nodes())
    found = changes(live, made)
    for name, action, diff in found:
        typer.secho(f"{action:>6}  {name}", bold=action != "keep")
        if action != "keep":
            typer.echo(diff)
    if all(action == "keep" for _, action, _ in found):
        typer.echo("nothing changes")
        return
    if not yes:
        typer.confirm("Deploy?", abort=True)
    client.put(made)
    typer.echo(f"deployed to {client.address}; `serve status` shows how it comes up")
