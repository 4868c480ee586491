"""Explorers as lessons make them, for the tests that move them."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell

from convlab import Explorer

LESSONS = {
    path.name[:2]: path for path in sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
}
ALL = 100  # states up to which each is drawn


@cache
def explorers_of(lesson: str) -> dict[str, Explorer]:
    """Every explorer of a lesson, by its name there: the lesson is run once."""
    shell = InteractiveShell()
    for cell in nbformat.read(LESSONS[lesson], as_version=4).cells:
        if cell.cell_type == "code" and "install" not in cell.metadata.get("tags", []):
            shell.run_cell(cell.source, silent=True).raise_error()
    return {
        name: value for name, value in shell.user_ns.items() if isinstance(value, Explorer) and name[0] != "_"
    }


def states(counts: dict[str, int]) -> list[dict[str, int]]:
    """Places of all controls: all combinations if these are few, else corners and every pair of values."""
    if prod(counts.values()) <= ALL:
        return [dict(zip(counts, places, strict=True)) for places in product(*map(range, counts.values()))]
    corners = product(*({0, count - 1} for count in counts.values()))
    rows = {tuple(places) for places in corners} if 2 ** len(counts) <= ALL else set()
    names = list(counts)
    missing = {
        (a, i, b, j)
        for a, first in enumerate(names)
        for b, second in enumerate(names[a + 1 :], a + 1)
        for i in range(counts[first])
        for j in range(counts[second])
    }
    return [
        dict(zip(counts, places, strict=True))
        for places in [*rows, *pairwise(list(counts.values()), missing)]
    ]


def pairwise(counts: list[int], missing: set[tuple[int, int, int, int]]) -> list[tuple[int, ...]]:
    """Greedy: each row takes a pair that is missing, and else what covers most of the rest."""
    rows = []
    while missing:
        a, i, b, j = min(missing)
        row: list[int | None] = [None] * len(counts)
        row[a], row[b] = i, j
        for c, count in enumerate(counts):
            if row[c] is None:
                chosen = [(d, m) for d, m in enumerate(row) if m is not None]
                gains = [sum(_pair(d, m, c, k) in missing for d, m in chosen) for k in range(count)]
                row[c] = gains.index(max(gains))
        missing -= {_pair(c, row[c], d, row[d]) for c in range(len(counts)) for d in range(c)}
        rows.append(tuple(row))
    return rows


def _pair(c, k, d, m):
    return (c, k, d, m) if c < d else (d, m, c, k)
