"""What a configuration means: defaults, windows, chains, alerts, pools, components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vedette.config import ConfigError, from_source
from vedette.config.loading import load_tap
from vedette.config.plan import AlertSpec, ExplainSpec, Plan, PoolSpec, TapSpec, WindowSpec
from vedette.plugins import MissingExtra, Registered, get_registry
from vedette_specs import Component
from vedette_specs.hooks import ComponentKind

Load = Callable[..., Plan]
Faults = Callable[..., list[str]]

FULL = """
capture: {deployment: Income, inputs: body.rows, probabilities: response.score, attributes: {region: header.x-region}}
labels: {join: id, within: 3d, coverage: 0.5}
store: "${VEDETTE_STORE:-sqlite:///vedette.db}"
windows:
  recent: {last: 1000 rows, every: 250 rows}
  hourly: {span: 1h, every: 10m, min: 200 rows, grace: 5m}
preprocessors: {white: {use: standardise}}
monitors:
  performance: {metrics: [roc_auc, {use: accuracy, as: acc}], window: [hourly, 7d],
                alert: {when: "roc_auc < 0.70", for: 3, severity: page}}
  quality:     {metrics: [missing_rate, {use: quantile, q: 0.99, columns: [age]}], window: hourly, by: region}
  drift:       {detect: ks, window: recent, preprocess: white}
  shift:       {detect: {use: conformal, false_alarms: 1 per 100000 rows}}
  attack:      {detect: conformal, of: outliers.score}
  outliers:    {detect: {use: isolation_forest, fdr: 0.05}, explain: {use: why, at_most: 3 per 10m}, pool: heavy}
alerts:
  silent_decay: {when: "drift.drifted and performance.roc_auc < 0.75", for: 10m, severity: page}
explainers:
  why: {use: kernel_shap, background: 50, max_rows: 500, deadline: 10s}
