"""What a configuration says of its own faults: place, words, caret; all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.config import ConfigError, load, load_text
from vedette.config.plan import Plan

Load = Callable[..., Plan]
Faults = Callable[..., list[str]]

MANY = """\
version: 1
model: {nam: income}
reference: reference.parquet
schema: {label: incme, positive: ">50K"}
windows:
  recent: {last: 1000 rows, every: 2500 rows}
monitors:
  drift: {detect: ks, windw: recent}
  second: {detect: kz, window: recnt}
  third:
    detect: {use: ks, corection: bh}
    of: outlier.score
  shift: {detect: {use: conformal, bins: lots}, alert: {when: alarm and, for: x}}
  outliers: {detect: {use: isolation_forest, fdr: 2}, explain: nope}
  quality: {metrics: [{use: quantile, q: 0.5}, {use: quantile, q: 0.9}], alert: {when: before(quantile, 7d) < 3}}
  on: {metrics: missing_rate}
alerts:
  decay: {when: "drfit.drifted and second"}
  quality: mean < # 3
pools: {default: {replicas: true}}
"""

EXPECTED = """\
monitors.yaml:2:1: the key 'name' is missing
  model: {nam: income}
  ^
monitors.yaml:2:9: unknown key 'nam'; did you mean 'name'?
  model: {nam: income}
          ^
monitors.yaml:4:17: schema: the reference has no label column 'incme'; did you mean 'income'?
  schema: {label: incme, positive: ">50K"}
                  ^
monitors.yaml:6:36: every: rows between two windows would be in none; it is at most the window's length
    recent: {last: 1000 rows, every: 2500 rows}
                                     ^
monitors.yaml:8:23: unknown key 'windw'; did you mean 'window'?
    drift: {detect: ks, windw: recent}
                        ^
monitors.yaml:9:20: there is no drift or change or outlier or adversarial 'kz'; there is: chi2, conformal, \
isolation_forest, ks, mahalanobis, tabular
    second: {detect: kz, window: recnt}
                     ^
monitors.yaml:9:32: there is no window 'recnt'; did you mean 'recent'?
    second: {detect: kz, window: recnt}
                                 ^
monitors.yaml:11:23: ks has no option 'corection'; did you mean 'correction'?
      detect: {use: ks, corection: bh}
                        ^
monitors.yaml:12:9: of: there is no monitor 'outlier'; did you mean 'outliers'?
      of: outlier.score
          ^
monitors.yaml:13:42: conformal: option 'bins': 'lots': input should be a valid integer, unable to parse string as an \
integer
    shift: {detect: {use: conformal, bins: lots}, alert: {when: alarm and, for: x}}
                                           ^
monitors.yaml:13:79: for: 'x' is not a duration; write a number and a unit (ms, s, m, h, d, w), as in '10m'
    shift: {detect: {use: conformal, bins: lots}, alert: {when: alarm and, for: x}}
                                                                                ^
monitors.yaml:14:51: fdr: a rate between 0 and 1 is expected, not 2
    outliers: {detect: {use: isolation_forest, fdr: 2}, explain: nope}
                                                    ^
monitors.yaml:14:64: there is no explainer 'nope'; there is no 'explainers' section
    outliers: {detect: {use: isolation_forest, fdr: 2}, explain: nope}
                                                                 ^
monitors.yaml:15:48: 'quantile' stands here twice: name one of them with 'as'
    quality: {metrics: [{use: quantile, q: 0.5}, {use: quantile, q: 0.9}], alert: {when: before(quantile, 7d) < 3}}
                                                 ^
monitors.yaml:15:105: YAML has torn the rule 'before(quantile' apart at the comma: quote it, as in when: \
"before(x, 7d) < 0.7"
    quality: {metrics: [{use: quantile, q: 0.5}, {use: quantile, q: 0.9}], alert: {when: before(quantile, 7d) < 3}}
                                                                                                          ^
monitors.yaml:16:3: 'on' is a reserved word; choose another name
    on: {metrics: missing_rate}
    ^
monitors.yaml:16:17: metrics: a list is expected, not 'missing_rate'
    on: {metrics: missing_rate}
                  ^
monitors.yaml:18:18: there is no monitor 'drfit'; did you mean 'drift'?
    decay: {when: "drfit.drifted and second"}
                   ^
