"""Run notebooks in fresh kernels and store them clean: python tools/notebooks.py [notebooks/NAME.ipynb …]"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import links  # noqa: E402

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_CELL_METADATA = ("tags", "slideshow")
# The source of a cell with one of these tags is folded: in JupyterLab, on Colab, and on a page by MyST-NB.
TITLES = {"install": "Setup", "imports": "Imports", "checks": "Checks"}
FOLDED_BY_SITE = "hide-input"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy of the notebook without what differs from run to run or is dead without a kernel.

    Widget views and widget state go, as do timings and the versions of Python; consecutive stream outputs are
    joined, outputs with nothing left are dropped, and cells are named cell-1, cell-2, …
    Cleaning twice changes nothing more.
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode(
            {k: cell.metadata[k] for k in KEPT_CELL_METADATA if cell.metadata.get(k)}
        )
        if cell.cell_type == "code":
            _fold(cell)
            cell.outputs = _clean_outputs(cell.outputs)
    return notebook


def _fold(cell: NotebookNode) -> None:
    """Fold the source, or unfold it, as the cell's own tags say."""
    tags = [tag for tag in cell.metadata.get("tags", []) if tag != FOLDED_BY_SITE]
    if title := next((TITLES[tag] for tag in tags if tag in TITLES), None):
        cell.metadata.update(cellView="form", jupyter={"source_hidden": True}, tags=[*tags, FOLDED_BY_SITE])
        if not cell.source.startswith("#@title"):
            cell.source = f"#@title {title}\n{cell.source}"
    elif "tags" in cell.metadata:
        cell.metadata.tags = tags  # it was folded once
        if not tags:
            del cell.metadata["tags"]


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if not output.text:
                continue
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
                continue
        elif output.output_type in ("display_data", "execute_result"):
            output.data.pop(WIDGET_VIEW, None)
            output.metadata.pop(WIDGET_VIEW, None)
            if not output.data:
                continue
        kept.append(output)
    return kept


def execute(path: Path) -> NotebookNode:
    """The notebook, its links written, as a fresh kernel runs it, top to bottom, in the folder it lies in."""
    notebook = nbformat.read(path, as_version=4)
    links.put_in_lesson(notebook.cells, links.name_of(path, ROOT), links.current_address(ROOT), ROOT)
    notebook = nbformat.from_dict(notebook)  # a cell that is new is a plain dict
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
    ).execute()
    return notebook


def write(notebook: NotebookNode, path: Path) -> None:
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    paths = [Path(a).resolve() for a in arguments] or links.notebooks(ROOT)
    if not paths:
        print("no notebooks found in notebooks/", file=sys.stderr)
        return 1
    for path in paths:
        started = time.perf_counter()
        try:
            notebook = execute(path)
        except CellExecutionError as error:
            print(f"{path.name}: a cell failed, the file is unchanged\n{error}", file=sys.stderr)
            return 1
        write(clean(notebook), path)
        print(
            f"{path.name}: {time.perf_counter() - started:.1f} s, {path.stat().st_size:,} bytes", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
