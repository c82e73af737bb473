"""Rewriting and merging Serve configurations."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from vedette.config.plan import CaptureSpec, TapSpec
from vedette_rayserve.app import MonitorsArgs, build_monitors, imported, one_machine
from vedette_rayserve.deploy import changes, check_store, merged
from vedette_rayserve.serve_config import MODEL_BUILDER, ServeConfigError, instrumented
from vedette_rayserve.yaml_edit import rewritten

MONITORS = {"bundle": "sha256:1", "store": "sqlite:////tmp/x.db"}
TEXT = """\
# my cluster
proxy_location: HeadOnly   # one node
http_options: {port: 8000}

applications:
  # the model
  - name: income
    route_prefix: /
    import_path: model:app   # here
    args:
      path: "x"   # p
      n: [1, 2]
    # replicas
    runtime_env: {env_vars: {A: "1"}}
    deployments:
      - name: Income
        num_replicas: 2
  # the other
  - name: other
    route_prefix: /other
    import_path: "other:app"
    # trailing
logging_config:
  encoding: TEXT
"""


def made(text: str = TEXT, application: str | None = "income", **extra: Any) -> dict[str, Any]:
    return instrumented(yaml.safe_load(text), "income", MONITORS, application=application, **extra)


def test_only_import_path_and_args_of_the_target_change() -> None:
    before, after = yaml.safe_load(TEXT), made()
    old, new = before["applications"][0], after["applications"][0]
    assert new["import_path"] == MODEL_BUILDER
    assert new["args"] == {"app": "model:app", "monitors": "income-vedette", "args": {"path": "x", "n": [1, 2]}}
    assert {k: v for k, v in new.items() if k not in ("import_path", "args")} == {
        k: v for k, v in old.items() if k not in ("import_path", "args")
    }
    assert after["applications"][1] == before["applications"][1]
    assert {k: v for k, v in after.items() if k != "applications"} == {
        k: v for k, v in before.items() if k != "applications"
    }


def test_the_monitors_come_as_an_application_of_their_own() -> None:
    assert made()["applications"][2] == {
        "name": "income-vedette",
        "route_prefix": "/vedette/income",
        "import_path": "vedette_rayserve.app:build_monitors",
        "runtime_env": {"env_vars": {"A": "1"}},
        "args": {**MONITORS, "model_app": "income"},
    }


def test_model_is_told_where_to_listen_and_nothing_that_can_change() -> None:
    capture = CaptureSpec(deployment="Income", method="predict", inputs="body.rows", attributes={"a": "header.a"})
    args = made(capture=capture, tap=TapSpec(spool="/var/spool"))["applications"][0]["args"]
    assert args["capture"] == {"deployment": "Income", "method": "predict"}
    assert args["tap"] == {"spool": "/var/spool"}


def test_text_keeps_comments_quotes_and_order() -> None:
    text = rewritten(TEXT, "income", made())
    assert yaml.safe_load(text) == made()
    for kept in ("# my cluster", "# one node", "{port: 8000}", "# the model", "# here", "# replicas", '"other:app"'):
        assert kept in text
    assert text.index("name: other") < text.index("name: income-vedette") < text.index("logging_config")


@pytest.mark.parametrize(
    "text",
    [
        "applications:\n- name: a\n  import_path: m:app\n",
        "applications:\n- import_path: m:app\n  name: a",
        "applications: [{name: a, import_path: 'm:app'}]\n",
        "applications:\n  - {name: a, import_path: m.app}\n",
        "applications:\n  - args: {x: 1}\n    name: a\n    import_path: m:app\n",
        "applications:\n  -   name: a\n      import_path: m:app\n      args:\n        t: |\n          1\n          2\n",
    ],
)
def test_every_way_of_writing_gives_the_right_configuration(text: str) -> None:
    wanted = made(text, None)
    assert yaml.safe_load(rewritten(text, None, wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "application", "message"),
    [
        (TEXT, None, "--application is missing; there are 'income', 'other'"),
        (TEXT, "incom", "no application is named 'incom'; there are 'income', 'other'"),
        ("import_path: model:app\n", None, "applications: a list of applications is missing"),
        ("applications:\n- name: a\n  import_path: model\n", None, "import_path: 'model' is not of the form"),
        ("applications:\n- name: a\n", None, "import_path: None"),
        ("applications:\n- name: income-vedette\n  import_path: m:app\n", None, "is there already"),
        (f"applications:\n- name: a\n  import_path: {MODEL_BUILDER}\n", None, "instrumented already"),
    ],
)
def test_bad_configurations_are_refused(text: str, application: str | None, message: str) -> None:
    with pytest.raises(ServeConfigError, match=message):
        made(text, application)


def test_merging_removes_no_application() -> None:
    live = {"applications": [{"name": "old", "route_prefix": "/old"}, {"name": "a", "route_prefix": "/"}]}
    wanted = {"applications": [{"name": "a", "route_prefix": "/", "x": 1}, {"name": "b", "route_prefix": "/b"}]}
    whole = merged(live, wanted)
    assert [item["name"] for item in whole["applications"]] == ["old", "a", "b"]
    assert [(name, action) for name, action, _ in changes(live, whole)] == [
        ("old", "keep"),
        ("a", "change"),
        ("b", "add"),
    ]
    assert "+x: 1" in changes(live, whole)[1][2]
    assert "x" not in live["applications"][1]


def test_a_route_that_is_taken_is_an_error() -> None:
    live = {"applications": [{"name": "old", "route_prefix": "/"}]}
    with pytest.raises(ServeConfigError, match="'/' is of 'old', which runs, and of 'a'"):
        merged(live, {"applications": [{"name": "a", "route_prefix": "/"}]})


def test_sqlite_is_for_one_machine() -> None:
    config = {"applications": [{"name": "m", "args": {"store": "sqlite:////x.db"}}]}
    check_store(config, 1)
    check_store({"applications": [{"name": "m", "args": {"store": "postgresql://h/d"}}]}, 3)
    with pytest.raises(ServeConfigError, match="SQLite lives on one machine, and the cluster has 3 nodes"):
        check_store(config, 3)


@pytest.mark.parametrize("store", ["sqlite:////tmp/x.db", "sqlite:///x.db"])
def test_sqlite_is_refused_on_the_cluster_too(store: str) -> None:
    """Not everything comes through `vedette deploy`: the builder looks again, where the nodes are."""
    one_machine(store, 1)
    one_machine("postgresql://h/d", 3)
    with pytest.raises(ValueError, match="SQLite lives on one machine, and the cluster has 2 nodes: use postgresql://"):
        one_machine(store, 2)


def test_import_paths() -> None:
    assert imported("vedette_rayserve.app:imported") is imported
    assert imported("vedette_rayserve.app.imported") is imported
    with pytest.raises(ModuleNotFoundError):
        imported("no_such_module:app")


def test_a_bundle_that_is_not_in_the_store_is_named(tmp_path: Any) -> None:
    store = f"sqlite:///{tmp_path}/v.db"
    with pytest.raises(LookupError, match="has no bundle sha256:gone"):
        build_monitors(MonitorsArgs(bundle="sha256:gone", store=store))
