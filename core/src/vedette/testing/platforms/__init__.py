"""The conformance suite for platforms: what every binding promises, checked on a model that is really served.

Write a `Platform`, then run ``check_platform(MyPlatform(), folder)``; `parametrize_platform_checks` makes a pytest test
of each check. The suite speaks HTTP with what is served, and imports no server.
"""

from vedette.testing.platforms.bench import Bench, Client, Watched, record_together
from vedette.testing.platforms.checks import PLATFORM_CHECKS, PlatformCheck
from vedette.testing.platforms.comparing import recorded_results, same_results
from vedette.testing.platforms.embedded import Embedded
from vedette.testing.platforms.platform import (
    NotSupported,
    Platform,
    Reply,
    Request,
    Row,
    Setting,
    Site,
    Stamp,
    stamped,
)
from vedette.testing.platforms.running import check_platform, parametrize_platform_checks, run_platform_check

__all__ = [
    "PLATFORM_CHECKS",
    "Bench",
    "Client",
    "Embedded",
    "NotSupported",
    "Platform",
    "PlatformCheck",
    "Reply",
    "Request",
    "Row",
    "Setting",
    "Site",
    "Stamp",
    "Watched",
    "check_platform",
    "parametrize_platform_checks",
    "record_together",
    "recorded_results",
    "run_platform_check",
    "same_results",
    "stamped",
]
