"""`store:`: which databases are allowed, and that no password is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vedette.config import ConfigError
from vedette.config.plan import Plan

Load = Callable[..., Plan]
ALLOWED = "allowed: sqlite:///file.db, postgresql://user@host/database (or postgresql+psycopg://...)"


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://u:p@h/d", "postgresql+psycopg://h:5432/d"])
def test_what_is_allowed(load: Load, url: str) -> None:
    assert load(f"store: {url}\n").store == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://u:s3cret@h/d", "store: 'mysql://u:***@h/d' names the database 'mysql', which is not supported"),
        ("postgresql+asyncpg://u:s3cret@h/d", "names the database 'postgresql+asyncpg', which is not supported"),
        ("postgresql://u:s3cret@h:port/d", "store: 'postgresql://u:***@h:port/d' is no database URL"),
        ("here.db", "store: 'here.db' is no database URL"),
    ],
)
def test_what_is_not(load: Load, url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"store: {url}\n")
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (5, 8)
    assert problem in fault.message
    assert fault.message.endswith(ALLOWED)
    assert "s3cret" not in str(fault)


def test_a_url_out_of_a_variable_is_shown_as_it_was_written(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load('store: "${STORE}"\n', {"STORE": "mysql://u:s3cret@h/d"})
    assert "store: '${STORE}' names the database 'mysql'" in str(caught.value)
    assert "s3cret" not in str(caught.value)
