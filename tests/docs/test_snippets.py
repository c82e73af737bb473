"""What the README and the docs tell people to type works when it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.snippets import MARKED, PAGES, ROOT, PageRun, blocks_of, commands, squeezed

VERBS = ("file", "run", "and then", "check", "shown")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_works_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    PageRun(page, tmp_path).run()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    silent = [block.line for block in blocks_of(page) if block.language in MARKED and block.verb not in VERBS]
    assert not silent, f"{page.name}: blocks in lines {silent} say neither how they are run nor why they are not"
    for block in blocks_of(page):
        assert block.language, f"{page.name}:{block.line} has no language"
        assert block.argument or block.verb not in ("file", "shown"), f"{page.name}:{block.line}: {block.verb} of what?"


def test_a_page_that_does_not_work_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    bad = {
        "<!-- run -->\n```python\nraise ValueError('no')\n```\n": "page.md:2 fails",
        "<!-- run -->\n```console\n$ false\n```\n": "false fails",
        "<!-- run -->\n```console\n$ echo one\ntwo\n```\n": "does not say 'two'",
        "<!-- check -->\n```yaml\nversion: 1\nmodle: {name: a}\n```\n": "did you mean 'model'",
        "<!-- run -->\n```python\nx = 1\n```\n\n<!-- and then -->\n```python\nassert x > 1\n```\n": "AssertionError",
    }
    for text, message in bad.items():
        page.write_text(text)
        with pytest.raises(AssertionError, match=message):
            PageRun(page, tmp_path).run()


def test_blocks_are_read() -> None:
    assert PAGES[0].name == "README.md"
    assert len(PAGES) > 10
    assert {block.verb for page in PAGES for block in blocks_of(page)} >= set(VERBS)
    assert (ROOT / "docs" / "quickstart.md") in PAGES


def test_commands_and_what_they_say() -> None:
    text = "$ one --a \\\n    --b   # why\nout 1\n...\nout 2\n\n$ two\n"
    assert list(commands(text)) == [("one --a --b", ["out 1", "out 2"]), ("two", [])]
    assert squeezed("│ a  │ b│\n c") == "a b c"
