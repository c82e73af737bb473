"""The model as a function of rows, through the method that is not tapped."""

from __future__ import annotations

from ray import serve

from vedette.config.plan import CaptureSpec
from vedette_rayserve.graph import for_threads
from vedette_rayserve.predict import PREDICT, answer, question
from vedette_rayserve.reply import opened
from vedette_specs.batch import Batch
from vedette_specs.columns import Floats

TIMEOUT = 30.0


class ModelHandle:
    """Called from threads. Raises TransportError with the model's own reason where it cannot predict."""

    def __init__(self, app: str, capture: CaptureSpec, timeout: float = TIMEOUT) -> None:
        self.app = app
        self.capture = capture
        self.timeout = timeout

    def __call__(self, rows: Batch) -> Floats:
        """(n, outputs) for n rows."""
        name = self.capture.deployment
        handle = serve.get_deployment_handle(name, app_name=self.app) if name else serve.get_app_handle(self.app)
        response = for_threads(handle).options(method_name=PREDICT).remote(question(rows, self.capture))
        return answer(opened(response.result(timeout_s=self.timeout)))
