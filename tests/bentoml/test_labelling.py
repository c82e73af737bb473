"""Labels of `bentoml.monitor` go their own way: off the request's path, tried again, counted where they are lost."""

from __future__ import annotations

import os
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest
from tests.bentoml.serving import wait_for

from vedette_bentoml import labelling
from vedette_bentoml.labelling import Labels


class TestLabels:
    def test_they_are_posted_off_the_requests_path(self) -> None:
        posted: list[Any] = []
        labels = Labels(posted.extend)
        labels.put("r-1", [np.float64(1.0), "yes"])
        labels.close(10)
        assert posted == [{"id": "r-1", "row": 0, "labels": [1.0, "yes"]}]
        assert type(posted[0]["labels"][0]) is float

    def test_a_store_that_is_away_is_tried_again(self) -> None:
        posted: list[Any] = []
        failures = [OSError("away")]

        def post(items: list[Any]) -> None:
            if failures:
                raise failures.pop()
            posted.extend(items)

        labels = Labels(post)
        labels.put("r-1", ["yes"])
        wait_for(lambda: posted)
        labels.close(10)

    def test_one_that_is_refused_does_not_take_others_with_it(self, caplog: pytest.LogCaptureFixture) -> None:
        posted: list[Any] = []

        def post(items: list[Any]) -> None:
            if any(item["labels"] == ["maybe"] for item in items):
                raise ValueError("no class")
            posted.extend(items)

        labels = Labels(post)
        for name, value in (("r-1", "yes"), ("r-2", "maybe"), ("r-3", "no")):
            labels.put(name, [value])
        labels.close(10)
        assert [item["id"] for item in posted] == ["r-1", "r-3"]
        assert "labels of request r-2 are lost: no class" in caplog.text

    def test_one_that_is_refused_is_lost_once_while_others_are_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(labelling, "RETRY_AFTER", 0.01)
        posted: list[Any] = []
        lost: list[int] = []
        failures = [OSError("away")] * 3

        def post(items: list[Any]) -> None:
            if any(item["labels"] == ["maybe"] for item in items):
                raise ValueError("no class")
            if any(item["id"] == "r-3" for item in items) and failures:
                raise failures.pop()
            posted.extend(items)

        labels = Labels(post, lost.append)
        for name, value in (("r-1", "yes"), ("r-2", "maybe"), ("r-3", "no")):
            labels.put(name, [value])
        wait_for(lambda: len(posted) >= 2)
        labels.close(10)
        assert [item["id"] for item in posted] == ["r-1", "r-3"]
        assert lost == [1]

    def test_lost_ones_are_counted_and_do_not_flood_the_log(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(labelling, "WAITING", 5)
        lost: list[int] = []
        taken, go = threading.Event(), threading.Event()

        def post(items: list[Any]) -> None:
            taken.set()
            go.wait(20)
            raise ValueError("no class")

        labels = Labels(post, lost.append)
        labels.put("first", ["no"])
        assert taken.wait(20)
        for number in range(105):
            labels.put(f"r-{number}", ["yes", "no"])
        assert sum(lost) == 200
        go.set()
        labels.close(20)
        assert sum(lost) == 211
        said = [item.getMessage() for item in caplog.records]
        assert len([text for text in said if "labels are dropped" in text]) == 3
        assert len([text for text in said if "are lost: no class" in text]) == 3

    def test_what_could_not_be_stored_before_the_end_is_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        lost: list[int] = []
        tried = threading.Event()

        def post(items: list[Any]) -> None:
            tried.set()
            raise OSError("away")

        labels = Labels(post, lost.append)
        labels.put("r-1", ["yes"])
        assert tried.wait(20)
        labels.put("r-2", ["yes", "no"])
        started = time.monotonic()
        labels.close(20)
        assert time.monotonic() - started < 1.5, "it does not sleep on when it is told to stop"
        assert lost == [3]
        assert "labels of 2 records could not be stored before the end" in caplog.text

    def test_what_waits_behind_a_store_that_hangs_is_counted(self) -> None:
        lost: list[int] = []
        tried, go = threading.Event(), threading.Event()

        def post(items: list[Any]) -> None:
            tried.set()
            go.wait(20)

        labels = Labels(post, lost.append)
        labels.put("r-1", ["yes"])
        assert tried.wait(20)
        labels.put("r-2", ["yes", "no"])
        labels.put("r-3", ["no"])
        labels.close(0.05)
        assert lost == [3], "the first is on its way, and may arrive"
        go.set()

    def test_a_forked_child_posts_its_own(self) -> None:
        """A worker that was forked after the parent had labelled something has no thread of the parent's."""
        read, write = os.pipe()
        labels = Labels(lambda items: os.write(write, "".join(item["id"] + ";" for item in items).encode()) and None)
        labels.put("parent", ["yes"])
        assert os.read(read, 100) == b"parent;"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what this is about
            child = os.fork()
        if not child:
            labels.put("child", ["yes"])
            labels.close(10)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        os.set_blocking(read, False)
        assert os.read(read, 100) == b"child;"
        labels.close(10)
        os.close(read)
        os.close(write)
