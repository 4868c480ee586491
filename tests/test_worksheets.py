"""Sheets to be printed: they ask what drills ask, each seed gives others, and a key has every answer."""

from __future__ import annotations

import os
import re
from html import unescape

import pytest
from browser import CHROMIUM

from convlab.explore.questions import LESSONS
from tools import links, worksheets

TITLE = {path.stem[:2]: links.title_of(path) for path in links.lessons(worksheets.ROOT)}


def both(lesson: str, seed: int = 1) -> tuple[str, str]:
    levels = worksheets.questions(lesson, seed)
    sheet, key = (worksheets.page(lesson, TITLE[lesson], seed, levels, is_key) for is_key in (False, True))
    return sheet, key


def items(page: str) -> list[str]:
    """The words of each question and what belongs to it."""
    found = re.findall(r"<li>(.*?)</li>", page, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", " ", item)) for item in found]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_sheet_asks_twelve_questions_of_which_its_key_has_answer_and_steps(lesson):
    ones = [one for level in worksheets.questions(lesson, 1) for one in level]
    sheet, key = map(items, both(lesson))
    assert len(ones) == len(sheet) == len(key) == 12
    assert len({one.words["text"] for one in ones}) == 12
    for number, (one, asked, told) in enumerate(zip(ones, sheet, key, strict=True), start=1):
        answer = one.answer if isinstance(one.answer, str) else f"{one.answer:,}"
        assert asked.split()[0] == told.split()[0] == str(number)
        assert one.words["text"] in asked
        assert one.words["because"] not in asked
        assert all(part in told for part in (one.words["text"], one.words["because"], answer))
        if one.choices:
            assert sum(choice in asked for choice in one.pose()["choices"]) == len(one.choices)
        else:
            assert "Answer" in asked


def test_another_seed_makes_another_sheet_and_the_same_seed_the_same():
    assert both("02") == both("02")
    assert not set(items(both("02")[0])) & set(items(both("02", seed=2)[0]))


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_says_whose_it_is_and_needs_nothing_from_elsewhere(lesson):
    for kind, page in zip(("Sheet", "Key"), both(lesson, seed=12), strict=True):
        assert f"{kind} · seed 12" in page
        assert f"<h1>{lesson} · {TITLE[lesson]}</h1>" in page
        assert not re.search(r"https?:|src=|url\(|@import", page)
        assert ("Name" in page) == (kind == "Sheet")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Where sheets are written for once: beside links to the notebooks, from which come their titles."""
    (tmp_path / "notebooks").symlink_to(worksheets.ROOT / "notebooks")
    monkeypatch.setattr(worksheets, "ROOT", tmp_path)
    return tmp_path


def test_where_no_chromium_is_one_sentence_says_what_to_do(root, monkeypatch, capsys):
    monkeypatch.setattr(worksheets, "BROWSERS", ("no such browser",))
    assert worksheets.main([]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["12 pages are in build/worksheets/1.", worksheets.NO_BROWSER]
    assert not list(root.rglob("*.pdf"))


def test_a_browser_that_prints_nothing_is_told(root, monkeypatch, capsys):
    monkeypatch.setattr(worksheets, "BROWSERS", ("false",))
    assert worksheets.main(["3"]) == 1
    assert "made no 00_sheet.pdf" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["", "x", "-1", "1.5", "²"])
def test_a_seed_that_is_none_is_refused_in_a_sentence(root, seed, capsys):
    assert worksheets.main([seed]) == 2
    assert capsys.readouterr().err == f"SEED={seed!r} must be a whole number of at least 0\n"
    assert not list(root.rglob("*.html"))


def test_chromium_prints_a_sheet_on_two_pages_and_a_key_on_one_or_two(tmp_path):
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    for kind, page in zip(("sheet", "key"), both("05"), strict=True):
        path = tmp_path / f"{kind}.html"
        path.write_text(page, encoding="utf-8")
        worksheets.print_page(path, CHROMIUM)
        printed = path.with_suffix(".pdf").read_bytes()
        assert printed.startswith(b"%PDF")
        assert int(re.search(rb"/Count (\d+)", printed)[1]) in {"sheet": {2}, "key": {1, 2}}[kind]
