"""Rules that every stored notebook keeps, and the tool that stores them."""

from __future__ import annotations

import copy
import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from lessons import LESSONS, SOLUTIONS, asked, checked, minutes, read
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import links
from tools.notebooks import WIDGET_VIEW, clean

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = LESSONS + SOLUTIONS
ALLOWED_TAGS = {"install", "imports", "checks", "task", "teaches", "nbval-ignore-output", "hide-input"}
MAX_BYTES, MAX_LINES, MAX_LINES_TAUGHT = 1_000_000, 14, 30


def broken_rules(notebook) -> list[str]:
    """What is wrong with the notebook, one sentence each."""
    wrong = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        wrong.append("execution counts must run 1…n: run `make notebooks`")
    if "widgets" in notebook.metadata:
        wrong.append("widget state is stored: run `make notebooks`")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        wrong.append("the kernel must be python3")
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# ") or "?" not in first.source:
        wrong.append("the first cell must be markdown with a title ('# ') and a question")
    for number, cell in enumerate(notebook.cells, start=1):
        wrong += [f"cell {number}: {problem}" for problem in _broken_in_cell(cell)]
    return wrong


def _broken_in_cell(cell):
    tags = set(cell.metadata.get("tags", []))
    if tags - ALLOWED_TAGS:
        yield f"tags {sorted(tags - ALLOWED_TAGS)} are not allowed"
    if re.search(r"<(script|iframe)|javascript:", cell.source, flags=re.IGNORECASE):
        yield "must not load or run scripts"
    if cell.cell_type == "code":
        yield from _broken_in_code(cell, tags)
        for output in cell.outputs:
            yield from _broken_in_output(output)


def _broken_in_code(cell, tags):
    lines, limit = len(cell.source.splitlines()), MAX_LINES_TAUGHT if "teaches" in tags else MAX_LINES
    if lines > limit and "install" not in tags:  # whose lines are a template's
        yield f"{lines} lines, at most {limit}"
    if "nbval-ignore-output" in tags and not re.search(
        r"^\s*#\s*\S+ \S+|\s#\s+\S+ \S+", cell.source, re.MULTILINE
    ):
        yield "nbval-ignore-output needs a comment that says why"
    if "pyplot" in cell.source:
        yield "must not import pyplot"
    if re.search(r"[\"'](/|~/|[A-Za-z]:\\)[\w.]", cell.source):
        yield "must not use an absolute path"
    if "install" in tags:
        if cell.source != links.install_cell(links.current_address(ROOT), ROOT):
            yield "the install cell differs from its template: run `make links`"
    elif "://" in cell.source:
        yield "must not fetch anything from the network"


def _broken_in_output(output):
    if output.output_type == "error":
        yield f"ended in {output.ename}: {output.evalue}"
    data = output.get("data", {})
    if WIDGET_VIEW in data:
        yield "a widget view is stored: run `make notebooks`"
    sentence = data.get("text/plain", "")
    alt = re.search(r'<img alt="([^"]*)"', data.get("text/html", ""))
    if "image/png" in data:
        yield "a picture without words: give back a Picture, or save it under a sentence"
    if alt and not (sentence.rstrip().endswith(".") and re.search(r"\d", sentence)):
        yield f"a picture needs a sentence with its numbers, has {sentence!r}"
    if alt and unescape(alt[1]) != sentence:
        yield f"a picture's alternative text is not its sentence: {alt[1]!r}"
    if re.search(r"(?<![\w./:])/(home|root|tmp|usr|Users|work)/", f"{output.get('text', '')} {sentence}"):
        yield "an output shows an absolute path"


