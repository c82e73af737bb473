"""What a model's process must know of its monitors, without what it takes to work that out.

Reading a configuration brings the components in, and with them scikit-learn, SQLAlchemy and whatever a plugin needs:
seconds at each worker's start, and many objects for each full garbage collection, which stops the model meanwhile. So
the process that serves works it out once, and leaves it to the processes that it starts, in a variable.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.config.plan import PoolSpec, TapSpec
from vedette.engine.message import TapPlan

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle

Config = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
VARIABLE = "VEDETTE_BENTOML_BRIEFS"  # JSON: first YAML file -> key and brief
STARTED = "BENTOML_RUNNER_MAP"  # BentoML's, in processes that one that serves has started
LONGEST = 100_000  # bytes; Linux takes 131 072 of a variable, and a schema can be longer


@dataclass(frozen=True)
class Brief:
    """pools: that count.  explaining: pools that explain.  method: that predicts, "__call__" where none is named.

    guarded: whether the API asks for tokens.
    """

    model: str
    version: str
    method: str
    wanted: TapPlan
    tap: TapSpec
    pools: tuple[PoolSpec, ...]
    explaining: tuple[PoolSpec, ...]
    guarded: bool
    max_body: int

    @classmethod
    def of(cls, bundle: Bundle) -> Brief:
        plan = bundle.plan
        specs = {spec.name: spec for spec in plan.pools}
        explaining = dict.fromkeys(spec.pool for spec in plan.explainers)
        return cls(
            model=plan.model,
            version=plan.model_version or "",
            method=plan.capture.method,
            wanted=TapPlan.of(plan, bundle.digest),
            tap=plan.tap,
            pools=tuple(specs.get(name, PoolSpec(name)) for name in plan.worker_pools),
            explaining=tuple(specs.get(name, PoolSpec(name)) for name in explaining),
            guarded=bool(plan.server.tokens),
            max_body=plan.server.max_body,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "wanted": self.wanted.to_json(),
            "tap": asdict(self.tap),
            "pools": [asdict(spec) for spec in self.pools],
            "explaining": [asdict(spec) for spec in self.explaining],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Brief:
        parts = {
            "wanted": TapPlan.from_json(data["wanted"]),
            "tap": TapSpec(**data["tap"]),
            "pools": tuple(PoolSpec(**spec) for spec in data["pools"]),
            "explaining": tuple(PoolSpec(**spec) for spec in data["explaining"]),
        }
        return cls(**{**data, **parts})


def leave(paths: Sequence[Path], brief: Brief) -> None:
    """To the processes that this one starts. What is too long for a variable they work out themselves."""
    briefs = {**_left(), _name(paths): {"key": key_of(paths), "brief": brief.to_json()}}
    text = json.dumps(briefs, separators=(",", ":"))
    if len(text) <= LONGEST:
        os.environ[VARIABLE] = text


def inherited(paths: Sequence[Path]) -> Brief | None:
    """What the process that serves has left for these YAML files, as they are now; None where it left nothing."""
    if STARTED not in os.environ:  # this one serves, or builds: others may have left theirs a while ago
        return None
    found = _left().get(_name(paths))
    return None if found is None or found["key"] != key_of(paths) else Brief.from_json(found["brief"])


def as_paths(config: Config) -> list[Path]:
    return [Path(config)] if isinstance(config, str | os.PathLike) else [Path(path) for path in config]


def key_of(paths: Sequence[Path]) -> str:
    """Of what a bundle is made of, but for the reference. A file that cannot be read is told when it is loaded."""
    digest = hashlib.sha256(version("vedette").encode())
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _name(paths: Sequence[Path]) -> str:
    return str(paths[0].absolute())


def _left() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ.get(VARIABLE) or "{}")
    return found
