"""Explaining rows: targets that can be asked, and the runner of explain jobs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vedette.config.plan import ExplainerSpec
from vedette.engine.bundle import Bundle
from vedette.engine.events import make_event, seed_of
from vedette.engine.explain.broker import Broker
from vedette.engine.work.flags import OutlierFlags
from vedette.engine.work.views import Views
from vedette.store import jobs, outbox
from vedette.store.database import Store
from vedette.store.jobs import Job
from vedette_specs.batch import Batch
from vedette_specs.columns import Floats
from vedette_specs.explainers import Predict

logger = logging.getLogger("vedette.explain")
NO_EXPLAINER = "explainer: none is declared; add to the YAML, say: explainers: {why: {use: kernel_shap}}"


class CannotExplain(ValueError):
    """The request names an explainer or target that does not exist, or a model that nobody can call."""


def score_target(bundle: Bundle, monitor: str) -> Predict:
    """A detector's score as the output to be explained: (n, 1)."""
    spec = bundle.plan.monitor(monitor)

    def predict(rows: Batch) -> Floats:
        flags = bundle.metric(monitor, spec.components[0].alias)
        if not isinstance(flags, OutlierFlags):
            raise CannotExplain(f"monitor {monitor!r} gives no scores")
        view = Views(rows, bundle.preprocessors).view(spec)
        return np.asarray(flags.detector.score_batch(view)[:, None])

    return predict


class Explaining:
    """Explanations of a bundle's explainers through one broker. Thread-safe."""

    def __init__(self, bundle: Bundle, predict: Predict | None = None, model_version: str = "") -> None:
        """predict: the model, rows -> (n, outputs); None where only detectors' scores can be explained."""
        self.bundle = bundle
        self.version = model_version
        self.has_model = predict is not None
        detectors = [m.name for m in bundle.plan.monitors if m.kind in ("outlier", "adversarial")]
        targets: dict[str, Predict] = {name: score_target(bundle, name) for name in detectors}
        if predict is not None:
            targets["model"] = predict
        self.broker = Broker(targets, version=model_version)

    def explainer(self, name: str | None) -> ExplainerSpec:
        """The named explainer, or the first one."""
        specs = {spec.name: spec for spec in self.bundle.plan.explainers}
        if not specs:
            raise CannotExplain(NO_EXPLAINER)
        if name is None:
            return next(iter(specs.values()))
        if name not in specs:
            raise CannotExplain(f"explainer: {name!r} is not declared; there are: {', '.join(specs)}")
        return specs[name]

    def explain(
        self, rows: Batch, name: str | None = None, target: str = "model", request: str = "",
        limits: Mapping[str, float] | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Explanations as JSON. limits may lower max_rows, max_calls and deadline, never raise them."""
        spec = self.explainer(name)
        if target == "model" and not self.has_model:
            raise CannotExplain("model: nobody can call the model here; set model.uri or explain a detector's score")
        asked = dict(limits or {})
        found = self.broker.explain(
            self.bundle.explainers[spec.name],
            rows,
            max_calls=int(min(spec.max_calls, asked.get("max_calls", np.inf))),
            max_rows=int(min(spec.max_rows, asked.get("max_rows", np.inf))),
            deadline=float(min(spec.deadline, asked.get("deadline", np.inf))),
            seed=seed_of(request, self.version, spec.name, sorted(spec.component.options.items())),
            target=target,
            outputs=() if target == "model" else ("score",),
        )
        return [explanation.to_json() for explanation in found]


class JobRunner:
    """Claims explain jobs from the store and answers them."""

    def __init__(self, store: Store, explaining: Explaining, allowed: Callable[[ExplainerSpec], bool]) -> None:
        """allowed: which explainers this process runs."""
        self.store = store
        self.explaining = explaining
        self.plan = explaining.bundle.plan
        self.allowed = allowed
        self.who = uuid.uuid4().hex

    def step(self, limit: int = 4) -> int:
        """Claim and answer some jobs; returns how many were claimed."""
        names = [spec.name for spec in self.plan.explainers if self.allowed(spec)]
        if not names:
            return 0
        longest = max(spec.deadline for spec in self.plan.explainers) * 3 + 30
        with self.store.write() as connection:
            now = self.store.now(connection)
            claimed = jobs.claim(connection, self.plan.model, self.who, now, longest, limit, names)
        for job in claimed:
            self._answer(job)
        return len(claimed)

    def _answer(self, job: Job) -> None:
        try:
            rows = Batch.from_bytes(job.blob, self.plan.schema)
            request = f"{job.request}/{job.row}"
            result = self.explaining.explain(rows, job.explainer, target=job.monitor or "model", request=request)[0]
        except Exception as error:  # a stranger's explainer or model: the job says why
            logger.exception("explain job %s failed", job.id)
            with self.store.write() as connection:
                jobs.fail(connection, job, f"{type(error).__name__}: {error}", self.store.now(connection))
            return
        payload = {"id": job.request, "row": job.row, "explainer": job.explainer, "explanation": result}
        with self.store.write() as connection:
            now = self.store.now(connection)
            jobs.finish(connection, job, result)
            event = make_event("explanation", self.plan.model, job.monitor, job.segment, job.created, payload, job.id)
            outbox.put(connection, self.plan, event, now, self.explaining.bundle.listened)