monitors.yaml:18:36: 'second' is a monitor: name one of its values, as in second.drifted
    decay: {when: "drfit.drifted and second"}
                                     ^
monitors.yaml:19:3: 'quality' stands in 'monitors' too; monitors, explainers and alerts share their names
    quality: mean < # 3
    ^
monitors.yaml:19:18: rule: the rule ends too early: a value is missing; YAML took '# 3' for a comment: quote the rule
    quality: mean < # 3
                   ^
monitors.yaml:20:29: replicas: a whole number or a mapping of min and max is expected, not true
  pools: {default: {replicas: true}}
                              ^"""


def test_all_faults_at_once_with_their_places(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(MANY, "monitors.yaml", folder, env={})
    assert str(caught.value) == EXPECTED


BY = "monitors: {a: {detect: ks, by: [job]}, b: {detect: ks}}\n"  # only `b` has results over all rows
CASES: list[tuple[str, str]] = [
    # keys and types
    ("monitor: auto", "5:1: unknown key 'monitor'; did you mean 'monitors'?"),
    ("tap: {bufer: 1 row}", "5:7: unknown key 'bufer'; did you mean 'buffer'?"),
    ("sinks: {s: {use: log, event: [alert]}}", "5:23: log has no option 'event'; did you mean 'events'?"),
    ("monitors: {a: {detect: [ks]}}", "5:24: detect: a mapping is expected, not a list"),
    ("monitors: {a: {metrics: []}}", "5:25: metrics: at least 1 are needed, not 0"),
    ("monitors: {a: {metrics: [accuracy], detect: ks}}", "exactly one of 'metrics' and 'detect'; found both"),
    ("monitors: {a: {window: 1h}}", "exactly one of 'metrics' and 'detect'; found neither"),
    ("monitors: autos", "5:11: monitors: a mapping is expected, not 'autos'"),
    ("monitors: {a: ks}", "5:15: a: a mapping is expected, not 'ks'"),
    ("monitors: {a: }", "5:15: a: a mapping is expected, not nothing"),
    ("retention: 30", "5:12: retention: 30 is not a duration"),
    ("labels: {coverage: 1.5}", "5:20: coverage: 1.5 must be less than or equal to 1"),
    ("labels: {join: ID}", "5:16: join: there is no column or attribute 'ID'; did you mean 'id'?"),
    ("labels: {join: [id]}", "5:16: join: a text is expected, not a list"),
    ("labels: {join: ''}", "5:16: join: '' is no name of a column; write id, or a column or attribute"),
    ("server: {port: http}", "5:16: port: a whole number is expected, not 'http'"),
    ("server: {tokens: {admin: x}}", "5:19: unknown key 'admin'; allowed: explain, read, write"),
    ("store: 5", "5:8: store: a text is expected, not 5: quote it"),
    ("store: vedette.db", "5:8: store: 'vedette.db' is no database URL"),
    ("privacy: {payloads: flaged}", "5:21: payloads: 'flaged' is not allowed; did you mean 'flagged'?"),
    ("privacy: {payloads: {sample: 0}}", "5:30: sample: 0 must be greater than 0"),
    ("privacy: {redact: [agee]}", "5:20: redact: the model has no input 'agee'; did you mean 'age'?"),
    ("pools: {heavy: {replicas: {min: 3, max: 2}}}", "5:27: replicas: min 3 and max 2 do not fit; 0 <= min <= max"),
    ("pools: {heavy: {cpus: .inf}}", "5:23: cpus: a finite number is expected, not inf"),
    ("sinks: {s: {use: log, severity: [panic]}}", "'panic' is not allowed; allowed: info, warn, page"),
    ("sinks: {s: {use: webhook}}", "5:18: webhook: option 'url': is required"),
    ("monitors: {a: {detect: ks, window: {spam: 1h}}}", "5:37: unknown key 'spam'; did you mean 'span'?"),
    ("monitors: {a: {detect: ks, window: [1h, {spam: 1h}]}}", "5:42: unknown key 'spam'; did you mean 'span'?"),
    ("monitors: {a: {detect: ks, window: {last: 9 rows, ever: 3 rows}}}", "unknown key 'ever'; did you mean 'every'?"),
    ("windows: {w: {spam: 1h}}\nmonitors: {a: {detect: ks, window: w}}", "5:15: unknown key 'spam'; did you mean"),
    ("monitors: {a: {metrics: [{use: accuracy, as: {b: c}}]}}", "5:46: as: a text is expected, not a mapping"),
    # names
    ("monitors: {Drift: {detect: ks}}", "5:12: 'Drift' is no name; a name is small letters, digits and _"),
    ("monitors: {inputs: {detect: ks}}", "5:12: 'inputs' is a reserved word"),
    ("windows: {no: {last: 5 rows}}", "5:11: 'no' is a reserved word"),
    ("monitors: {a: {detect: ks}}\nalerts: {a: a.drifted}", "6:10: 'a' stands in 'monitors' too"),
    # components and options
    ("monitors: {a: {metrics: [ks]}}", "5:26: there is no metric 'ks'; there is a drift of this name"),
    ("monitors: {a: {metrics: [{use: quantile, q: 2}]}}", "5:45: quantile: q is 2.0; allowed: 0 to 1"),
    ("monitors: {a: {detect: {use: ks, fdr: 0.1}}}", "5:34: ks has no option 'fdr'"),
    ("monitors: {a: {detect: {ues: ks}}}", "the key 'use' is missing"),
    ("preprocessors: {p: {use: ks}}", "5:26: there is no preprocessor 'ks'; there is a drift of this name"),
    ("explainers: {e: {use: kernel_shap, deadlin: 5s}}", "did you mean 'deadline'?"),
    # windows
    ("monitors: {a: {detect: ks, window: 1000}}", "5:36: window: a mapping is expected, not 1000; write '1000 rows'"),
    ("monitors: {a: {detect: ks, window: 5x}}", "allowed: a duration ('7d'), '1000 rows', lifetime"),
    ("monitors: {a: {detect: ks, window: [1h, 1h]}}", "5:41: the window '1h' stands here twice"),
    ("monitors: {a: {detect: ks, window: {span: 1h, last: 5 rows}}}", "half_life and since; found span and last"),
    ("monitors: {a: {detect: ks, window: {}}}", "lifetime, calendar, half_life and since; found none"),
    ("monitors: {a: {detect: ks, window: {calendar: moon}}}", "calendar: 'moon' is not allowed; did you mean 'month'?"),
    ("monitors: {a: {detect: ks, window: {calendar: day, zone: Europe/Berlim}}}", "did you mean 'Europe/Berlin'?"),
    ("monitors: {a: {detect: ks, window: {span: 1d, zone: UTC}}}", "zone: belongs to 'calendar', not to 'span'"),
    ("monitors: {a: {detect: ks, window: {span: 1d, longest: 9d}}}", "longest: belongs to 'since', not to 'span'"),
    ("monitors: {a: {metrics: [moments], compare: {by: v, base: '1'}}}", "segments are compared over one time"),
    ("monitors: {a: {detect: ks, window: 1h, compare: {by: v, base: '1'}}}", "compare: metrics are compared, not what"),
    ("monitors: {a: {metrics: [moments], window: 1h, compare: {by: v}}}", "the key 'base' is missing"),
    ("monitors: {a: {metrics: [accuracy, moments]}}", "5:36: moments reads inputs, which are gone"),
    ("monitors: {a: {metrics: [frequencies], window: {half_life: 1h}}}", "half_life: frequencies cannot decay"),
    ("monitors: {a: {detect: ks, window: {half_life: 1h}}}", "half_life: ks cannot decay"),
    ("monitors: {a: {detect: ks, window: {since: b}}}", "since: there is no monitor 'b'"),
    ("monitors: {a: {detect: ks, window: {since: b}}, b: {detect: ks}}", "detects no changes: it is a drift"),
    ("monitors: {a: {detect: ks, window: {since: b}}, b: {detect: conformal, pool: p}}", "runs in the pool"),
    ("monitors: {a: {detect: ks, window: {since: b}}, b: {detect: conformal, by: r}}", "since: 'b' has segments by r"),
    ("monitors: {a: {detect: ks, window: {last: 9 rows, every: 1m}}}", "every: '1m' is not a number of rows"),
    ("monitors: {a: {detect: ks, window: {span: 9m, every: 2 rows}}}", "every: '2 rows' is not a duration"),
    ("monitors: {a: {detect: ks, window: {span: 30d, every: 1s}}}", "would be 2592000 ticks of 1s"),
    ("monitors: {a: {detect: ks, window: {last: 9 rows, grace: 1m}}}", "a window of rows has no grace"),
    ("monitors: {a: {detect: conformal, window: 1h}}", "5:35: conformal is sequential: it takes no window"),
    ("monitors: {a: {detect: mahalanobis, window: 1h}}", "5:37: mahalanobis scores row by row: it takes no window"),
    # inputs and chains
    ("monitors: {a: {detect: ks, of: input}}", "5:32: of: 'input' is no input; did you mean 'inputs'?"),
    ("monitors: {a: {detect: ks, of: b.score}}", "5:32: of: there is no monitor 'b'"),
    ("monitors: {o: {detect: mahalanobis}, a: {detect: ks, of: o.alarm}}", "write 'o.score', not 'o.alarm'"),
    ("monitors: {d: {detect: ks}, a: {detect: ks, of: d.score}}", "'d.score' does not exist: a drift monitor"),
    (
        "monitors: {a: {detect: mahalanobis, of: b.score}, b: {detect: mahalanobis, of: a.score}}",
        "monitors read each other in a circle: a -> b -> a",
    ),
    (
        "monitors: {o: {detect: mahalanobis, pool: heavy}, a: {detect: conformal, of: o.score, pool: light}}",
        "pool: 'a' reads the score of 'o', so it runs in its pool, 'heavy', not in 'light'",
    ),
    ("monitors: {a: {detect: ks, preprocess: white}}", "there is no preprocessor 'white'; there is no 'preprocessors'"),
    ("monitors: {a: {detect: ks, of: labels}}", "ks works on numeric columns, but 'labels' has only category"),
    ("monitors: {a: {detect: ks, explain: why}}\nexplainers: {why: kernel_shap}", "a drift monitor flags no rows"),
    ("monitors: {a: {detect: mahalanobis, explain: {use: w, at_most: 5 per 9 rows}}}", "there is no explainer 'w'"),
    ("capture: {attributes: {region: header.r}}\nmonitors: {a: {detect: ks, by: regio}}", "did you mean 'region'?"),
    (
        "capture: {probabilities: none}\nmonitors: {a: {metrics: [roc_auc]}}",
        "6:26: roc_auc needs probabilities, but 'capture.probabilities' is 'none'",
    ),
    # alerts
    ("monitors: {a: {metrics: [accuracy], alert: true}}", "5:37: an alert of a metric needs a rule"),
    ("monitors: {a: {detect: ks, alert: {severity: bad}}}", "'bad' is not allowed; allowed: info, warn, page"),
    ("monitors: {a: {detect: ks, alert: {when: 5}}}", "5:42: a rule is a text, not 5: quote it"),
    ("monitors: {a: {detect: ks, alert: {when: {a: b}}}}", "5:42: a rule is a text, not a mapping: quote it"),
    ("monitors: {a: {detect: ks, alert: drifted and}}", "5:46: rule: the rule ends too early"),
    ("monitors: {a: {detect: ks, alert: no_data(10m)}}", "5:35: rule: no_data(...) never holds here"),
    ("monitors: {a: {detect: ks, alert: no_data(10m)}}", "silence belongs under the top-level 'alerts:'"),
    ("monitors: {a: {detect: ks, alert: {when: 'drifted or not no_data(1h)', for: 3}}}", "5:58: rule: no_data(...)"),
    ("alerts: {x: {severity: page}}", "5:10: the key 'when' is missing"),
    ("alerts: {x: drifted}", "5:13: there is no monitor 'drifted'; names are monitor.value, as in drift.drifted"),
    (BY + "alerts: {x: a.drifted}", "6:13: 'a' has a result for each segment ('by') and none over all rows"),
    (BY + "alerts: {x: a.drifted}", "put the rule on the monitor ('alert'), which judges every segment"),
    (BY + "alerts: {x: {when: 'b.drifted and abs(a.share) > 1', for: 3}}", "6:39: 'a' has a result for each"),
    (BY + "alerts: {x: 'b.share > before(a.share, 7d)'}", "6:31: 'a' has a result for each"),
    (BY + "alerts: {x: no_data(1h) or not a.drifted}", "6:32: 'a' has a result for each"),
    (BY + "alerts: {x: a}", "6:13: 'a' has a result for each"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_one_fault(body: str, expected: str, faults: Faults) -> None:
    found = faults(body)
    assert len(found) == 1, found
    assert expected in found[0]
    assert found[0].startswith("monitors.yaml:")


def test_silence_is_refused_on_a_monitor_at_fault_and_hidden_in_a_variable(faults: Faults) -> None:
    kz, rule = faults("monitors: {a: {metrics: [kz], alert: no_data(1h)}}")
    assert "5:26: there is no metric 'kz'" in kz
    assert "5:38: rule: no_data(...) never holds here" in rule
    (hidden,) = faults('monitors: {a: {detect: ks, alert: "${RULE}"}}', {"RULE": "no_data(77m)"})
    assert "what '${RULE}' stands for is no rule" in hidden
    assert "77m" not in hidden


def test_silence_under_the_top_level_alerts(load: Load) -> None:
    plan = load("monitors: {a: {detect: ks}}\nalerts: {x: no_data(10m) and a.p_value >= 0, y: no_data(1h)}")
    assert [rule.when for rule in plan.alerts] == ["no_data(10m) and a.p_value >= 0", "no_data(1h)"]


def test_a_file_without_its_two_needed_keys(faults: Faults) -> None:
    found = faults("{}", head="")
    assert found == ["monitors.yaml:1:1: the key 'version' is missing", "monitors.yaml:1:1: the key 'model' is missing"]


def test_a_version_of_the_future(faults: Faults) -> None:
    assert "version: 2 is not allowed; allowed: 1" in faults("", head="version: 2\nmodel: {name: m}\n")[0]


def test_an_alias_is_not_followed_yet(faults: Faults) -> None:
    """Rather than unknown, since the word is one's first guess; a model that serves must not be exchanged unasked."""
    head = 'version: 1\nmodel: {name: m, uri: "models:/m@champion", refresh: 1m}\n'
    (found,) = faults("schema: {features: {age: numeric}}\nmonitors: {}", head=head)
    assert found.startswith("monitors.yaml:2:45: model: 'refresh' is not supported yet")
    assert "start again to follow it" in found


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("refrence.parquet", "does not exist; did you mean 'reference.parquet'?"),
        ("{first: 10000 rows}", "reference: 'first' is not supported yet"),
        ("{uri: reference.parquet, phase: hour_of_week}", "3:37: reference: 'phase' is not supported yet"),
        ("{}", "reference: the key 'uri' is missing"),
        ("s3x://bucket/a", "no plugin loads 's3x://bucket/a'; allowed: a parquet or csv file"),
        ("monitors.txt", "does not exist"),
    ],
)
def test_the_reference(reference: str, expected: str, faults: Faults) -> None:
    head = f"version: 1\nmodel: {{name: m}}\nreference: {reference}\n"
    found = faults("schema: {label: income}\nmonitors: {d: {detect: ks}}", head=head)
    assert len(found) == 1, found
    assert found[0].startswith("monitors.yaml:3:")
    assert expected in found[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"version: \xff")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "absent.yaml", tmp_path / "latin.yaml")
    assert [fault.message for fault in caught.value.faults] == [
        "the file cannot be read: No such file or directory",
        "the file cannot be read: it is not UTF-8 text",
    ]


