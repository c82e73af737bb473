"""From an MLflow model and a monitors.yaml to two applications of a Ray Serve configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.plugins.errors import did_you_mean
from vedette_mlflow.models import Resolved, download, features_of, resolve
from vedette_rayserve.commands import absolute, store_argument, store_bundle
from vedette_rayserve.opening import open_bundle
from vedette_rayserve.serve_config import MODEL_BUILDER, instrumented

if TYPE_CHECKING:
    from vedette.config.plan import Plan
    from vedette.engine.bundle import Bundle

BUILDER = "vedette_mlflow.rayserve_app:build"
OPTIONS = {
    "monitors": "monitors.yaml; by default the bundle that `vedette mlflow log` has logged with the model",
    "store": "URL of the monitors' store, instead of the YAML's; on several nodes PostgreSQL",
    "route": "where the model answers; by default /<name>",
    "tracking_uri": "of MLflow, as the cluster reaches it; ${VARIABLES} are the cluster's",
    "replicas": "of the model, 1",
    "cpus": "of a replica, 1",
    "probabilities": "true or false: also answer them, where the model has them",
    "runtime_env": 'Ray\'s runtime_env as JSON, as in {"pip": ["scikit-learn==1.7.2"]}',
    "timeout": "seconds to wait for it to run, 600",
}
MODEL_OPTIONS = ("tracking_uri", "replicas", "cpus", "probabilities")


class BadOption(ValueError):
    """An option of --config that is not known, or has no allowed value."""


@dataclass(frozen=True)
class Wanted:
    """What a deployment is to be. monitors: YAML, or None for what is logged or runs already."""

    name: str
    options: Mapping[str, Any]
    monitors: Path | None

    @classmethod
    def of(cls, name: str, config: Mapping[str, Any] | None) -> Wanted:
        """config: as MLflow's command line gives it: texts. Raises BadOption."""
        given = dict(config or {})
        for key in given:
            if key not in OPTIONS:
                raise BadOption(f"--config {key}: is not known{did_you_mean(key, list(OPTIONS))}; {_known()}")
        readers = {
            "replicas": _whole, "cpus": _number, "timeout": _number, "probabilities": _flag, "runtime_env": _json,
        }  # fmt: skip
        for key, read in readers.items():
            if key in given:
                given[key] = read(key, given[key])
        monitors = given.pop("monitors", None)
        return cls(name, given, None if monitors is None else Path(monitors))

    @property
    def timeout(self) -> float:
        return float(self.options.get("timeout", 600.0))


