"""Finding, loading and making components."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from vedette.plugins import (
    REQUIRED,
    BrokenComponent,
    MissingExtra,
    OptionError,
    PluginError,
    UnknownComponent,
    get_registry,
    load_registry,
)
from vedette.plugins.options import build, options_of, validate_options
from vedette_specs import BaseComponent, Component, hookimpl

COMPONENTS = """
    from vedette_specs import Metric, Result

    class Gini(Metric):
        def __init__(self, bins: int = 10, column: str | None = None):
            if bins < 2:
                raise ValueError(f"bins: {bins} is less than 2")
            self.bins, self.column = bins, column
        def add(self, state, batch): return state
        def merge(self, left, right): return left
        def result(self, state, ctx): return Result({}, 0)

    class Half(Metric):
        def add(self, state, batch): return state
        def merge(self, left, right): return left

    def function(): pass
"""


class Plugin:
    def __init__(self, *components: Component) -> None:
        self.components = components

    @hookimpl
    def vedette_register_metrics(self) -> list[Component]:
        return [c for c in self.components if c.kind == "metric"]

    @hookimpl
    def vedette_register_sinks(self) -> list[Component]:
        return [c for c in self.components if c.kind == "sink"]


def registry_of(target: str, kind: str = "metric", extra: str | None = None) -> Any:
    return load_registry([], {"acme": Plugin(Component(kind, "gini", target, extra=extra))})  # type: ignore[arg-type]


def test_unknown_name_says_what_there_is() -> None:
    registry = get_registry()
    with pytest.raises(UnknownComponent, match=r"there is no drift 'kss'; did you mean 'ks'.; there is: chi2, ks"):
        registry.find("kss", ("drift",))
    with pytest.raises(UnknownComponent, match="no drift 'accuracy'; there is a metric of this name"):
        registry.find("accuracy", ("drift",))
    with pytest.raises(LookupError, match="no drift or change 'zzz'; there is: "):
        registry.find("zzz", ("drift", "change"))
    with pytest.raises(UnknownComponent, match="there is: none"):
        load_registry([]).find("ks")


class Binding:
    """A plugin with a platform, and a metric whose name is near."""

    @hookimpl
    def vedette_register_platforms(self) -> list[Component]:
        return [Component("platform", "acmeserve", "acme_parts:nothing")]

    @hookimpl
    def vedette_register_metrics(self) -> list[Component]:
        return [Component("metric", "gini", "acme_parts:Gini")]


@pytest.mark.parametrize("name", ["gino", "acmeserv", "zzz"])
def test_platforms_are_not_offered_as_components(name: str) -> None:
    registry = load_registry([], {"acme": Binding()})
    with pytest.raises(UnknownComponent, match=f"there is no component {name!r}.*; there is: gini$") as caught:
        registry.build(name, {})
    assert "acmeserve" not in str(caught.value)
    with pytest.raises(UnknownComponent, match=r"no platform 'acmeserv'; did you mean 'acmeserve'\?"):
        registry.find("acmeserv", ("platform",))


def test_a_platform_is_found_but_never_made() -> None:
    registry = load_registry([], {"acme": Binding()})
    assert registry.find("acmeserve").kind == "platform"
    with pytest.raises(BrokenComponent, match="'acmeserve' is a platform: it is not made with options"):
        registry.build("acmeserve", {})


def test_plugin_and_name_always_find() -> None:
    assert get_registry().find("vedette/ks") is get_registry().find("ks")


def test_load_imports_the_class(make_package) -> None:
    make_package("acme_parts", COMPONENTS)
    cls = registry_of("acme_parts:Gini").load("gini")
    assert cls.__name__ == "Gini"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("acme_parts:Ginny", "acme_parts has no 'Ginny'; did you mean 'Gini'"),
        ("acme_parts:function", "acme_parts:function is not a Metric"),
        ("acme_parts:Half", r"acme_parts:Half does not define \['result'\]"),
        ("acme_parts.inner:Gini", "there is no module"),
        ("no_such_package.inner:Gini", "there is no module 'no_such_package"),
        ("vedette.components.sinks.log:Log", "is not a Metric"),
    ],
)
def test_what_is_broken_is_named(make_package, target: str, expected: str) -> None:
    make_package("acme_parts", COMPONENTS)
    with pytest.raises(BrokenComponent, match=expected):
        registry_of(target).load("gini")


def test_a_module_that_raises_is_broken(make_package) -> None:
    make_package("acme_raises", "raise OSError('disk')")
    with pytest.raises(BrokenComponent, match="metric 'gini': importing acme_raises raised OSError: disk") as caught:
        registry_of("acme_raises:Gini").load("gini")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_missing_library_names_what_to_install(make_package) -> None:
    point = make_package(
        "acme_needs",
        """
        from vedette_specs import Component, hookimpl

        @hookimpl
        def vedette_register_metrics():
            yield Component("metric", "plain", "acme_slow:Plain")
            yield Component("metric", "fast", "acme_slow:Fast", extra="fast")
            yield Component("metric", "other", "acme_slow:Fast", extra="some-package>=2")
        """,
        distribution="acme-needs",
    )
    make_package("acme_slow", "import no_such_library.deep", distribution="acme-slow")
    registry = load_registry([point])
    with pytest.raises(MissingExtra, match="metric 'plain' needs the package 'no_such_library': pip install no_such_l"):
        registry.load("plain")
    with pytest.raises(MissingExtra, match=r"pip install 'acme-needs\[fast\]'"):
        registry.load("fast")
    with pytest.raises(ImportError, match="pip install some-package>=2"):
        registry.load("other")


def test_make_validates_options(make_package) -> None:
    make_package("acme_parts", COMPONENTS)
    registry = registry_of("acme_parts:Gini")
    assert registry.make("gini", bins="12").get_params() == {"bins": 12, "column": None}
    with pytest.raises(OptionError) as caught:
        registry.make("gini", bims=3, bins="many")
    faults = {fault.option: fault.message for fault in caught.value.faults}
    assert faults["bims"] == "is not known; did you mean 'bins'?; allowed: bins, column"
    assert faults["bins"].startswith("'many': input should be a valid integer")
    assert str(caught.value).startswith("gini: option 'bims': is not known")


def test_a_value_that_init_refuses_is_an_option_error(make_package) -> None:
    make_package("acme_parts", COMPONENTS)
    with pytest.raises(OptionError, match="gini: bins: 1 is less than 2") as caught:
        registry_of("acme_parts:Gini").make("gini", bins=1)
    assert caught.value.faults[0].option == ""


def test_options_tell_type_default_and_json_schema(make_package) -> None:
    make_package("acme_parts", COMPONENTS)
    options = registry_of("acme_parts:Gini").options("gini")
    assert {name: option.default for name, option in options.items()} == {"bins": 10, "column": None}
    assert options["bins"].json_schema() == {"type": "integer", "default": 10}
    assert not options["bins"].required


class Wide(BaseComponent):
    def __init__(
        self,
        path: str,
        kinds: tuple[str, ...] = (),
        mode: Literal["a", "b"] = "a",
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        columns: list[str] | None = None,
        schema: dict[str, int] | None = None,
        anything=None,
    ) -> None:
        self.path, self.kinds, self.mode, self.share = path, kinds, mode, share
        self.columns, self.schema_, self.anything = columns, schema, anything


def test_values_as_yaml_gives_them_are_converted() -> None:
    good = validate_options(Wide, {"path": "x", "kinds": ["a", "b"], "share": 1, "columns": ["c"]}, "wide")
    assert good == {"path": "x", "kinds": ("a", "b"), "share": 1.0, "columns": ["c"]}


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        validate_options(Wide, {"kinds": ["a", 3], "mode": "c", "share": 2.0, "schema": {"a": "x"}}, "wide")
    messages = {fault.option: fault.message for fault in caught.value.faults}
    assert messages["path"] == "is required"
    assert "[1] input should be a valid string" in messages["kinds"]
    assert "'a' or 'b'" in messages["mode"]
    assert "2.0: input should be less than or equal to 1" in messages["share"]
    assert set(messages) == {"path", "kinds", "mode", "share", "schema"}


def test_required_options_have_no_default() -> None:
    path, *others = options_of(Wide)
    assert path.required
    assert path.default is REQUIRED
    assert path.json_schema() == {"type": "string"}
    assert others[1].json_schema()["enum"] == ["a", "b"]
    assert not any(option.required for option in others)


class Calls(BaseComponent):
    def __init__(self, function: Any = None, array: Wide | None = None) -> None:
        self.function, self.array = function, array


def test_objects_of_python_are_taken_too() -> None:
    wide = Wide("x")
    made = build(Calls, {"function": len, "array": wide}, "calls")
    assert made.function is len
    assert made.array is wide


class Loose(BaseComponent):
    def __init__(self, **options: Any) -> None: ...


class Unresolved(BaseComponent):
    def __init__(self, x: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821


class Nothing(BaseComponent):
    pass


def test_an_init_that_cannot_be_read_is_broken() -> None:
    with pytest.raises(BrokenComponent, match="names its options one by one"):
        options_of(Loose)
    with pytest.raises(BrokenComponent, match="annotations cannot be resolved: name 'NoSuchType'"):
        options_of(Unresolved)


def test_a_component_without_options_says_so() -> None:
    assert options_of(Nothing) == ()
    with pytest.raises(OptionError, match="option 'x': is not known; it takes no options"):
        build(Nothing, {"x": 1}, "nothing")


def test_every_fault_is_a_plugin_error() -> None:
    for error in (UnknownComponent, MissingExtra, BrokenComponent, OptionError):
        assert issubclass(error, PluginError)


BUILT_IN = [r for r in get_registry().components if r.plugin == "vedette"]


@pytest.mark.parametrize("registered", BUILT_IN, ids=lambda r: f"{r.kind}-{r.name}")
def test_every_built_in_loads_and_describes_itself(registered: Any) -> None:
    registry = get_registry()
    cls = registry.load(registered.qualified, (registered.kind,))
    assert (cls.__doc__ or "").strip(), f"{cls.__name__} has no docstring"
    assert registered.component.summary
    for option in options_of(cls):
        assert isinstance(option.json_schema(), dict)


def test_a_platform_is_detected_without_importing_it() -> None:
    from vedette.plugins.importing import missing_packages

    def platform(extra: str | None) -> Component:
        return Component("platform", "x", "nowhere:X", extra=extra)

    assert missing_packages(platform("postgres"), "vedette") == []
    assert missing_packages(platform("no-such-extra"), "vedette") == []
    assert missing_packages(platform(None), "vedette") == []
    assert missing_packages(platform("postgres"), None) == []
    assert "no-such-package" in missing_packages(platform("x"), "needy")


@pytest.fixture(autouse=True)
def _needy(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "metadata" / "needy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nProvides-Extra: x\n"
        "Requires-Dist: numpy>=1; extra == 'x'\nRequires-Dist: no-such-package[serve]>=2; extra == \"x\"\n"
        "Requires-Dist: another; extra == 'y'\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
