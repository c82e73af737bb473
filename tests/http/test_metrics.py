"""GET metrics: what Prometheus reads, in a bounded number of series."""

from __future__ import annotations

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.http.sites import Site

from vedette.http.metrics import families


def read(site: Site) -> dict[str, Metric]:
    reply = site.client.get("/metrics")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(reply.text)}


def test_results_of_segments_and_columns(lively: Site) -> None:
    found = read(lively)["vedette_result"].samples
    labels = {(s.labels["monitor"], s.labels["value"], s.labels["column"], s.labels["segment"]) for s in found}
    assert ("performance", "accuracy", "", "region=north") in labels
    assert ("performance", "accuracy", "", "region=<script>alert(1)</script>") in labels
    assert ("drift", "feature_p_value", "age", "") in labels
    assert {s.labels["window"] for s in found} == {"recent", "tick"}
    assert len(labels) == len(found)


def test_the_values_are_those_of_the_api(lively: Site) -> None:
    metrics = read(lively)
    for monitor in ("drift", "quality"):
        (latest,) = lively.client.get("/api/results", params={"monitor": monitor, "limit": 1}).json()
        for family, key in (("vedette_result_rows", "n"), ("vedette_result_timestamp_seconds", "end")):
            (value,) = [s.value for s in metrics[family].samples if s.labels["monitor"] == monitor]
            assert value == latest[key]
        scalars = {k: v for k, v in latest["values"].items() if isinstance(v, int | float)}
        shown = {
            s.labels["value"]: s.value
            for s in metrics["vedette_result"].samples
            if s.labels["monitor"] == monitor and not s.labels["column"]
        }
        assert shown == scalars


def test_alerts_are_one_while_they_fire(lively: Site) -> None:
    found = {(s.labels["rule"], s.labels["segment"]): s.value for s in read(lively)["vedette_alert"].samples}
    assert found[("performance", "region=north")] == 1.0
    assert found[("drift", "")] == 0.0


def test_counters_count(lively: Site) -> None:
    found = read(lively)
    assert found["vedette_rows"].type == "counter"
    (rows,) = found["vedette_rows"].samples
    assert (rows.name, rows.value) == ("vedette_rows_total", 200.0)
    assert found["vedette_dropped_rows"].samples[0].value == 0
    assert found["vedette_duplicates"].samples[0].value == 0
    labels = {s.labels["state"]: s.value for s in found["vedette_labels"].samples}
    assert labels["applied"] == 200


def test_openmetrics_where_it_is_asked_for(lively: Site) -> None:
    reply = lively.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in read_openmetrics(reply.text)}
    assert {"vedette_result", "vedette_rows"} <= names


def test_series_beyond_the_limit_are_cut_and_counted(lively: Site) -> None:
    service = lively.embedded.service
    everything = {family.name: family for family in families(service)}
    total = sum(len(everything[name].samples) for name in everything if name.startswith("vedette_result"))
    cut = {family.name: family for family in families(service, limit=20)}
    kept = sum(len(f.samples) for n, f in cut.items() if n.startswith("vedette_result")) - 1
    assert kept <= 20
    assert cut["vedette_result_series_cut"].samples[0].value == total - 1 - kept
    assert everything["vedette_result_series_cut"].samples[0].value == 0
