"""Explainers of a black box."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.explain.kernel_shap import KernelShap as KernelShap

__getattr__, __dir__ = lazy(__name__)
