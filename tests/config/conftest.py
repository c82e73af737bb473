"""A small reference, and ways to load a text and to see its faults."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vedette.config import ConfigError, load_text
from vedette.config.plan import Plan

HEAD = """\
version: 1
model: {name: income}
reference: reference.parquet
schema: {label: income, positive: ">50K"}
"""
Load = Callable[..., Plan]
Faults = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `reference.parquet`: age, hours (numeric), job (category), income (two classes)."""
    rng = np.random.default_rng(1)
    n = 300
    age = rng.normal(40, 10, n)
    table = pa.table(
        {
            "age": age,
            "hours": rng.integers(10, 60, n),
            "job": rng.choice(["clerk", "nurse", "smith"], n),
            "income": np.where(age + rng.normal(0, 5, n) > 42, ">50K", "<=50K"),
        }
    )
    pq.write_table(table, tmp_path / "reference.parquet")
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Load:
    """load(body, env=..., head=...) -> Plan of the head and the body."""

    def run(body: str, env: Mapping[str, str] | None = None, head: str = HEAD, **kwargs: Any) -> Plan:
        return load_text(head + textwrap.dedent(body), "monitors.yaml", folder, env=env or {}, **kwargs)

    return run


@pytest.fixture
def faults(load: Load) -> Faults:
    """faults(body) -> every fault as text, without its source line."""

    def run(body: str, env: Mapping[str, str] | None = None, head: str = HEAD, **kwargs: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(body, env, head, **kwargs)
        return [str(fault).partition("\n")[0] for fault in caught.value.faults]

    return run
