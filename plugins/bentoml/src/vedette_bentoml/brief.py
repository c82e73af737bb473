"""What a model's process must know of its monitors, without what it takes to work that out.

Reading a configuration brings the components in, and with them scikit-learn, SQLAlchemy and whatever a plugin needs:
seconds at each worker's start, and many objects for each full garbage collection, which stops the model meanwhile. So
the process that serves works it out once, and leaves it to the processes that it starts, in a variable.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.config.plan import PoolSpec, TapSpec
from vedette.config.reference import local_path
from vedette.config.variables import VariableError, expand_text
from vedette.engine.message import TapPlan
from vedette_bentoml.graph import STARTED

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle

Config = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
log = logging.getLogger("vedette.bentoml")
FORMAT = 1
VARIABLE = "VEDETTE_BENTOML_BRIEFS"  # JSON: YAML files -> what the brief was made of, and the brief
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


def leave(paths: Sequence[Path], brief: Brief, reference: str | None) -> None:
    """To the processes that this one starts. What is too long for a variable they work out themselves.

    reference: URI of the rows that the schema was inferred from.
    """
    entry = {"state": _state(paths), "reference": reference_of(reference, paths[0].parent), "brief": brief.to_json()}
    _own[_name(paths)] = entry
    if len(_text(_own)) > LONGEST:
        del _own[_name(paths)]
    os.environ[VARIABLE] = _text(_own)  # also over what somebody else has left


def inherited(paths: Sequence[Path]) -> Brief | None:
    """What the process that serves has left, if all that it was made of is still the same; else None."""
    if STARTED not in os.environ:  # this one serves, or builds: others may have left theirs a while ago
        return None
    try:
        entry = json.loads(os.environ.get(VARIABLE) or "{}").get(_name(paths))
        if entry is None or entry["state"] is None or entry["state"] != _state(paths):
            return None
        if entry["reference"] != reference_of(entry["reference"]["uri"], paths[0].parent):
            return None
        return Brief.from_json(entry["brief"])
    except Exception as error:  # it comes from outside, and the model must not suffer
        log.warning("%s is not read (%r): the configuration is read instead, which takes seconds", VARIABLE, error)
        return None


def as_paths(config: Config) -> list[Path]:
    """Absolute, since the model's code may go to another folder before they are read."""
    given = [config] if isinstance(config, str | os.PathLike) else config
    return [Path(path).absolute() for path in given]


def reference_of(uri: str | None, folder: Path) -> dict[str, Any]:
    """uri: relative to the YAML where it is a file.  digest: of the file's bytes; None where it is no file here."""
    file = None if uri is None else local_path(uri)
    if file is None:
        return {"uri": uri, "digest": None}
    try:
        with (folder / file).open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError:
        found = None
    return {"uri": os.path.relpath(folder / file, folder), "digest": found}


def _state(paths: Sequence[Path]) -> str | None:
    """Of the YAML files with their variables expanded, which BentoML can give each service; None where it has none."""
    digest = hashlib.sha256(f"{FORMAT} {version('vedette')}".encode())
    try:
        for path in paths:
            text = expand_text(path.read_text("utf-8-sig"), os.environ, str(path.parent))
            digest.update(hashlib.sha256(text.encode()).digest())
    except (OSError, UnicodeDecodeError, VariableError):
        return None
    return digest.hexdigest()


def _name(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def _text(entries: Mapping[str, Any]) -> str:
    return json.dumps(entries, separators=(",", ":"))


_own: dict[str, Any] = {}  # entries of the services that this process watches
