"""What an alert does to a registered model, so that a retraining job sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vedette.plugins.errors import did_you_mean
from vedette_specs import Event

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEYS = ("model", "set_tag", "set_alias")
FORMS = "<name>, models:/<name>@<alias> or models:/<name>/<version>"


@dataclass(frozen=True)
class Trigger:
    """When a rule fires, a registered model gets a tag, or the version at fault gets an alias.

    It is a latch: a rule that is resolved takes nothing back. The job that retrains deletes the tag when it starts.

    model: name of a registered model, for the tag; or `models:/<name>@<alias>` or `models:/<name>/<version>`, whose
    version the alias is set on. An alias is looked up when the rule fires.
    set_tag: the tag's key; its value is rule, time and event.  set_alias: the alias.
    """

    model: str
    alias_of: str | None
    version: str | None
    set_tag: str | None
    set_alias: str | None

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Trigger:
        """Raises ValueError naming what is wrong."""
        for key in options:
            if key not in KEYS:
                raise ValueError(f"on_alert.{key}: is not known{did_you_mean(key, KEYS)}; allowed: {', '.join(KEYS)}")
        if not options.get("model"):
            raise ValueError(f"on_alert.model: is required: {FORMS}")
        name, alias, version = _parsed(options["model"])
        tag, wanted = options.get("set_tag"), options.get("set_alias")
        if not tag and not wanted:
            raise ValueError("on_alert: give set_tag or set_alias, or both")
        if wanted and alias is None and version is None:
            raise ValueError(f"on_alert.set_alias: needs a version; model is {name!r}; allowed: {FORMS}")
        return cls(name, alias, version, tag, wanted)

    def pull(self, client: MlflowClient, event: Event) -> None:
        """Act on an alert that fires; nothing else matters."""
        if event.kind != "alert" or event.payload.get("state") != "firing":
            return
        if self.set_alias is not None:
            client.set_registered_model_alias(self.model, self.set_alias, self._version(client))
        if self.set_tag is not None:
            client.set_registered_model_tag(self.model, self.set_tag, _told(event))

    def _version(self, client: MlflowClient) -> str:
        if self.alias_of is None:
            return str(self.version)
        return str(client.get_model_version_by_alias(self.model, self.alias_of).version)


def _parsed(model: str) -> tuple[str, str | None, str | None]:
    """(name, alias, version)."""
    if not model.startswith("models:/"):
        return model, None, None
    rest = model.removeprefix("models:/").strip("/")
    name, at, alias = rest.rpartition("@")
    if at and name and alias:
        return name, alias, None
    name, slash, version = rest.rpartition("/")
    if slash and name and version.isdecimal():
        return name, None, version
    raise ValueError(f"on_alert.model: {model!r} is of no known form; allowed: {FORMS}")


def _told(event: Event) -> str:
    when = datetime.fromtimestamp(event.time, UTC).isoformat()
    return f"{event.payload.get('rule', event.monitor)} firing since {when} ({event.id})"
