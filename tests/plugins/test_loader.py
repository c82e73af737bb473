"""Loading plugins: each on its own, failures recorded, misspelt hooks refused, names kept apart."""

from __future__ import annotations

from importlib.metadata import entry_points
from types import ModuleType

import pytest

from vedette.plugins import UnknownComponent, get_registry, load_registry
from vedette_specs import hooks

ONE_METRIC = """
    from vedette_specs import Component, hookimpl

    @hookimpl
    def vedette_register_metrics():
        return [Component("metric", "{name}", "{target}", "a metric")]
"""


def one_metric(name: str, target: str = "nowhere:Metric") -> str:
    return ONE_METRIC.format(name=name, target=target)


def test_built_ins_come_from_the_entry_point_of_the_package() -> None:
    points = [point for point in entry_points(group="vedette.v1") if point.name == "vedette"]
    assert [point.value for point in points] == ["vedette.components"]
    registry = load_registry(points)
    assert registry.failures == ()
    assert {r.plugin for r in registry.components} == {"vedette"}
    assert {r.distribution for r in registry.components} == {"vedette"}
    assert registry.find("ks", ("drift",)).full_name == "ks"


def test_the_registry_of_the_process_is_loaded_once() -> None:
    assert get_registry() is get_registry()


def test_every_installed_plugin_loads() -> None:
    assert load_registry().failures == ()  # anew: hooks of other tests may have failed in the one that all share


def test_a_package_brings_its_name_and_version(make_package) -> None:
    point = make_package("acme_monitors", one_metric("gini"), name="acme", distribution="acme-monitors")
    (found,) = load_registry([point]).components
    assert (found.name, found.plugin, found.distribution, found.version) == ("gini", "acme", "acme-monitors", "1.2")
    assert found.full_name == "gini"


def test_a_plugin_that_raises_breaks_no_other(make_package) -> None:
    broken = make_package("broken_one", "import vedette_specs\nraise RuntimeError('no licence')")
    good = make_package("good_one", one_metric("gini"))
    registry = load_registry([broken, good])
    assert [r.name for r in registry.components] == ["gini"]
    (failure,) = registry.failures
    assert (failure.name, failure.distribution, failure.version, failure.where) == (
        "broken_one", "broken_one", "1.2", "load",
    )  # fmt: skip
    assert failure.error == "RuntimeError: no licence"
    assert "line 2" in failure.traceback
    assert "raise RuntimeError" in failure.traceback


def test_a_module_that_is_missing_is_a_failure(make_package) -> None:
    point = make_package("half_there", "import no_such_library")
    (failure,) = load_registry([point]).failures
    assert failure.error == "ModuleNotFoundError: No module named 'no_such_library'"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def vedette_register_metric(): return []", "did you mean 'vedette_register_metrics'?"),
        (
            "from vedette_specs import hookimpl\n@hookimpl\ndef vedette_alerts(event): pass",
            "vedette_alerts is not a hook; did you mean 'vedette_alert'?",
        ),
        ("def vedette_xyz(): pass", "vedette_xyz is not a hook; hooks are vedette_alert, vedette_component_failed"),
        ("def vedette_alert(event): pass", "vedette_alert is not marked with @hookimpl"),
        (
            "from vedette_specs import hookimpl\n@hookimpl(specname='vedette_alrt')\ndef on_alert(event): pass",
            "vedette_alrt is not a hook; did you mean 'vedette_alert'?",
        ),
        (
            "from vedette_specs import hookimpl\n@hookimpl(wrapper=True)\ndef vedette_alert(event): yield",
            "vedette_alert is a hook wrapper",
        ),
        (
            "from vedette_specs import hookimpl\n@hookimpl\ndef vedette_alert(event, pager): pass",
            "pager",
        ),
    ],
)
def test_a_faulty_hook_is_refused(make_module, source: str, expected: str) -> None:
    registry = load_registry([], {"acme": make_module(source)})
    (failure,) = registry.failures
    assert expected in failure.error
    assert list(registry.hook.each("vedette_alert", event=None)) == []


def test_imports_that_are_called_like_hooks_are_no_hooks(make_module) -> None:
    plugin = make_module("import vedette_specs\nimport vedette_specs.hooks as vedette_hooks\nvedette_limit = 3")
    assert load_registry([], {"acme": plugin}).failures == ()


