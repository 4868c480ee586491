"""What of a lesson a reader reads, runs, answers and writes, counted from its cells."""

from __future__ import annotations

import ast
import re
from math import ceil
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.links import START
from tools.notebooks import TITLES

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))


def read(path: Path) -> list[NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def has_tag(cell: NotebookNode, *tags: str) -> bool:
    return bool({*tags} & {*cell.metadata.get("tags", [])})


def is_visible(cell: NotebookNode) -> bool:
    """Whether a reader sees this code without unfolding anything."""
    return cell.cell_type == "code" and not has_tag(cell, *TITLES)


def prose(cell: NotebookNode) -> str:
    """What is read of a cell of text: no table, answer to unfold, formula, link, source or task."""
    if cell.cell_type != "markdown" or has_tag(cell, "task") or cell.source.startswith((START, "## Sources")):
        return ""
    text = re.sub(rf"{START}.*", "", cell.source, flags=re.DOTALL)
    text = re.sub(r"<details>.*?</details>|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]+\$|\[([^\]]*)\]\([^)]*\)", r" \1 ", text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def words(cells: list[NotebookNode]) -> int:
    return sum(bool(re.search(r"\w", word)) for cell in cells for word in prose(cell).split())


def code_lines(cell: NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def visible_lines(cells: list[NotebookNode]) -> list[int]:
    """How many lines each visible cell has; those of a task are a reader's own."""
    return [len(code_lines(cell)) for cell in cells if is_visible(cell) and not has_tag(cell, "task")]


def scaffolding(cells: list[NotebookNode]) -> int:
    """Visible lines that only check, or move an explorer, where that is not the lesson."""
    return sum(
        sum(_lines_of(statement) for statement in ast.parse(cell.source).body)
        for cell in cells
        if is_visible(cell) and not has_tag(cell, "teaches", "task")
    )


def _lines_of(statement: ast.stmt) -> int:
    """The lines of a statement that are scaffolding: all of a loop of nothing else, or some in it."""
    length = (statement.end_lineno or 0) - statement.lineno + 1
    if isinstance(statement, ast.Assert):
        return length
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        return length if isinstance(called, ast.Attribute) and called.attr in ("set", "reset") else 0
    inside = getattr(statement, "body", None)
    if not inside or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return 0
    counts = [_lines_of(each) for each in inside]
    return length if all(counts) else sum(counts)


def asked(cells: list[NotebookNode]) -> int:
    """How many questions check themselves, those of the quiz included, which are ten."""
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return len(re.findall(r"\bask\(", code)) + 10 * len(re.findall(r"\bquiz\(", code))


def checked(cells: list[NotebookNode]) -> list[str]:
    """The names of the tasks that a reader's own lines are held against."""
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return re.findall(r"\bcheck\(\s*\"(.*?)\"", code)


def minutes(cells: list[NotebookNode]) -> int:
    """What a lesson takes: reading, code, one minute a question and five a task, rounded up to five."""
    spent = words(cells) / 120 + sum(visible_lines(cells)) / 6 + asked(cells) + 5 * len(checked(cells))
    return 5 * ceil(spent / 5)
