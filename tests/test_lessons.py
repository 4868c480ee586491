"""Rules of the lessons as texts that are read, touched and written in."""

from __future__ import annotations

import ast
import builtins
import re
import tomllib
from collections import Counter
from statistics import median

import nbformat
import pytest
from lessons import (
    LESSONS,
    ROOT,
    SOLUTIONS,
    asked,
    checked,
    code_lines,
    has_tag,
    is_visible,
    minutes,
    prose,
    read,
    scaffolding,
    visible_lines,
    words,
)
from nbformat.v4 import new_code_cell, new_markdown_cell

from convlab.explore.questions import LESSONS as MODULES
from tools.links import START

MOST_WORDS, WORDS_BEFORE_TOUCH, MOST_MINUTES = 1_800, 110, 60
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
each_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)


@each_lesson
def test_what_a_reader_sees_of_the_code_teaches_or_shows(path):
    cells = read(path)
    lines = sorted(visible_lines(cells))
    assert scaffolding(cells) <= 0.1 * sum(lines)
    assert median(lines) <= 4
    assert lines[int(0.9 * (len(lines) - 1))] <= 10


@each_lesson
def test_what_is_asserted_is_computed_by_something(path):
    for cell in read(path):
        if cell.cell_type == "code":
            assert constant_asserts(cell.source) == []


def constant_asserts(source):
    """Parts of assertions that no code of ours or of torch can make false."""
    parts = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            parts += node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
    named = {part: {node.id for node in ast.walk(part) if isinstance(node, ast.Name)} for part in parts}
    return [ast.unparse(part) for part, names in named.items() if not names - set(dir(builtins))]


def test_an_assertion_of_constants_is_noticed():
    source = "assert x == 3 and 3 * 3 * 64 == 576\nassert round(0.25, 1) == 0.2\nassert len(x) == 3"
    assert constant_asserts(source) == ["3 * 3 * 64 == 576", "round(0.25, 1) == 0.2"]


@each_lesson
def test_the_roofline_stands_in_the_last_lesson_alone(path):
    text = " ".join(cell.source for cell in read(path)).replace("roofline=False", "")
    assert ("roofline" in text.lower()) == (path == LESSONS[-1])


@each_lesson
def test_imports_are_one_cell(path):
    importing = [
        cell
        for cell in read(path)
        if cell.cell_type == "code"
        and not has_tag(cell, "install")
        and any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(ast.parse(cell.source)))
    ]
    assert len(importing) == 1
    assert has_tag(importing[0], "imports")


@each_lesson
def test_the_first_thing_that_is_seen_can_be_touched(path):
    cells = read(path)
    first = next(place for place, cell in enumerate(cells) if is_visible(cell))
    assert "Explorer(" in cells[first].source
    assert words(cells[:first]) <= WORDS_BEFORE_TOUCH
    assert len(code_lines(cells[first])) <= 6


@each_lesson
def test_no_picture_is_shown_twice(path):
    sentences = [
        output.data["text/plain"]
        for cell in read(path)
        for output in cell.get("outputs", [])
        if "<img " in output.get("data", {}).get("text/html", "")
    ]
    assert [sentence for sentence, times in Counter(sentences).items() if times > 1] == []


@each_lesson
def test_a_lesson_takes_the_minutes_that_it_says(path):
    cells = read(path)
    assert words(cells) <= MOST_WORDS
    assert minutes(cells) <= MOST_MINUTES
    said = [int(found) for cell in cells for found in re.findall(r"[Aa]bout (\d+) minutes", prose(cell))]
    assert said == [minutes(cells)]


@each_lesson
def test_a_reader_writes_something_and_is_told_whether_it_works(path):
    cells = read(path)
    named = checked(cells)
    assert len(named) >= 2
    assert len(set(named)) == len(named)
    known = tomllib.loads(
        (ROOT / "convlab" / "lessons" / f"{MODULES[path.name[:2]]}.toml").read_text("utf-8")
    )
    assert {f"{path.name[:2]}/{task}" for task in known["tasks"]} == set(named)
    for cell in cells:
        if cell.cell_type == "code" and checked([cell]):
            assert has_tag(cell, "task")
            verdict = cell.outputs[-1].data["text/plain"]
            assert verdict.startswith("Not yet"), "a lesson is stored with its blanks"


@each_lesson
def test_a_lesson_ends_with_ten_questions_for_the_head_and_the_way_on(path):
    cells = read(path)
    asking = [cell for cell in cells if cell.cell_type == "code" and "quiz(" in cell.source]
    assert len(asking) == 1
    assert len(asking[0].outputs) == 10
    assert cells[-1].source.startswith(START)


@each_lesson
def test_no_answer_stands_in_a_lesson(path):
    solved = {line for cell in _solution(path) if has_tag(cell, "task") for line in code_lines(cell)}
    blank = {line for cell in read(path) if has_tag(cell, "task") for line in code_lines(cell)}
    own = {line for line in solved - blank if len(line.strip()) > 30}
    there = {line for cell in read(path) for line in code_lines(cell) if has_tag(cell, "task", "checks")}
    assert not own & there
    assert not [cell.source for cell in read(path) if re.search(r"<summary>\s*Answer", cell.source)]