def good_notebook():
    shown = '<img alt="A 3×3 kernel." src="data:image/png;base64,AA==">'
    picture = new_output("display_data", data={"text/html": shown, "text/plain": "A 3×3 kernel."})
    cells = [
        new_markdown_cell("# Dilation: how far do 9 weights see?"),
        new_code_cell("show(spec)", execution_count=1, outputs=[picture]),
        new_code_cell("1 + 1", execution_count=2),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def test_a_notebook_is_there():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_notebook_keeps_the_rules(path):
    assert path.stat().st_size < MAX_BYTES
    assert broken_rules(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_notebook_is_stored_clean(path):
    notebook = nbformat.read(path, as_version=4)
    assert clean(notebook) == notebook, "run `make notebooks`"


def test_the_rules_accept_a_good_notebook():
    assert broken_rules(good_notebook()) == []


def _sentence(text, alt=None):
    shown = f'<img alt="{text if alt is None else alt}" src="data:image/png;base64,AA==">'
    return lambda nb: nb.cells[1].outputs[0].data.update({"text/plain": text, "text/html": shown})


def _source(text):
    return lambda nb: nb.cells[2].update(source=text)


def _tags(*tags):
    return lambda nb: nb.cells[2].metadata.update(tags=list(tags))


def _output(output_type, **fields):
    return lambda nb: nb.cells[2].outputs.append(new_output(output_type, **fields))


def test_the_map_of_the_course_says_of_each_lesson_what_is_true():
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[.*?\]\((\S+\.ipynb)\) \|.*?\| (\d+) \|", text, re.MULTILINE))
    lessons = {path.name: read(path) for path in LESSONS}
    assert {name: int(said) for name, said in rows.items()} == {
        name: minutes(cells) for name, cells in lessons.items()
    }
    found = re.search(
        r"asks (\d+) to (\d+) questions on the way and ten at its end, and has (\d+) to (\d+) tasks", text
    )
    questions = [asked(cells) - 10 for cells in lessons.values()]
    tasks = [len(checked(cells)) for cells in lessons.values()]
    assert [*map(int, found.groups())] == [min(questions), max(questions), min(tasks), max(tasks)]
    hours = sum(map(minutes, lessons.values())) / 60
    assert int(re.search(r"All of them together take about (\d+) hours", text)[1]) == round(hours)
    assert "Six notebooks" in text
    assert len(lessons) == 6


BREAKAGES = {
    "a count is missing": (lambda nb: nb.cells[2].update(execution_count=None), "1…n"),
    "a count is skipped": (lambda nb: nb.cells[2].update(execution_count=3), "1…n"),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "widget state"),
    "another kernel": (lambda nb: nb.metadata.kernelspec.update(name="mine"), "python3"),
    "no title": (lambda nb: nb.cells[0].update(source="How far?"), "title"),
    "no question": (lambda nb: nb.cells[0].update(source="# Dilation"), "question"),
    "a long cell": (_source("\n".join("a" * 15)), "at most 14"),
    "an unknown tag": (_tags("hide"), "['hide']"),
    "an ignored output without reason": (_tags("nbval-ignore-output"), "says why"),
    "pyplot": (_source("import matplotlib.pyplot as plt"), "pyplot"),
    "an absolute path": (_source("open('/data/cat.png')"), "absolute path"),
    "a download": (_source("fetch('https://example.org/x.py')"), "network"),
    "an install cell of another kind": (lambda nb: nb.cells[2].metadata.update(tags=["install"]), "template"),
    "a script": (lambda nb: nb.cells[0].update(source="# Why?\n<script src='x.js'>"), "scripts"),
    "a widget view": (_output("display_data", data={WIDGET_VIEW: {}}), "widget view"),
    "an error": (
        _output("error", ename="ValueError", evalue="groups=3", traceback=[]),
        "ValueError: groups=3",
    ),
    "a path in an output": (_output("stream", text="saved /home/me/a.png"), "shows an absolute path"),
    "a picture without a sentence": (_sentence("Figure 1"), "sentence"),
    "a picture without words": (_output("display_data", data={"image/png": "AA=="}), "without words"),
    "another alternative text": (_sentence("A 3×3 kernel.", alt="A kernel."), "is not its sentence"),
    "a picture without numbers": (_sentence("A kernel."), "sentence"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_rules_notice(name):
    break_it, expected = BREAKAGES[name]
    notebook = good_notebook()
    break_it(notebook)
    problems = broken_rules(notebook)
    assert len(problems) == 1
    assert expected in problems[0]


def test_a_cell_that_teaches_may_be_longer():
    notebook = good_notebook()
    notebook.cells[2].update(source="\n".join("a" * 30))
    _tags("teaches")(notebook)
    assert broken_rules(notebook) == []


def messy_notebook():
    view = {WIDGET_VIEW: {"model_id": "a1", "version_major": 2, "version_minor": 0}}
    cell = new_code_cell(
        "explorer",
        execution_count=1,
        metadata={"tags": ["teaches"], "execution": {"iopub.execute_input": "now"}, "collapsed": True},
        outputs=[
            new_output("stream", name="stdout", text="a\n"),
            new_output("stream", name="stdout", text="b\n"),
            new_output("stream", name="stderr", text="c\n"),
            new_output("display_data", data=dict(view)),
            new_output("execute_result", data={"text/plain": "Rate 2.", **view}, execution_count=1),
        ],
    )
    metadata = {
        "widgets": {WIDGET_VIEW: {"state": {}}},
        "kernelspec": {"name": "mine", "display_name": "Mine"},
        "language_info": {"name": "python", "version": "3.11.7"},
    }
    return new_notebook(cells=[new_markdown_cell("# Why?", metadata={"tags": []}), cell], metadata=metadata)


def test_cleaning_keeps_only_what_a_reader_needs():
    notebook = clean(messy_notebook())
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell.id for cell in notebook.cells] == ["cell-1", "cell-2"]
    assert [cell.metadata for cell in notebook.cells] == [{}, {"tags": ["teaches"]}]
    outputs = notebook.cells[1].outputs
    assert [o.get("text") for o in outputs] == ["a\nb\n", "c\n", None]
    assert outputs[2].data == {"text/plain": "Rate 2."}
    nbformat.validate(notebook)


@pytest.mark.parametrize("tag", ["checks", "imports", "install"])
def test_a_cell_is_folded_in_three_ways_by_its_tag_and_unfolded_without_it(tag):
    notebook = messy_notebook()
    notebook.cells[1].metadata.tags = [tag]
    cell = clean(notebook).cells[1]
    assert cell.metadata.jupyter.source_hidden  # JupyterLab
    assert cell.metadata.cellView == "form"  # Colab, which shows the title in place of the source
    assert cell.source.startswith("#@title ")
    assert cell.metadata.tags == [tag, "hide-input"]  # a page by MyST-NB
    cell.metadata.tags = ["hide-input"]
    assert clean(new_notebook(cells=[cell])).cells[0].metadata == {}


def test_a_folded_cell_keeps_the_title_that_it_has():
    notebook = messy_notebook()
    notebook.cells[1].update(source="#@title Checks: the table\n1", metadata={"tags": ["checks"]})
    assert clean(notebook).cells[1].source == "#@title Checks: the table\n1"


def test_cleaning_twice_changes_nothing_more():
    once = clean(messy_notebook())
    assert clean(once) == once


def test_cleaning_leaves_its_argument_alone():
    notebook = messy_notebook()
    before = copy.deepcopy(notebook)
    clean(notebook)
    assert notebook == before


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_picture_of_an_exported_lesson_has_its_sentence_as_alternative_text(path):
    html, _ = HTMLExporter().from_filename(str(path))
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data for output in outputs if "<img " in output.get("data", {}).get("text/html", "")]
    alts = [unescape(alt) for alt in re.findall(r'<img alt="([^"]*)" src="data:image/png', html)]
    assert alts == [data["text/plain"] for data in shown]
    assert len(alts) >= 8
    assert "No description has been provided" not in html
