"""Sinks: where events go."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.sinks.file import File as File
    from vedette.components.sinks.log import Log as Log
    from vedette.components.sinks.webhook import Webhook as Webhook

__getattr__, __dir__ = lazy(__name__)
