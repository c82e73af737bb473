"""The bundle: everything that a platform deploys, content-addressed. Holds no secret and no code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from vedette.config.plan import AlertSpec, ComponentSpec, MonitorSpec, Plan, fingerprint
from vedette.engine.bundle_faults import BundleError, Keys, collecting, place_of, raise_all
from vedette.engine.fitted import pack_component, unpack_component
from vedette.engine.rule_names import check_rules
from vedette.engine.work.flags import OutlierFlags
from vedette.engine.work.views import NoInput, Views, segment_keys
from vedette.plugins import Registry
from vedette_specs.batch import Batch
from vedette_specs.codec import decode, encode
from vedette_specs.columns import numeric
from vedette_specs.components import BaseComponent, Fittable, Metric, OutlierDetector, Preprocessor, ResultContext
from vedette_specs.explainers import Explainer
from vedette_specs.schema import Schema

FORMAT = 1
MIN_SEGMENT_ROWS = 200
Progress = Callable[[str], None]


@dataclass
class Bundle:
    """A plan with its fitted components.

    fitted: (monitor, alias, segment) -> saved state.  reference_values: (monitor, segment) -> values on the reference.
    delivers: whether events go to sinks and to plugins that listen.
    judging: is called at every judgement of a rule with the rule, the scope it is judged in, its segment and window,
    and the end of the window.
    """

    plan: Plan
    registry: Registry
    reference_digest: str
    fitted: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    shared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # preprocessors and explainers by name
    reference_values: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    delivers: bool = True
    judging: Callable[[AlertSpec, Any, str, str, float], None] | None = None
    _live: dict[tuple[str, str, str], Metric | None] = field(default_factory=dict)

    def silent(self) -> Bundle:
        """The same bundle (digest and all) of which nobody is told: for replays of what is past."""
        return replace(self, plan=replace(self.plan, sinks=()), delivers=False)

    @property
    def listened(self) -> bool:
        """Whether plugins are told of events."""
        return self.delivers and self.registry.hook.listens()

    @cached_property
    def digest(self) -> str:
        content = [FORMAT, dict(self.plan.source), self.plan.schema.to_json(), self.reference_digest, self._versions]
        return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    @cached_property
    def _versions(self) -> dict[str, int]:
        specs = [component for monitor in self.plan.monitors for component in monitor.components]
        return {c.use: _class(self.registry, c).tags.state_version for c in specs}

    @cached_property
    def preprocessors(self) -> dict[str, Preprocessor]:
        found = {spec.name: spec.component for spec in self.plan.preprocessors}
        return {name: cast("Preprocessor", self._shared(name, spec)) for name, spec in found.items()}

    @cached_property
    def explainers(self) -> dict[str, Explainer]:
        found = {spec.name: spec.component for spec in self.plan.explainers}
        return {name: cast("Explainer", self._shared(name, spec)) for name, spec in found.items()}

    def _shared(self, name: str, spec: ComponentSpec) -> BaseComponent:
        component = _make(self.registry, spec, self.plan.schema)
        return unpack_component(component, self.shared[name])

    def metric(self, monitor: str, alias: str, segment: str = "") -> Metric | None:
        """The component as the engine runs it, fitted for `segment`; None where it has no reference."""
        key = (monitor, alias, segment)
        if key not in self._live:
            self._live[key] = self._load(*key)
        return self._live[key]

    def _load(self, monitor: str, alias: str, segment: str) -> Metric | None:
        spec = self.plan.monitor(monitor)
        component_spec = next(c for c in spec.components if c.alias == alias)
        component = _make(self.registry, component_spec, self.plan.schema)
        if isinstance(component, Fittable):
            saved = self.fitted.get((monitor, alias, segment))
            if saved is None:
                return None
            unpack_component(component, saved)
        if isinstance(component, OutlierDetector):
            return OutlierFlags(component, spec.fdr, spec.explain.at_most if spec.explain else 0)
        return cast("Metric", component)

    def fingerprint(self, monitor: str, model_version: str = "") -> str:
        """Identity of the monitor's state; input monitors outlive a model version, the others do not."""
        spec = self.plan.monitor(monitor)
        fitted = self.reference_digest if any((monitor, c.alias, "") in self.fitted for c in spec.components) else ""
        tags = [_make(self.registry, c, self.plan.schema).tags for c in spec.components]
        needs = [t.needs_labels or t.needs_prediction or t.needs_probabilities for t in tags]
        of_model = spec.of != "inputs" or any(needs)
        version = model_version if of_model else ""
        return fingerprint(spec, self.plan.schema, self._versions, f"{fitted}/{version}")

    def to_bytes(self) -> bytes:
        return encode(
            {
                "format": FORMAT,
                "source": dict(self.plan.source),
                "schema": self.plan.schema.to_json(),
                "reference": self.reference_digest,
                "fitted": [[*key, dict(saved)] for key, saved in self.fitted.items()],
                "shared": {name: dict(saved) for name, saved in self.shared.items()},
                "reference_values": [[*key, dict(values)] for key, values in self.reference_values.items()],
            }
        )

    @classmethod
    def from_bytes(
        cls, data: bytes, registry: Registry, env: Mapping[str, str] | None = None, base: Path | None = None
    ) -> Bundle:
        """Read a bundle; variables of its YAML are expanded here, from `env` (the process's own by default).

        base: folder that relative paths start from, the working directory by default.
        """
        from vedette.config import from_source

        parts = decode(data)
        if parts.get("format") != FORMAT:
            raise BundleError(f"bundle format {parts.get('format')!r} is not {FORMAT}: rebuild it with `vedette build`")
        schema = Schema.from_json(parts["schema"])
        expanded = os.environ if env is None else env
        plan = from_source(parts["source"], schema=schema, base=base, env=expanded, registry=registry)
        return cls(
            plan=plan,
            registry=registry,
            reference_digest=parts["reference"],
            fitted={(m, a, s): saved for m, a, s, saved in parts["fitted"]},
            shared=parts["shared"],
            reference_values={(m, s): values for m, s, values in parts["reference_values"]},
        )

    def save(self, folder: Path) -> Path:
        """Write `<folder>/<digest>/bundle.vdt` and a readable monitors.json; returns the folder made."""
        target = folder / self.digest.replace(":", "-")
        target.mkdir(parents=True, exist_ok=True)
        (target / "bundle.vdt").write_bytes(self.to_bytes())
        (target / "monitors.json").write_text(json.dumps(dict(self.plan.source), indent=2, default=str) + "\n")
        return target


