"""Every explorer and question of the lessons as a part of a page, its pictures drawn ahead.

Lessons are run side by side, each in a process of its own. What was drawn is kept in build/drawn until
something that it depends on changes: the code above it, a file of the package, a version, or `carry.toml`.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import multiprocessing
import os
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
DRAWN = ROOT / "build" / "drawn"
SITE = ROOT / "build" / "site"
WEB = ROOT / "tools" / "web"
DATA = re.compile(r'src="data:image/png;base64,([^"]+)"')
DRAW_WITH = ("matplotlib", "numpy", "pillow", "scikit-image", "torch")


@dataclass
class Part:
    """What one code cell shows: parts of a page, in `html`, empty if the cell shows nothing live.

    `key` stands for all that they depend on.
    """

    key: str
    html: list[str]


def carried(lesson: str) -> dict[str, list[dict[str, Any]]]:
    """What the pages of a lesson ("00") carry of its explorers, by their names; all or sixty of the rest."""
    return tomllib.loads((WEB / "carry.toml").read_text(encoding="utf-8")).get(lesson, {})


def code_cells(notebook: Path) -> dict[int, str]:
    """The sources of the code cells that a page needs, by their places: not that for Colab."""
    cells = nbformat.read(notebook, as_version=4).cells
    return {
        number: cell.source
        for number, cell in enumerate(cells)
        if cell.cell_type == "code" and "install" not in cell.metadata.get("tags", [])
    }


def views_of(notebook: Path) -> Iterator[tuple[int, list[Any], dict[str, Any]]]:
    """Run a lesson; after each code cell its place, the explorers and questions it shows, and all names."""
    from convlab.explore.view import View

    shown: list[Any] = []
    names: dict[str, Any] = {"display": lambda *things: shown.extend(things)}
    for number, source in code_cells(notebook).items():
        shown.clear()
        cell = ast.parse(source, notebook.name)
        if cell.body and isinstance(last := cell.body[-1], ast.Expr):
            last.value = ast.Call(ast.Name("display", ast.Load()), [last.value], [])
        exec(compile(ast.fix_missing_locations(cell), notebook.name, "exec"), names)
        yield number, [thing for thing in shown if isinstance(thing, View)], names


def draw(
    notebook: Path, folder: Path = DRAWN, tell: Callable[[int, int], None] = lambda done, more: None
) -> None:
    """Draw what is new of one lesson, into folder/frames, and note it in folder/LESSON.json.

    `tell` is told how many pictures have been drawn, and how many more are wanted.
    """
    lesson, file = notebook.stem[:2], folder / f"{notebook.stem}.json"
    kept, files = read(notebook, folder)
    wanted = keys(notebook, files)
    html: dict[int, list[str]] = {}
    for number, views, names in views_of(notebook):
        if number in kept and kept[number].key == wanted[number]:
            html[number] = kept[number].html
            continue
        html[number] = [_html(view, names, lesson, folder, tell) for view in views]
    _forget_others(lesson, html.values(), folder)
    files = _loaded()
    parts = {number: asdict(Part(key, html[number])) for number, key in keys(notebook, files).items()}
    file.write_text(json.dumps({"files": files, "parts": parts}), encoding="utf-8")


def _forget_others(lesson: str, html: Iterable[list[str]], folder: Path) -> None:
    """Drop pictures of explorers that the lesson has no more, or by another name."""
    text = "".join(part for parts in html for part in parts)
    for pictures in (folder / "frames").glob(f"{lesson}-*"):
        if f'id="{pictures.name}"' not in text:
            shutil.rmtree(pictures)


def is_current(notebook: Path, folder: Path = DRAWN) -> bool:
    """Whether nothing has changed since the lesson was drawn."""
    kept, files = read(notebook, folder)
    return {number: part.key for number, part in kept.items()} == keys(notebook, files)


def _html(
    view: Any, names: Mapping[str, Any], lesson: str, folder: Path, tell: Callable[[int, int], None]
) -> str:
    from convlab import Explorer

    if not isinstance(view, Explorer):
        return view.to_html(frontend=False)
    name = next(name for name, value in names.items() if value is view and name[0] != "_")
    carry = carried(lesson).get(name)
    tell(0, len(view.choices.carried(view.choices.at, carry)))
    drawing = view._draw

    @wraps(drawing)
    def drawn(**values: Any) -> Any:
        tell(1, 0)
        return drawing(**values)

    view._draw = drawn
    pictures = folder / "frames" / f"{lesson}-{name}"
    shutil.rmtree(pictures, ignore_errors=True)
    return view.to_html(pictures, carry, page=folder, frontend=False)


def read(notebook: Path, folder: Path = DRAWN) -> tuple[dict[int, Part], list[str]]:
    """What was drawn of a lesson, by the places of its cells, and the files that it was drawn with."""
    try:
        noted = json.loads((folder / f"{notebook.stem}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, []
    return {int(number): Part(**part) for number, part in noted["parts"].items()}, noted["files"]


def keys(notebook: Path, files: Iterable[str]) -> dict[int, str]:
    """For each code cell what stands for everything that it depends on."""
    versions = {name: version(name) for name in DRAW_WITH} | {"python": platform.python_version()}
    digest = hashlib.sha256(json.dumps([versions, carried(notebook.stem[:2])]).encode())
    for name in files:
        path = ROOT / name
        digest.update(path.read_bytes() if path.exists() else b"")
    found = {}
    for number, source in code_cells(notebook).items():
        digest.update(source.encode())
        found[number] = digest.hexdigest()
    return found


def _loaded() -> list[str]:
    """The package's files that this process has read."""
    modules = [
        getattr(module, "__file__", None)
        for name, module in sys.modules.items()
        if name.startswith("convlab")
    ]
    paths = [
        path
        for file in modules
        if file
        for path in (Path(file), Path(file).with_suffix(".toml"))
        if path.exists()
    ]
    return sorted({path.relative_to(ROOT).as_posix() for path in paths})


