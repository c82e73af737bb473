"""Ray's imports without Ray's warnings."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what pydantic has deprecated
    from ray import serve  # noqa: F401