def _solution(path):
    return read(path.parent / "solutions" / path.name)


@each_solution
def test_the_solutions_of_a_lesson_are_right_in_every_case(path):
    cells = read(path)
    assert checked(cells) == checked(read(path.parents[1] / path.name))
    for cell in cells:
        if cell.cell_type == "code" and checked([cell]):
            assert cell.outputs[-1].data["text/plain"].startswith("✓"), cell.source


def test_every_lesson_has_its_solutions():
    assert [path.name for path in SOLUTIONS] == [path.name for path in LESSONS]


@each_lesson
def test_a_reader_can_give_a_photo_and_load_one(path):
    code = "\n".join(cell.source for cell in read(path) if cell.cell_type == "code")
    assert "photos(" in code
    assert re.search(r"^mine = .*as_photo\(", code, re.MULTILINE)


# The rules of docs/statements.md and notebooks/glossary.md


STATEMENTS = re.findall(
    r"^\| ([PDGS]\d+) \| (.*?) \| (\d\d) \| `(.*)` \|$",
    (ROOT / "docs" / "statements.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_every_statement_of_the_source_has_a_row():
    counts = {"P": 18, "D": 19, "G": 9, "S": 19}
    expected = [f"{letter}{number}" for letter, last in counts.items() for number in range(1, last + 1)]
    assert [row[0] for row in STATEMENTS] == expected
    assert len(expected) == 65


@pytest.mark.parametrize("row", STATEMENTS, ids=lambda row: row[0])
def test_a_statement_is_made_true_by_one_cell_that_a_reader_sees(row):
    _, _, lesson, line = row
    (path,) = (path for path in LESSONS if path.name.startswith(lesson))
    found = [
        cell
        for cell in read(path)
        if cell.cell_type == "code" and line.replace("\\|", "|") in map(str.strip, cell.source.splitlines())
    ]
    assert len(found) == 1
    assert is_visible(found[0])
    shown = "".join(str(output.get("text", output.get("data", ""))) for output in found[0].outputs)
    assert shown or "assert " in found[0].source


GLOSSARY = re.findall(
    r"^\| (.+?) \| (.+?) \| (.+?) \| (\d\d) \|$",
    (ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
CHINESE = "卷积核 步幅 填充 感受野 膨胀卷积 空洞卷积 扩张卷积 分组卷积 逐点卷积 深度卷积".split()


def test_the_glossary_has_the_words_of_the_course_in_both_languages():
    terms = [term for term, *_ in GLOSSARY]
    assert terms == sorted(terms, key=str.casefold)
    assert len(terms) == len(set(terms)) >= 40
    chinese = " ".join(words for _, words, *_ in GLOSSARY)
    assert [word for word in CHINESE if word not in chinese] == []


@pytest.mark.parametrize("row", GLOSSARY, ids=lambda row: row[0])
def test_a_term_is_defined_where_the_glossary_says_and_not_used_before(row):
    term, _, _, lesson = row
    (path,) = (path for path in LESSONS if path.name.startswith(lesson))
    texts = [cell.source for cell in read(path) if cell.cell_type == "markdown"]
    written = re.compile(rf"(?<![\w-]){re.escape(term)}(?![\w-])", re.IGNORECASE)
    defined = [
        place for place, text in enumerate(texts) if f"**{term}" in text or f"**{term.lower()}" in text
    ]
    assert defined, f"lesson {lesson} has no **{term}**"
    assert not [text for text in texts[1 : defined[0]] if written.search(text)], "used before it is defined"


# The rules themselves notice


def test_only_what_is_read_counts_as_words():
    cells = [
        new_markdown_cell("# One two\n\n| a | b |\n|---|---|\n\n$$x$$ three $y$ [four](five.ipynb) **six**"),
        new_markdown_cell("<details><summary>no</summary>nothing</details>"),
        new_markdown_cell("## Sources\n\n- A book"),
        new_markdown_cell("Write it: nothing", metadata={"tags": ["task"]}),
        new_code_cell("not_a_word = 1"),
    ]
    assert words(nbformat.from_dict(cells)) == 5


def test_scaffolding_is_what_only_checks_or_moves_an_explorer():
    source = (
        "x = 1\nassert x\nfor y in (1, 2):\n    explore.set(y=y)\n    assert y\n"
        "for z in x:\n    print(z)\n    assert z"
    )
    assert scaffolding([new_code_cell(source)]) == 1 + 3 + 1
    assert scaffolding([new_code_cell(source, metadata={"tags": ["teaches"]})]) == 0
    assert scaffolding([new_code_cell(source, metadata={"tags": ["checks"]})]) == 0


def test_minutes_are_read_run_asked_and_written():
    cells = [
        new_markdown_cell("word " * 240),
        new_code_cell("a = 1\n" * 6),
        new_code_cell('ask("00/a")'),
        new_code_cell('def f():\n    ...\n\ncheck("00/b", f)', metadata={"tags": ["task"]}),
    ]
    assert (words(cells), visible_lines(cells), asked(cells), checked(cells)) == (240, [6, 1], 1, ["00/b"])
    assert minutes(cells) == 10  # 2 + 7/6 + 1 + 5