def test_an_object_may_be_a_plugin() -> None:
    class Plugin:
        @hooks.hookimpl
        def vedette_register_sinks(self) -> list[hooks.Component]:
            return [hooks.Component("sink", "pager", "nowhere:Pager")]

    (found,) = load_registry([], {"acme": Plugin()}).components
    assert found.qualified == "acme/pager"


def test_two_packages_with_one_plugin_name_are_both_loaded(make_package) -> None:
    first = make_package("first_one", one_metric("gini"), name="acme")
    second = make_package("second_one", one_metric("lorenz"), name="acme")
    registry = load_registry([first, second])
    assert registry.failures == ()
    assert {r.qualified for r in registry.components} == {"first_one/gini", "second_one/lorenz"}


def test_a_second_plugin_of_one_name_is_reported(make_package, make_module) -> None:
    point = make_package("first_one", one_metric("gini"), name="acme")
    registry = load_registry([point], {"acme": make_module(one_metric("lorenz"))})
    (failure,) = registry.failures
    assert "a second plugin is called 'acme'" in failure.error
    assert [r.name for r in registry.components] == ["gini"]


def test_one_name_in_two_plugins_needs_the_plugin(make_module) -> None:
    plugins: dict[str, object] = {"acme": make_module(one_metric("gini")), "bolt": make_module(one_metric("gini"))}
    registry = load_registry([], plugins)
    assert [r.full_name for r in registry.components] == ["acme/gini", "bolt/gini"]
    assert registry.find("bolt/gini").plugin == "bolt"
    with pytest.raises(UnknownComponent, match=r"'gini' is ambiguous: acme/gini \(metric\), bolt/gini \(metric\)"):
        registry.find("gini")


def test_one_name_for_a_preprocessor_and_a_metric_stays_short(make_module) -> None:
    source = one_metric("pca") + (
        "\n    @hookimpl\n    def vedette_register_preprocessors():\n"
        "        return [Component('preprocessor', 'pca', 'nowhere:PCA')]\n"
    )
    registry = load_registry([], {"acme": make_module(source)})
    assert [r.full_name for r in registry.components] == ["pca", "pca"]
    assert registry.find("pca", ("preprocessor",)).kind == "preprocessor"
    with pytest.raises(UnknownComponent, match="ambiguous"):
        registry.find("pca")


REGISTERS = """
    from vedette_specs import Component, hookimpl

    @hookimpl
    def vedette_register_metrics():
        {body}

    @hookimpl
    def vedette_register_sinks():
        return [Component("sink", "pager", "nowhere:Pager")]
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise KeyError('conf')", "KeyError: 'conf'"),
        ("return 3", "TypeError: 'int' object is not iterable"),
        ("return ['gini']", "'gini' is not a Component"),
        ("yield Component('sink', 'x', 'a:B')", "'x' has kind 'sink'; this hook takes metric"),
        ("yield Component('metric', 'a/b', 'a:B')", "'a/b' is not a name"),
        ("yield Component('metrik', 'x', 'a:B')", "kind 'metrik' is not one of metric, drift"),
        ("yield Component('metric', 'x', 'a.B')", "target 'a.B' is not of the form"),
        ("return [Component('metric', 'x', 'a:B')] * 2", "metric 'x' is registered twice"),
    ],
)
def test_a_faulty_registration_costs_its_own_hook_only(make_module, body: str, expected: str) -> None:
    registry = load_registry([], {"acme": make_module(REGISTERS.format(body=body))})
    (failure,) = registry.failures
    assert failure.where == "vedette_register_metrics"
    assert expected in failure.error
    assert "pager" in [r.name for r in registry.components]


def test_a_hook_may_answer_nothing(make_module) -> None:
    registry = load_registry([], {"acme": make_module(REGISTERS.format(body="return None"))})
    assert registry.failures == ()


def test_every_hook_is_documented_and_loaded_by_someone() -> None:
    from vedette.plugins.hooks import hook_names
    from vedette.plugins.loader import REGISTERING

    other = {*hooks.EVENT_HOOKS.values(), "vedette_register_commands", "vedette_load_reference", "vedette_load_model"}
    assert set(hook_names()) == set(REGISTERING) | other
    for name in hook_names():
        assert getattr(hooks, name).__doc__


def test_plugins_are_modules_in_the_built_in_case() -> None:
    import vedette.components

    assert isinstance(vedette.components, ModuleType)
    assert len(vedette.components.built_ins()) == len(load_registry([], {"v": vedette.components}).components)
