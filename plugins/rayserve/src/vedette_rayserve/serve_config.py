"""`serve deploy`'s YAML: exchange the model's import path for ours, and add the application that watches it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from vedette.config.plan import CaptureSpec
from vedette_rayserve.names import monitors_app, route

MODEL_BUILDER = "vedette_rayserve.app:build_model"
MONITORS_BUILDER = "vedette_rayserve.app:build_monitors"
Config = dict[str, Any]


class ServeConfigError(ValueError):
    """A Serve configuration that cannot be instrumented; the message names the field."""


def instrumented(config: Mapping[str, Any], model: str, monitors: Mapping[str, Any], capture: CaptureSpec, **choice: Any) -> Config:
    """The configuration with one application watched; everything else is as it was.

    monitors: args of the monitors' application: bundle, store, ...  choice: application=NAME where there are several.
    """
    made: Config = copy.deepcopy(dict(config))
    application = chosen(made, choice.get("application"))
    name = monitors_app(model)
    if any(item.get("name") == name for item in made["applications"]):
        raise ServeConfigError(f"applications: {name!r} is there already; instrument the original file again")
    _replace(application, capture, name)
    made["applications"].append(
        {
            "name": name,
            "route_prefix": route(model),
            "import_path": MONITORS_BUILDER,
            **({"runtime_env": copy.deepcopy(application["runtime_env"])} if application.get("runtime_env") else {}),
            "args": {**monitors, "model_app": application.get("name", "default")},
        }
    )
    return made


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


def _replace(application: Config, capture: CaptureSpec, monitors: str) -> None:
    path = application.get("import_path")
    if not isinstance(path, str) or ":" not in path.replace(".", ":"):
        raise ServeConfigError(f"import_path: {path!r} is not of the form 'module:application'")
    if path == MODEL_BUILDER:
        raise ServeConfigError(f"application {application.get('name')!r} is instrumented already")
    old = application.pop("args", None)
    place = list(application)
    args: Config = {"app": path, "monitors": monitors}
    if old:
        args["args"] = old
    wanted = {key: value for key, value in vars(capture).items() if value != getattr(CaptureSpec(), key)}
    if wanted:
        args["capture"] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in wanted.items()}
    items = dict(application)
    application.clear()
    for key in place:  # args directly below the import path, the rest in its old order
        application[key] = MODEL_BUILDER if key == "import_path" else items[key]
        if key == "import_path":
            application["args"] = args
