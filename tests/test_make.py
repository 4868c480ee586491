"""Each target of the Makefile but `test`, run in a copy of the project that has this Python in its .venv."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import nbformat
import pytest
from browser import jupyter_lab, within, write_notebook
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools import links

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)[1].split()
ELSEWHERE = {"test", "links"}  # what runs this test; test_project.py


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project as it is checked out, with a .venv that is up to date and leads to this Python."""
    copy = tmp_path_factory.mktemp("make") / "project"
    made = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", *made))
    (copy / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".installed" and not (part / ".installed").exists():  # nothing that make has filled
            (copy / ".venv" / part.name).symlink_to(part)
    (copy / ".venv" / ".installed").touch()
    return copy


def environment(project: Path) -> dict[str, str]:
    """Of a shell in which no other make runs, with none of the Makefile's variables set but PYTHON."""
    outer = {*re.findall(r"^(\w+) \?=", MAKEFILE, flags=re.MULTILINE), "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    own = {"PYTHON": sys.executable, "PYTHONPATH": str(project)}
    return {name: value for name, value in os.environ.items() if name not in outer} | own


def make(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_target_is_tried():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert [name for name in TARGETS if f"def test_make_{name}_" not in tests and name not in ELSEWHERE] == []


def test_make_help_tells_every_target_whatever_its_letters(tmp_path):
    more = "site-fast: ## quickly\n\techo\nx_1: site-fast ## once\n\techo\n"
    (tmp_path / "Makefile").write_text(MAKEFILE + more, encoding="utf-8")
    told = re.findall(r"^  make (\S+)\t\S", make(tmp_path, "help"), flags=re.MULTILINE)
    assert told == [*TARGETS, "site-fast", "x_1"]


def test_make_clean_leaves_what_no_command_made(tmp_path):
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    for made in (
        ".venv",
        "build",
        "any.egg-info",
        ".pytest_cache",
        ".ruff_cache",
        ".mypy_cache",
        ".hypothesis",
    ):
        (tmp_path / made).mkdir()
        (tmp_path / made / "file").touch()
    make(tmp_path, "clean")
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile", "notebooks"}


def test_make_lab_serves_the_notebooks_with_the_options_given(project, tmp_path):
    def command(options: list[str]) -> list[str]:
        return ["make", "lab", f"LAB={shlex.join(options)}"]

    with jupyter_lab(tmp_path, tmp_path, command, cwd=project, env=environment(project)) as address:
        open_page = build_opener(ProxyHandler({})).open
        with open_page(within(address, "lab"), timeout=20) as page:
            assert "JupyterLab" in page.read().decode()
        with open_page(within(address, "api/contents"), timeout=20) as page:
            served = {entry["name"] for entry in json.load(page)["content"]}
    assert served >= {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_make_notebooks_runs_those_that_are_named_alone(project):
    before = {path: path.read_bytes() for path in (project / "notebooks").glob("*.ipynb")}
    small = write_notebook(
        project / "small.ipynb", "from convlab import ConvSpec", "ConvSpec(2, 3, 5).num_weights"
    )
    make(project, "notebooks", "NOTEBOOKS=small.ipynb")
    *others, cell, way_on = nbformat.read(small, as_version=4).cells
    assert way_on.source.startswith(links.START)
    assert cell.execution_count == len([other for other in others if other.cell_type == "code"]) + 1 > 1
    assert cell.outputs[0].data["text/plain"] == "150"
    assert {path: path.read_bytes() for path in (project / "notebooks").glob("*.ipynb")} == before


def test_make_bench_measures_one_part_without_the_peers(project):
    said = make(project, "bench", "PARTS=import")
    assert re.search(r"^import convlab +[\d.]+ ms +[\d.]+ ms  (yes|NO)$", said, flags=re.MULTILINE), said
    assert not (project / ".venv" / "peers").exists()


@pytest.mark.parametrize(
    ("parts", "asks"), [("", True), ("PARTS=", True), ("PARTS=reach", True), ("PARTS=steps notebook", False)]
)
def test_make_bench_installs_the_peers_for_a_part_that_asks_them(project, parts, asks):
    commands = make(project, "--dry-run", "bench", *[parts] if parts else [])
    assert ("pip install" in commands) == asks


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return import_module("bench")


def test_the_benchmark_measures_all_parts_if_none_is_named(bench):
    assert bench.parts_asked_for([]) == list(bench.PARTS)
    assert bench.parts_asked_for(["cost", "reach"]) == ["cost", "reach"]


def test_the_benchmark_names_a_part_that_it_lacks(bench, capsys):
    with pytest.raises(SystemExit):
        bench.parts_asked_for(["speed"])
    assert "no such part: speed" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["oldest", "newest"])
def test_constraints_for_both_ends_keep_what_pyproject_promises(project, end):
    make(project, f"build/{end}.txt")
    lines = (project / "build" / f"{end}.txt").read_text(encoding="utf-8").split()
    pinned = dict(line.split("==") for line in lines)
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies = {(r := Requirement(line)).name: r.specifier for line in metadata["dependencies"]}
    if end == "oldest":
        assert {name: SpecifierSet(f">={pinned[name]}") for name in dependencies} == dependencies
    assert (set(dependencies) <= set(pinned)) == (end == "oldest")
    assert "ruff" in pinned
