"""Vedette's conformance kit on all four components."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from vedette_plugin_example.ice import Ice
from vedette_plugin_example.mean_shift import MeanShift
from vedette_plugin_example.simpson import Simpson
from vedette_plugin_example.table import Table

from vedette.testing import Subject, check_component, parametrize_components, run


@parametrize_components([Simpson, MeanShift, Subject(Ice(points=5))])
def test_conformance(check) -> None:
    run(check)


def test_the_sink_conforms(tmp_path: Path) -> None:
    path = tmp_path / "events.db"

    def delivered() -> list[str]:
        with closing(sqlite3.connect(path)) as database:
            return [id for (id,) in database.execute("select id from events")]

    check_component(Subject(Table(str(path)), delivered=delivered))
