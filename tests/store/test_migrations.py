"""Stores of earlier versions are brought forward, with what they hold."""

from __future__ import annotations

import json

from sqlalchemy import inspect, text

from vedette.store import results
from vedette.store.database import Store
from vedette.store.tables import alert_states, metadata

LATER = ("lapsed", "lapsed_since", "told", "withheld", "acknowledged", "memory")


def second_version(url: str) -> None:
    """A store as the second migration left it, with an alert that fires."""
    store = Store(url)
    with store.write() as connection:
        for column in LATER:
            connection.execute(text(f"ALTER TABLE alert_states DROP COLUMN {column}"))
        connection.execute(text("DROP TABLE silences"))
        connection.execute(text("UPDATE meta SET value = '2' WHERE name = 'schema_version'"))
        connection.execute(
            text(
                'INSERT INTO alert_states (model, rule, segment, "window", state, since, "count", judged, quiet, body) '
                "VALUES ('m', 'r', '', '1h', 'firing', 5.0, 2, 7.0, 3, :body)"
            ),
            {"body": json.dumps({"rule": "r"})},
        )
    store.close()


def test_alert_states_of_the_second_version_go_on(store_url: str) -> None:
    second_version(store_url)
    store = Store(store_url)
    with store.read() as connection:
        found = results.get_alert_state(connection, "m", "r", "", "1h")
        columns = {column["name"] for column in inspect(connection).get_columns("alert_states")}
        assert columns == set(alert_states.c.keys())
        assert inspect(connection).has_table("silences")
    assert found == results.AlertState("firing", 5.0, 2, 7.0, 3, told="firing")
    store.close()


def test_unjudged_results_of_the_third_version_get_their_index(store_url: str) -> None:
    store = Store(store_url)
    with store.write() as connection:
        connection.execute(text("DROP INDEX results_unjudged"))
        connection.execute(text("UPDATE meta SET value = '3' WHERE name = 'schema_version'"))
    store.close()
    store = Store(store_url)
    with store.read() as connection:
        assert "results_unjudged" in {index["name"] for index in inspect(connection).get_indexes("results")}
    store.close()


def test_a_fresh_store_has_every_table(store_url: str) -> None:
    store = Store(store_url)
    with store.read() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
    store.close()