pools: {heavy: {replicas: {min: 0, max: 4}, cpus: 0.5}}
sinks: {pager: {use: webhook, url: "http://h/p", events: [alert], severity: page}}
tap: {buffer: 64 MiB, sync: true}
privacy: {redact: [ssn], payloads: {sample: 0.01}}
server: {tokens: {read: [r1, both], write: both}, port: 8300, max_body: 1 MiB}
retention: 90d
"""


@pytest.fixture
def plan(load: Load) -> Plan:
    return load(FULL)


def test_sections(plan: Plan) -> None:
    assert (plan.model, plan.retention) == ("income", 90 * 86400.0)
    assert plan.capture.attributes == {"region": "header.x-region"}
    assert (plan.capture.method, plan.capture.prediction) == ("__call__", "auto")
    assert (plan.labels.within, plan.labels.coverage) == (3 * 86400.0, 0.5)
    assert (plan.tap.buffer_rows, plan.tap.buffer_bytes, plan.tap.sync) == (100_000, 64 << 20, True)
    assert (plan.privacy.redact, plan.privacy.payloads) == (("ssn",), 0.01)
    assert plan.server.tokens == {"r1": ("read",), "both": ("read", "write")}
    assert (plan.server.port, plan.server.max_body) == (8300, 1 << 20)
    assert (plan.sinks[0].events, plan.sinks[0].severity) == (("alert",), ("page",))


def test_sources_come_before_those_that_read_their_score(plan: Plan) -> None:
    names = [monitor.name for monitor in plan.monitors]
    assert names == ["performance", "quality", "drift", "shift", "outliers", "attack"]
    assert plan.monitor("attack").source == "outliers"


def test_a_chained_monitor_runs_in_its_sources_pool(plan: Plan) -> None:
    assert plan.monitor("attack").pool == plan.monitor("outliers").pool == "heavy"


def test_windows_by_name_and_duration(plan: Plan) -> None:
    assert plan.monitor("performance").windows == (
        WindowSpec("hourly", span=3600, every=600, min_rows=200, grace=300),
        WindowSpec("7d", span=604800, every=151200),
    )
    assert plan.monitor("performance").tick == 600
    assert plan.monitor("drift").windows == (WindowSpec("recent", rows=1000, every=250),)
    assert plan.monitor("shift").windows == ()


def test_alerts(plan: Plan) -> None:
    assert plan.monitor("performance").alert == AlertSpec("performance", "roc_auc < 0.70", "performance", "page", 3)
    assert plan.monitor("drift").alert == AlertSpec("drift", "drifted", "drift")
    assert plan.monitor("shift").alert == AlertSpec("shift", "alarm", "shift")
    assert plan.monitor("quality").alert is None
    assert plan.monitor("outliers").alert is None
    assert plan.alerts == (
        AlertSpec("silent_decay", "drift.drifted and performance.roc_auc < 0.75", "", "page", 1, 600.0),
    )


def test_components(plan: Plan) -> None:
    quality = plan.monitor("quality").components
    assert [(c.use, c.alias, dict(c.options)) for c in quality] == [
        ("missing_rate", "missing_rate", {}),
        ("quantile", "quantile", {"q": 0.99, "columns": ["age"]}),
    ]
    assert [c.alias for c in plan.monitor("performance").components] == ["roc_auc", "acc"]
    assert plan.monitor("shift").components[0].options == {"false_alarms": "1 per 100000 rows"}
    assert plan.monitor("outliers").fdr == 0.05
    assert plan.monitor("outliers").components[0].options == {}
    assert plan.monitor("outliers").explain == ExplainSpec("why", 3, 600.0)


def test_explainers_share_their_budget_with_the_component(plan: Plan) -> None:
    why = plan.explainers[0]
    assert (why.background, why.max_rows, why.max_calls, why.deadline, why.pool) == (50, 500, 100, 10.0, "explain")
    assert why.component.options.get("background") == 50


def test_pools_that_are_only_used_get_defaults(plan: Plan) -> None:
    assert plan.pools == (PoolSpec("default"), PoolSpec("heavy", 0, 4, 0.5), PoolSpec("explain"))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("1000 rows", WindowSpec("1000 rows", rows=1000, every=250)),
        ("10 rows", WindowSpec("10 rows", rows=10, every=3)),
        ("1h", WindowSpec("1h", span=3600, every=900)),
        ("1ms", WindowSpec("1ms", span=0.001, every=0.001)),
        ("lifetime", WindowSpec("lifetime", lifetime=True, every=60)),
        ("{lifetime: true, every: 5m}", WindowSpec("lifetime", lifetime=True, every=300)),
        ("{last: 100 rows}", WindowSpec("100 rows", rows=100, every=25)),
        ("{last: 100 rows, every: 25 rows}", WindowSpec("100 rows", rows=100, every=25)),
        ("{last: 100 rows, every: 50 rows, min: 20}", WindowSpec("100 rows every 50", rows=100, every=50, min_rows=20)),
        ("{span: 1d, every: 1h}", WindowSpec("1d every 1h", span=86400, every=3600)),
        ("{span: 1d, every: 1d}", WindowSpec("1d every 1d", span=86400, every=86400)),
    ],
)
def test_windows(window: str, expected: WindowSpec, load: Load) -> None:
    plan = load(f"monitors: {{d: {{detect: ks, window: {window}}}}}")
    assert plan.monitors[0].windows == (expected,)


def test_metrics_and_drift_have_a_default_window(load: Load) -> None:
    plan = load("monitors: {d: {detect: ks}, q: {metrics: [missing_rate]}, o: {detect: mahalanobis}}")
    default = (WindowSpec("1000 rows", rows=1000, every=250),)
    assert [monitor.windows for monitor in plan.monitors] == [default, default, ()]


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ("false", None),
        ("true", AlertSpec("d", "drifted", "d")),
        ("p_value < 0.01", AlertSpec("d", "p_value < 0.01", "d")),
        ("{for: 2}", AlertSpec("d", "drifted", "d", "warn", 2)),
        ("{keep_firing_for: 3}", AlertSpec("d", "drifted", "d", keep_count=3)),
        ("{for: 2, keep_firing_for: 10m}", AlertSpec("d", "drifted", "d", "warn", 2, keep_seconds=600.0)),
        ("{when: 'not drifted', for: 1h, severity: info}", AlertSpec("d", "not drifted", "d", "info", 1, 3600.0)),
    ],
)
def test_alert_shorthands(alert: str, expected: AlertSpec | None, load: Load) -> None:
    assert load(f"monitors: {{d: {{detect: ks, alert: {alert}}}}}").monitors[0].alert == expected


@pytest.mark.parametrize(
    ("replicas", "bounds"),
    [("3", (3, 3)), ("0", (0, 1)), ("{min: 2}", (2, 2)), ("{min: 0}", (0, 1)), ("{max: 5}", (1, 5))],
)
def test_replicas(replicas: str, bounds: tuple[int, int], load: Load) -> None:
    pool = load(f"pools: {{heavy: {{replicas: {replicas}}}}}").pools[1]
    assert (pool.min_replicas, pool.max_replicas) == bounds


def test_a_plan_from_its_source_is_the_same_plan(plan: Plan, folder: Any) -> None:
    again = from_source(plan.source, schema=plan.schema, base=folder, env={})
    assert again == plan


def test_a_bundle_needs_no_reference_file(plan: Plan, folder: Any) -> None:
    (folder / "reference.parquet").unlink()
    assert from_source(plan.source, schema=plan.schema, base=folder, env={}) == plan


class Shelf:
    """The real registry, with one component whose package is missing."""

    missing: ClassVar[str] = "deep_drift"

    def __getattr__(self, name: str) -> Any:
        return getattr(get_registry(), name)

    def find(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> Registered:
        if name == self.missing:
            return Registered(Component("drift", name, "deep:Drift", extra="torch"), "deep")
        return get_registry().find(name, kinds)

    def load(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> type:
        if name == self.missing:
            raise MissingExtra(f"{name!r} needs the package 'torch': pip install torch")
        return get_registry().load(name, kinds)


def test_a_component_whose_package_is_missing(faults: Faults) -> None:
    found = faults("monitors: {d: {detect: deep_drift}}", registry=Shelf())
    assert found == ["monitors.yaml:5:24: 'deep_drift' needs the package 'torch': pip install torch"]


def test_a_detector_without_a_reference(faults: Faults) -> None:
    head = "version: 1\nmodel: {name: m}\nschema: {features: {a: numeric}}\n"
    body = "monitors: {d: {detect: ks}, q: {metrics: [missing_rate]}}"
    assert faults(body, head=head) == [
        "monitors.yaml:4:24: ks learns from a reference, but there is none: set 'reference:'"
    ]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_a_metric_without_labels(metric: str, faults: Faults) -> None:
    head = "version: 1\nmodel: {name: m}\nschema: {features: {a: numeric}}\n"
    found = faults(f"monitors: {{p: {{metrics: [{metric}]}}}}", head=head)
    assert f"{metric} needs labels, but the schema has none: set 'schema.label' or 'schema.task'" in found[0]


def test_a_tap_can_be_read_without_the_rest(tmp_path: Path) -> None:
    """Neither the reference nor the monitors are looked at."""
    path = tmp_path / "monitors.yaml"
    path.write_text(
        "version: 1\nmodel: {name: m, version: v2}\nreference: not-there.parquet\ntap: {buffer: 5 rows, spool: s}\n"
        "monitors: {x: {detect: no_such_thing}}\n"
    )
    assert load_tap([path]) == (TapSpec(buffer_rows=5, spool=str(tmp_path / "s")), "v2")
    path.write_text("version: 1\nmodel: {name: m}\ntap: {bufer: 5 rows}\n")
    with pytest.raises(ConfigError, match=r"monitors\.yaml:3:7: unknown key 'bufer'.*did you mean 'buffer'"):
        load_tap([path])