def draw_all(notebooks: list[Path], folder: Path = DRAWN) -> None:
    """Draw what is new of all these lessons, and say how far it is."""
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    new = [path for path in notebooks if not is_current(path, folder)]
    drawn = _draw_side_by_side(new, folder) if new else 0
    print(f"{drawn} pictures drawn for {len(notebooks)} lessons; what had not changed was kept.")


def _draw_side_by_side(notebooks: list[Path], folder: Path) -> int:
    """Run these lessons in as many processes as there are cores; gives how many pictures they drew."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of several processes would wait for each other
    spawn = multiprocessing.get_context("spawn")
    with (
        spawn.Manager() as manager,
        ProcessPoolExecutor(os.cpu_count(), spawn, max_tasks_per_child=1) as pool,
    ):
        told: Queue[tuple[int, int]] = manager.Queue()
        runs = [pool.submit(_draw_and_tell, path, folder, told) for path in reversed(notebooks)]
        drawn = _show_progress(runs, told)
        for run in runs:
            run.result()
    return drawn


def _draw_and_tell(notebook: Path, folder: Path, told: Queue[tuple[int, int]]) -> None:
    sys.path.insert(0, str(ROOT))
    with redirect_stdout(io.StringIO()):  # what lessons print
        draw(notebook, folder, lambda done, more: told.put((done, more)))


def _show_progress(runs: list[Future[None]], told: Queue[tuple[int, int]], width: int = 40) -> int:
    drawn = wanted = 0
    while True:
        finished = sum(run.done() for run in runs)
        try:
            done, more = told.get(timeout=0.2)
        except Empty:
            done = more = 0
        drawn, wanted = drawn + done, wanted + more
        if sys.stdout.isatty():
            filled = width * drawn // max(wanted, 1)
            bar = "#" * filled + "." * (width - filled)
            print(
                f"\r[{bar}] {drawn} of {wanted} pictures, {finished} of {len(runs)} lessons ",
                end="",
                flush=True,
            )
        if finished == len(runs) and told.empty():
            return drawn


def put_pictures_beside(output: NotebookNode, pictures: Path) -> None:
    """Pictures that an output holds itself become files."""
    if "text/html" in output.get("data", {}):
        output.data["text/html"] = DATA.sub(lambda found: _file(found[1], pictures), output.data["text/html"])


def _file(encoded: str, pictures: Path) -> str:
    """The picture as a file, once; gives where it is."""
    content = base64.b64decode(encoded)
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.png"
    (pictures / name).write_bytes(content)
    return f'loading="lazy" src="{pictures.parent.name}/{pictures.name}/{name}"'


def put_frames(folder: Path) -> None:
    """Put what was drawn ahead into folder/frames."""
    shutil.copytree(DRAWN / "frames", folder / "frames", copy_function=_link, dirs_exist_ok=True)


def _link(original: str, copy: str) -> None:
    """The same bytes under another name, where the disk can do that."""
    Path(copy).unlink(missing_ok=True)
    try:
        os.link(original, copy)
    except OSError:
        shutil.copy(original, copy)