def build_bundle(
    plan: Plan, registry: Registry, reference: Batch | None, progress: Progress = lambda step: None
) -> Bundle:
    """Fit every component of `plan` on the reference.

    Raises BundleError naming the monitor that cannot be fitted, or the rule whose values there are not; `all` has
    every one, each with its place in the configuration.
    """
    bundle = Bundle(plan, registry, _digest(reference))
    shared: dict[str, Mapping[str, Any]] = {}
    broken: list[BundleError] = []
    declared = [("preprocessors", s) for s in plan.preprocessors] + [("explainers", s) for s in plan.explainers]
    for section, item in declared:
        progress(item.name)
        with collecting(broken):
            fresh = _make(registry, item.component, plan.schema)
            shared[item.name] = pack_component(_fit(fresh, reference, item.name, (section, item.name, "use")))
    raise_all(broken)  # what is made with them cannot be judged
    bundle.shared = shared
    fitted: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    values: dict[tuple[str, str], Mapping[str, Any]] = {}
    bundle.fitted, bundle.reference_values = fitted, values
    views = None if reference is None else Views(reference, bundle.preprocessors)
    failed: set[str] = set()
    for monitor in in_order(plan.monitors):
        progress(monitor.name)
        if monitor.source in failed:
            failed.add(monitor.name)
            continue
        before = len(broken)
        with collecting(broken):
            _fit_monitor(bundle, monitor, views, fitted)
            if views is not None and monitor.kind == "metric":
                values.update(_reference_values(bundle, monitor, views))
        if len(broken) > before:
            failed.add(monitor.name)
    with collecting(broken):
        check_rules(bundle, failed)
    raise_all(broken)
    return bundle


def in_order(monitors: Iterable[MonitorSpec]) -> list[MonitorSpec]:
    """Monitors with every source before those that read its score."""
    left = list(monitors)
    names = {m.name for m in left}
    done: list[MonitorSpec] = []
    while left:
        ready = [m for m in left if m.source is None or m.source not in names or m.source in {d.name for d in done}]
        if not ready:
            raise BundleError(f"monitors read each other in a circle: {[m.name for m in left]}")
        done += ready
        left = [m for m in left if m not in ready]
    return done