def configuration(wanted: Wanted, uri: str | None, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The applications `<name>` and `<model>-vedette`; their bundle is put into the store.

    uri: of the model, None for the one that is deployed.  before: the two applications as they run, for an update.
    """
    old = None if before is None else before["model"]
    model_args = _model_args(wanted, old)
    resolved = None if uri is None else resolve(uri)
    if resolved is not None:
        model_args |= {"model_uri": resolved.uri, "version": resolved.version}
    bundle, store = _bundle(wanted, resolved, model_args, before)
    store_bundle(bundle)
    model_args["classes"] = list(bundle.plan.schema.classes)
    app: dict[str, Any] = {
        "name": wanted.name,
        "route_prefix": wanted.options.get("route", old["route_prefix"] if old else f"/{wanted.name}"),
        "import_path": BUILDER,
        "args": model_args,
    }
    environment = wanted.options.get("runtime_env", old.get("runtime_env") if old else None)
    if environment:
        app["runtime_env"] = environment
    plan = bundle.plan
    return instrumented(
        {"applications": [app]}, plan.model, {"bundle": bundle.digest, "store": store}, plan.capture, plan.tap
    )


def _model_args(wanted: Wanted, old: Mapping[str, Any] | None) -> dict[str, Any]:
    args: dict[str, Any] = dict(old["args"]["args"]) if old else {"tracking_uri": tracking_uri()}
    return args | {key: wanted.options[key] for key in MODEL_OPTIONS if key in wanted.options}


def _bundle(
    wanted: Wanted, resolved: Resolved | None, model_args: Mapping[str, Any], before: Mapping[str, Any] | None
) -> tuple[Bundle, str]:
    """(bundle, store as the cluster is told)."""
    if wanted.monitors is None and before is not None:
        return _running(before, model_args, wanted)
    made = resolved or resolve(str(model_args["model_uri"]))
    bundle = _fitted(made, wanted.monitors) if wanted.monitors is not None else _logged(made)
    plan = _stored(_versioned(bundle.plan, made.version), wanted.options.get("store"))
    return replace(bundle, plan=plan), store_argument(plan)


def _running(before: Mapping[str, Any], model_args: Mapping[str, Any], wanted: Wanted) -> tuple[Bundle, str]:
    """The bundle that runs, for the model's new version."""
    args = before["monitors"]["args"]
    opened = open_bundle(args["store"], args["bundle"])
    opened.store.close()
    plan, was = opened.bundle.plan, before["model"]["args"]["args"].get("version")
    if plan.model_version == was:  # else the YAML names a version of its own
        plan = _versioned(replace(plan, model_version=None), str(model_args.get("version") or ""))
    plan = _stored(plan, wanted.options.get("store"))
    return replace(opened.bundle, plan=plan), store_argument(plan) if "store" in wanted.options else args["store"]


def _fitted(resolved: Resolved, monitors: Path) -> Bundle:
    """Fit the monitors; features are those of the model's signature where `schema:` names none. Raises ConfigError."""
    from mlflow.models import get_model_info

    from vedette.cli.building import fitted
    from vedette.config.loading import load_all
    from vedette.plugins import get_registry
    from vedette_specs import FoundModel

    found = FoundModel(lambda: None, features=features_of(get_model_info(resolved.uri).signature))
    return fitted(load_all([monitors], registry=get_registry(), model=found))


def _logged(resolved: Resolved) -> Bundle:
    import tempfile

    from vedette_mlflow.bundles import logged_bundle

    with tempfile.TemporaryDirectory(prefix="vedette-mlflow-") as folder:
        return logged_bundle(download(resolved, Path(folder)), resolved.uri)


def _versioned(plan: Plan, version: str) -> Plan:
    from vedette.config.loading import with_version

    return with_version(plan, version)


def _stored(plan: Plan, store: str | None) -> Plan:
    """With the store of the options, as it stands in the YAML: unexpanded, since it may hold a password."""
    from vedette.config.variables import expand_text

    if store is None:
        return plan
    return replace(plan, store=expand_text(store, os.environ), source={**plan.source, "store": store})


def tracking_uri() -> str:
    """MLflow's, so that it means the same in a replica, which has a working directory of its own."""
    import mlflow

    uri: str = mlflow.get_tracking_uri()
    if uri.startswith("sqlite:"):
        return absolute(uri)
    return uri if "://" in uri or uri.startswith(("file:", "databricks")) else str(Path(uri).absolute())


def is_ours(config: Mapping[str, Any] | None) -> bool:
    """Whether an application was deployed by this target."""
    args = (config or {}).get("args") or {}
    return (config or {}).get("import_path") == MODEL_BUILDER and args.get("app") == BUILDER


def pair(applications: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any] | None:
    """The configurations of model and monitors of a deployment; None where there is none."""
    model = applications.get(name)
    if model is None or not is_ours(model):
        return None
    monitors = applications.get(model["args"]["monitors"])
    mine = monitors is not None and (monitors.get("args") or {}).get("model_app") == name
    return {"model": model, "monitors": monitors if mine else None}


def names_of(found: Mapping[str, Any]) -> list[str]:
    return [found[part]["name"] for part in ("model", "monitors") if found[part] is not None]


def _known() -> str:
    return "allowed: " + ", ".join(OPTIONS)


def _whole(key: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and value.isdecimal() and int(value) > 0:
        return int(value)
    raise BadOption(f"--config {key}={value}: is not a whole number from 1")


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"--config {key}={value}: is not a number") from error
    if not 0 <= number < 1e6:
        raise BadOption(f"--config {key}={value}: is not in [0, 1000000)")
    return number


def _flag(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise BadOption(f"--config {key}={value}: allowed: true, false")


def _json(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        found = json.loads(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"--config {key}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadOption(f"--config {key}: is not a JSON object")
    return found
