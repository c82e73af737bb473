"""`serve deploy`'s YAML: exchange the model's import path for ours, and add the application that watches it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from vedette.config.plan import CaptureSpec, TapSpec
from vedette_rayserve.names import monitors_app, route

MODEL_BUILDER = "vedette_rayserve.app:build_model"
MONITORS_BUILDER = "vedette_rayserve.app:build_monitors"
Config = dict[str, Any]


class ServeConfigError(ValueError):
    """A Serve configuration that cannot be instrumented; the message names the field."""


def instrumented(
    config: Mapping[str, Any],
    model: str,
    monitors: Mapping[str, Any],
    capture: CaptureSpec | None = None,
    tap: TapSpec | None = None,
    *,
    application: str | None = None,
) -> Config:
    """The configuration with one application watched; everything else is as it was.

    monitors: args of the monitors' application: bundle and store.  application: its name, where there are several.
    Of the capture the model is told where to listen only; the rest it learns from the monitors at run time.
    """
    made: Config = copy.deepcopy(dict(config))
    target = chosen(made, application)
    name = monitors_app(model)
    if any(item.get("name") == name for item in made["applications"]):
        raise ServeConfigError(f"applications: {name!r} is there already; instrument the original file again")
    where = capture or CaptureSpec()
    told = {"deployment": where.deployment, "method": where.method}
    defaults = {"deployment": None, "method": "__call__"}
    extra = {"capture": _changed(told, defaults), "tap": _changed(vars(tap or TapSpec()), vars(TapSpec()))}
    _replace(target, {"monitors": name, **{key: value for key, value in extra.items() if value}})
    environment = target.get("runtime_env")
    made["applications"].append(
        {
            "name": name,
            "route_prefix": route(model),
            "import_path": MONITORS_BUILDER,
            **({"runtime_env": copy.deepcopy(environment)} if environment else {}),
            "args": {**monitors, "model_app": target.get("name", "default")},
        }
    )
    return made


def _changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Config:
    return {key: value for key, value in values.items() if value != defaults[key]}


def chosen(config: Mapping[str, Any], name: str | None) -> Config:
    """The application called `name`; the only one where `name` is None."""
    applications = config.get("applications")
    if not isinstance(applications, list) or not all(isinstance(item, dict) for item in applications):
        raise ServeConfigError("applications: a list of applications is missing; this is no file for `serve deploy`")
    names = [item.get("name", "default") for item in applications]
    if name is None and len(applications) == 1:
        found: Config = applications[0]
        return found
    if name not in names:
        said = "--application is missing" if name is None else f"no application is named {name!r}"
        raise ServeConfigError(f"{said}; there are {', '.join(map(repr, names))}")
    chosen_one: Config = applications[names.index(name)]
    return chosen_one


def _replace(application: Config, args: Config) -> None:
    path = application.get("import_path")
    if not isinstance(path, str) or not path.replace(":", ".").partition(".")[2]:
        raise ServeConfigError(f"import_path: {path!r} is not of the form 'module:application'")
    if path == MODEL_BUILDER:
        raise ServeConfigError(f"application {application.get('name')!r} is instrumented already")
    old = application.pop("args", None)
    items = list(application.items())
    application.clear()
    for key, value in items:  # args directly below the import path, the rest in its old order
        application[key] = MODEL_BUILDER if key == "import_path" else value
        if key == "import_path":
            application["args"] = {"app": path, **args, **({"args": old} if old else {})}
