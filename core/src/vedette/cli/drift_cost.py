"""`vedette drift-cost`: what drift of a size has cost before."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vedette.config.plan import Plan
    from vedette.engine.drift_cost import DriftCost

HELP = """Relate a drift value to what labels showed of the same windows: a monotone map, with a band for a new window.

Of several windows the first that both monitors have is taken, else the first of each. They are read from the store:
replay history with --store first, where there is none. Of windows that overlap, such as those of `window: 1h`, which
ends every 15 minutes, one in so many is taken: they are no evidence of their own. The band holds for windows like
those, whatever the relation is; where drift comes of another kind than before, it does not.

Examples:

    vedette drift-cost monitors.yaml --drift drift.features_drifted --loss performance.log_loss

    vedette drift-cost monitors.yaml --drift 'drift.statistic("age")' --loss performance.accuracy --at 0.3
"""
STEPS = 7


def register(cli: typer.Typer) -> None:
    cli.command("drift-cost", help=HELP)(drift_cost)


def drift_cost(
    config: Annotated[Path, typer.Argument(help="The monitors.yaml of the model.")],
    drift: Annotated[str, typer.Option("--drift", help="A value of a monitor, as in rules.")],
    loss: Annotated[str, typer.Option("--loss", help="A value that needs labels.")],
    at: Annotated[list[float] | None, typer.Option("--at", help="Drift that is asked about; may be repeated.")] = None,
    level: Annotated[float, typer.Option("--level", min=0.5, max=0.999, help="Of the band.")] = 0.9,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    import numpy as np

    from vedette.cli.building import load_plan, open_store
    from vedette.engine.drift_cost import fit_drift_cost, paired_windows, read_pairs

    plan = load_plan([config]).plan
    _check_value("--drift", drift, plan)
    _check_value("--loss", loss, plan)
    store = open_store(plan.store)
    if store is None:
        raise FileNotFoundError(f"store: there is no store at {plan.store}: nothing was served or replayed into it")
    try:
        with store.read() as connection:
            windows = paired_windows(plan, drift, loss)
            found = fit_drift_cost(*read_pairs(connection, plan, drift, loss), level)
    finally:
        store.close()
    seen = np.unique(found.drift)  # most of it is often the same: no drift
    points = at or np.unique(np.quantile(seen, np.linspace(0.0, 1.0, STEPS), method="nearest")).tolist()
    rows = [{"drift": x, **dict(zip(("expected", "low", "high"), found.at(x), strict=True))} for x in points]
    if as_json:
        known = [{k: v if math.isfinite(v) else None for k, v in row.items()} for row in rows]
        typer.echo(
            json.dumps(
                {"windows": len(found.drift), "of": windows, "rising": found.rising, "level": level, "map": known}
            )
        )
        return
    _print(found, rows, drift, loss, windows)


def _check_value(option: str, text: str, plan: Plan) -> None:
    """ValueError that names the option, before anything is read."""
    from vedette.engine.drift_cost import named

    try:
        named(text, plan)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def _print(found: DriftCost, rows: list[dict[str, Any]], drift: str, loss: str, windows: tuple[str, str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    verb = "rises" if found.rising else "falls"
    apart = f"in {len(found.drift)} windows apart ({_said(windows)})"
    about = f"{loss} {verb} with {drift}, {apart}; band of {found.level:.0%} for a new one"
    console.print(about, highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in (escape(drift), escape(loss), "from", "to"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(f"{row[key]:.4g}" for key in ("drift", "expected", "low", "high")))
    console.print(table)
    if not math.isfinite(rows[0]["high"]):
        needed = math.ceil(found.level / (1 - found.level))
        console.print(f"a band of {found.level:.0%} needs {needed} windows", style="yellow")


def _said(windows: tuple[str, str]) -> str:
    one, other = windows
    return one if one == other else f"drift over {one}, loss over {other}"
