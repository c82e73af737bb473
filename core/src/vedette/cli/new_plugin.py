"""`vedette new-plugin`: a package of one's own, with tests that pass."""

from __future__ import annotations

import typer


def register(cli: typer.Typer) -> None:
    """Add the command."""