@pytest.mark.parametrize("metric", ["pape", "performance_range"])
def test_estimates_that_read_inputs_are_no_neighbours_of_metrics_that_wait_for_labels(
    metric: str, faults: Faults
) -> None:
    found = faults(f"monitors: {{a: {{metrics: [log_loss, {metric}]}}}}")
    assert any(f"5:36: {metric} reads inputs, which are gone when the labels come" in fault for fault in found), found
    assert not any("which are gone" in fault for fault in faults(f"monitors: {{a: {{metrics: [cbpe, {metric}]}}}}"))


def test_columns_that_are_no_features(faults: Faults) -> None:
    body = "monitors: {a: {metrics: [{use: quantile, columns: [hours, agee]}]}, b: {detect: {use: ks, columns: [zz]}}}"
    assert faults(body) == [
        "monitors.yaml:5:59: quantile: columns: there is no feature 'agee'; did you mean 'age'?",
        "monitors.yaml:5:101: ks: columns: there is no feature 'zz'; allowed: age, hours, job",
    ]


def test_columns_that_a_preprocessor_makes_are_judged_later(load: Load) -> None:
    small = "preprocessors: {small: {use: pca, components: 1}}\n"
    load(small + "monitors: {a: {metrics: [{use: quantile, columns: [pc1]}], preprocess: [small]}}")
