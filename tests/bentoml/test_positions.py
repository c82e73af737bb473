"""Records of one request are numbered on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vedette_bentoml.positions import place


def test_rows_follow_those_of_the_record_before() -> None:
    scope: dict[str, Any] = {}
    assert [place(scope, "a", rows, labels) for rows, labels in ((3, 3), (1, 1), (2, 0), (2, 2))] == [0, 3, 4, 6]


def test_labels_alone_go_to_the_first_rows_without_any() -> None:
    scope: dict[str, Any] = {}
    assert [place(scope, "a", rows, labels) for rows, labels in ((3, 0), (0, 2), (0, 1))] == [0, 0, 2]


def test_each_destination_and_each_request_counts_for_itself() -> None:
    scope: dict[str, Any] = {}
    assert [place(scope, "a", 2, 0), place(scope, "b", 2, 0), place({}, "a", 2, 0), place(None, "a", 2, 0)] == [0] * 4
    assert place(scope, "b", 1, 0) == 2


def test_no_two_threads_of_a_request_get_the_same_row() -> None:
    scope: dict[str, Any] = {}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: place(scope, "a", 1, 1), range(2000)))
    assert sorted(found) == list(range(2000))
