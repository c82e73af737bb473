"""YAML with places: what is refused, where, and how."""

from __future__ import annotations

import pytest

from vedette.config.faults import ConfigError, Fault, Source, did_you_mean
from vedette.config.reading import MAX_BYTES, MAX_DEPTH, read
from vedette.config.tree import Node


def tree_of(text: str) -> Node:
    tree, faults = read(Source("m.yaml", text))
    assert faults == []
    assert tree is not None
    return tree


def messages(text: str) -> list[str]:
    return [str(fault) for fault in read(Source("m.yaml", text))[1]]


def test_places_are_counted_from_one() -> None:
    tree = tree_of("a: 1\nb:\n  - x\n  - {c: 'd e'}\n")
    assert [(p.line, p.column) for p in (tree.place_of(("a",)), tree.place_of(("a",), key=True))] == [(1, 4), (1, 1)]
    assert (tree.place_of(("b", 1, "c")).line, tree.place_of(("b", 1, "c")).column) == (4, 9)
    assert tree.place_of(("b", 1, "c"), key=True).column == 6


def test_a_path_that_is_not_there_has_the_nearest_place() -> None:
    tree = tree_of("a: {b: {c: 1}}")
    assert tree.place_of(("a", "b", "x", "y")).column == 8
    assert tree.place_of(("x",)).column == 1


def test_columns_count_characters_not_bytes() -> None:
    assert tree_of("{é: 1, ü: x}").place_of(("ü",)).column == 11


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: the key 'a' stands here twice, first in line 1\n  a: 3\n  ^"),
        ("a: {x: 1, x: 2}", "m.yaml:1:11: the key 'x' stands here twice, first in line 1\n  a: {x: 1, x: 2}\n"),
        ("1: a\n'1': b", "m.yaml:2:1: the key '1' stands here twice, first in line 1\n  '1': b\n  ^"),
        ("b: &x [1]\n<<: *x", "m.yaml:2:1: merge keys ('<<') are not part of YAML 1.2"),
        ("[a]: 1", "m.yaml:1:1: a key is a text, not a list or mapping"),
        ("a: !!python/object:os.system {}", "m.yaml:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' is not"),
        ("a: !x [1]", "m.yaml:1:4: the tag '!x' is not allowed"),
        ("a: &x {b: *x}", "m.yaml:1:4: an alias stands inside the value that it names"),
        ("a: *nowhere", "m.yaml:1:4: not YAML: found undefined alias"),
        ("- a\n- b", "m.yaml:1:1: the file is a mapping of keys"),
        ("just a text", "m.yaml:1:1: the file is a mapping of keys"),
        ("", "m.yaml: the file is empty; it starts with 'version: 1'"),
        ("# nothing\n", "m.yaml: the file is empty"),
        ("a: [1, 2", "',' or ']', while parsing a flow sequence\n  a: [1, 2\n          ^"),
        ("a: 1\n\tb: 2", "m.yaml:2:1: not YAML: "),
        ("a: 'b", "m.yaml:1:6: not YAML: found unexpected end of stream"),
        ("a: 1\n---\nb: 2", "m.yaml:2:1: not YAML: but found another document"),
        ("a: \x07", "m.yaml: not YAML: "),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, expected: str) -> None:
    found = messages(text)
    assert len(found) == 1
    assert expected in found[0]


def test_aliases_are_read_but_bounded() -> None:
    assert tree_of("a: &x [1, 2]\nb: *x").data() == {"a": [1, 2], "b": [1, 2]}
    laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    assert "more than 50000 values, with aliases expanded" in messages(laughs)[0]


def test_depth_is_bounded() -> None:
    assert "nested deeper" in messages("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0]
    assert len(messages("a: " + "[" * 100_000)) == 1


def test_size_is_bounded() -> None:
    assert messages("a: " + "x" * MAX_BYTES) == [f"m.yaml: the file is longer than {MAX_BYTES} bytes"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("m:\n  when: a: b\n", "m.yaml:2:10: "),
        ('m:\n  when: "a" < 3\n', "m.yaml:2:13: "),
        ("m:\n  when: > 0.5\n  for: 3\n", "m.yaml:2:11: "),
        ("m:\n  when: @a\n", "m.yaml:2:9: "),
        ("m: {when: [a < 3, for: 3}\n", "m.yaml:1:25: "),
    ],
)
def test_a_rule_that_yaml_has_torn_apart(text: str, where: str) -> None:
    found = messages(text)
    assert len(found) == 1
    assert found[0].startswith(where)
    assert "YAML has torn the rule apart" in found[0]
    assert "quote it" in found[0]


def test_other_faults_do_not_speak_of_rules() -> None:
    assert "rule" not in messages("whenever: a: b")[0]


def test_the_caret_keeps_tabs_and_clips_long_lines() -> None:
    tabbed = Fault.at(tree_of("a:\t1").place_of(("a",)), "x")
    assert str(tabbed) == "m.yaml:1:4: x\n  a:\t1\n    \t^"
    long = str(Fault.at(tree_of("a: [" + "x, " * 500 + "y]").place_of(("a", 500)), "x")).splitlines()
    assert len(long[1]) < 170
    assert long[1][long[2].index("^")] == "y"


def test_config_error_sorts_and_removes_doubles() -> None:
    late, early = Fault("a", 9, 1, "late"), Fault("a", 2, 3, "early")
    error = ConfigError([late, early, late])
    assert error.faults == (early, late)
    assert str(error) == "a:2:3: early\na:9:1: late"


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("windw", ["window", "of"], "; did you mean 'window'?"),
        ("WINDOW", ["window", "of"], "; did you mean 'window'?"),
        ("zzz", ["b", "a"], "; allowed: a, b"),
        ("zzz", [], ""),
        ("zzz", [f"k{i:02}" for i in range(14)], " and 2 more"),
    ],
)
def test_did_you_mean(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known).endswith(hint)