def _fit_monitor(
    bundle: Bundle, spec: MonitorSpec, views: Views | None, fitted: dict[tuple[str, str, str], Mapping[str, Any]]
) -> None:
    for part in spec.components:
        component = _make(bundle.registry, part, bundle.plan.schema)
        if not isinstance(component, Fittable):
            continue
        if views is None:
            raise BundleError(
                f"monitor {spec.name!r}: {part.use} compares with a reference, and there is none", place_of(spec, part)
            )
        try:
            seen = _reference_view(bundle, spec, views)
        except NoInput as error:
            where = ("monitors", spec.name, "of")
            raise BundleError(f"monitor {spec.name!r}: `of: {spec.of}`: in the reference, {error}", where) from error
        for segment, rows in _segments(seen, spec.by).items():
            fresh = _make(bundle.registry, part, bundle.plan.schema)
            fitted[spec.name, part.alias, segment] = pack_component(_fit(fresh, rows, spec.name, place_of(spec, part)))


def _reference_view(bundle: Bundle, spec: MonitorSpec, views: Views) -> Batch:
    """What a monitor sees of the reference; the scores of a detector are those of its held-out rows."""
    if spec.source is None:
        return views.view(spec)
    source = bundle.metric(spec.source, bundle.plan.monitor(spec.source).components[0].alias)
    if not isinstance(source, OutlierFlags):
        raise NoInput(f"{spec.source!r} is no outlier or adversarial detector with a reference, so it has no score")
    scores = np.random.default_rng(0).permutation(source.detector.calibration_)
    return Batch(inputs={"score": numeric(scores)}, schema=Schema(features={"score": "numeric"}))


def _segments(rows: Batch, by: tuple[str, ...]) -> dict[str, Batch]:
    if not by:
        return {"": rows}
    keys = segment_keys(rows, by)
    parts = {str(key): rows.take(keys == key) for key in dict.fromkeys(keys)}
    return {key: part for key, part in parts.items() if len(part) >= MIN_SEGMENT_ROWS}


def _reference_values(bundle: Bundle, spec: MonitorSpec, views: Views) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The metrics' values on the reference, for `reference(x)` in rules; without those that it cannot give."""
    try:
        seen = views.view(spec)
    except NoInput:
        return {}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for segment, rows in _segments(seen, spec.by).items():
        values: dict[str, Any] = {}
        for part in spec.components:
            component = cast("Metric", bundle.metric(spec.name, part.alias, segment))
            if fits(component, rows):
                try:
                    result = component.result(component.add(component.create(), rows), ResultContext())
                except ValueError as error:
                    where = place_of(spec, part)
                    raise BundleError(f"{spec.name!r} cannot measure the reference: {error}", where) from error
                values.update(part.named(result.values))
        found[spec.name, segment] = values
    return found


def fits(component: BaseComponent, batch: Batch, labelled: bool = False) -> bool:
    """Whether the batch has what the component needs. labelled: labels will come."""
    tags = component.tags
    return not (
        (tags.needs_labels and batch.labels is None and not labelled)
        or (tags.needs_prediction and batch.prediction is None)
        or (tags.needs_probabilities and batch.probabilities is None)
    )


def _class(registry: Registry, spec: ComponentSpec) -> type[BaseComponent]:
    return cast("type[BaseComponent]", registry.load(spec.use, (spec.kind,)))


def _make(registry: Registry, spec: ComponentSpec, schema: Schema) -> BaseComponent:
    made: BaseComponent = registry.build(spec.use, spec.options, (spec.kind,))
    return made.bind(schema)


def _fit(component: BaseComponent, rows: Batch | None, name: str, path: Keys) -> BaseComponent:
    if not isinstance(component, Fittable):
        return component
    if rows is None:
        raise BundleError(f"{name!r}: {component!r} needs a reference, and there is none", path)
    try:
        return component.fit(rows)
    except ValueError as error:
        raise BundleError(f"{name!r} cannot be fitted: {error}", path) from error


def _digest(reference: Batch | None) -> str:
    return "" if reference is None else hashlib.sha256(reference.to_bytes()).hexdigest()[:32]
