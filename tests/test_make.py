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
from browser import CHROMIUM, chromium, jupyter_lab, within, write_notebook
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from playwright.sync_api import expect

from convlab_jupyter import enable
from tools import colab, constraints, lab, links

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
    (tmp_path / "my-notebooks").mkdir()
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
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile", "notebooks", "my-notebooks"}


@pytest.fixture
def made_lab(project, tmp_path):
    """The address of what `make lab` serves to a reader who has set nothing, and who may be root."""

    def command(options: list[str]) -> list[str]:
        return ["make", "lab", f"LAB={shlex.join(option for option in options if option != '--allow-root')}"]

    env = environment(project) | {"JUPYTER_CONFIG_PATH": str(enable(tmp_path / "enabled"))}
    with jupyter_lab(tmp_path, tmp_path, command, cwd=project, env=env, settings={}) as address:
        yield address


def test_make_lab_serves_copies_of_the_notebooks_with_the_options_given(project, made_lab):
    open_page = build_opener(ProxyHandler({})).open
    with open_page(within(made_lab, "lab"), timeout=20) as page:
        assert "JupyterLab" in page.read().decode()
    with open_page(within(made_lab, "api/contents"), timeout=20) as page:
        served = {entry["name"] for entry in json.load(page)["content"]}
    lessons = {path.name for path in (ROOT / "notebooks").iterdir() if path.name[0] != "."}
    assert served == lessons == {path.name for path in (project / "my-notebooks").iterdir()} - {lab.COPIED}


def test_make_lab_opens_the_map_to_be_read_and_asks_nothing_about_news(made_lab):
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(within(made_lab, "lab?reset"))
        page.get_by_role("listitem", name="README.md").dblclick(timeout=60_000)
        expect(page.locator(".jp-MarkdownViewer h1")).to_have_text(re.compile("The course"), timeout=60_000)
        expect(page.locator(".jp-FileEditor")).to_have_count(0)
        page.wait_for_timeout(3000)  # it used to ask within two seconds
        expect(page.locator(".Toastify__toast")).to_have_count(0)


@pytest.fixture
def course(tmp_path) -> Path:
    """Two lessons as the course gives them, of which a reader has copies beside them."""
    (tmp_path / "course" / "solutions").mkdir(parents=True)
    for name in ("one", "solutions/two"):
        (tmp_path / "course" / f"{name}.ipynb").write_text("first", encoding="utf-8")
    assert lab.bring(tmp_path / "course", tmp_path / "own") == []
    return tmp_path / "course"


def lessons_in(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.rglob("*.ipynb")}


def test_a_new_edition_comes_to_a_reader_who_has_changed_nothing(course):
    own = course.parent / "own"
    assert lessons_in(own) == {"one": "first", "two": "first"}
    (course / "one.ipynb").write_text("second", encoding="utf-8")
    (course / "three.ipynb").write_text("new", encoding="utf-8")
    assert lab.bring(course, own) == []
    assert lessons_in(own) == {"one": "second", "two": "first", "three": "new"}


def test_what_a_reader_has_written_is_kept_and_a_newer_edition_is_told(course):
    own = course.parent / "own"
    (own / "one.ipynb").write_text("mine", encoding="utf-8")
    assert lab.bring(course, own) == []
    (course / "one.ipynb").write_text("second", encoding="utf-8")
    for _ in range(2):
        assert lab.bring(course, own) == ["one.ipynb"]
        assert lessons_in(own)["one"] == "mine"
    (own / "one.ipynb").rename(own / "one, mine.ipynb")
    assert lab.bring(course, own) == []
    assert lessons_in(own) == {"one": "second", "one, mine": "mine", "two": "first"}


def test_git_pull_after_a_lesson_was_run_ends_in_no_conflict(course):
    def git(folder: Path, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=b")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    lessons, clone = course.parent, course.parent / "clone"
    shutil.copy(ROOT / ".gitignore", lessons)
    shutil.rmtree(lessons / "own")
    git(lessons, "init", "--quiet")
    git(lessons, "add", "--all")
    git(lessons, "commit", "--quiet", "--message", "The first edition")
    git(lessons, "clone", "--quiet", str(lessons), str(clone))
    own = clone / "my-notebooks"
    lab.bring(clone / "course", own)
    (own / "one.ipynb").write_text("run", encoding="utf-8")
    (course / "one.ipynb").write_text("second", encoding="utf-8")
    git(lessons, "commit", "--quiet", "--all", "--message", "The second edition")
    git(clone, "pull", "--quiet")
    assert git(clone, "status", "--porcelain") == ""
    assert lab.bring(clone / "course", own) == ["one.ipynb"]
    assert lessons_in(own) == {"one": "run", "two": "first"}


@pytest.fixture
def bare(tmp_path) -> Path:
    """What make needs to install, and nothing that it has installed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/constraints.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("target", [".venv/.installed", ".venv/colab/.installed"])
def test_torch_is_taken_from_the_index_that_is_named_and_the_rest_is_not(bare, target):
    make(bare, "build/colab.txt")
    index = "https://example.org/cpu"
    commands = make(bare, "--dry-run", target, f"TORCH_INDEX={index}")
    first, then = re.findall(r"pip install ([^\n;&]*)", commands)
    torch = next(
        line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch==")
    )
    assert shlex.split(first) == ["-q", "--index-url", index, torch]
    assert "-e" in shlex.split(then)
    assert index not in then
    assert make(bare, "--dry-run", target).count("pip install") == 1


def test_make_colab_does_with_this_python_where_colabs_can_install_nothing(bare):
    for name, pip_ends_in in (("theirs", 1), ("ours", 0)):  # each makes an environment whose pip ends so
        python = bare / name
        python.write_text(
            f"""#!/bin/sh
case "$*" in "-m venv .venv/colab") ;; *) exec {sys.executable} "$@" ;; esac
mkdir -p .venv/colab/bin
printf '#!/bin/sh\\nexit {pip_ends_in}\\n' > .venv/colab/bin/python
chmod +x .venv/colab/bin/python
""",
            encoding="utf-8",
        )
        python.chmod(0o755)
    target, ours = ".venv/colab/.installed", f"PYTHON={bare / 'ours'}"
    said = make(bare, target, ours, f"COLAB_PYTHON={bare / 'theirs'}")
    assert said.splitlines()[-1] == f"What Colab has can't be installed for {bare / 'theirs'}."
    (bare / target).unlink()
    said = make(bare, target, ours, "COLAB_PYTHON=")
    assert said.splitlines()[-1].startswith("There is no Python 3.13 here, as Colab has")


def test_make_colab_runs_the_lessons_and_then_what_needs_no_browser(project):
    *_, lessons, units = make(project, "--dry-run", "colab", "NOTEBOOKS=notebooks/00.ipynb").splitlines()
    assert lessons == ".venv/colab/bin/python tools/colab.py notebooks/00.ipynb"
    tests = subprocess.run(
        ["sh", "-c", f"echo {units.partition('pytest')[2]}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {f"tests/test_{name}.py" for name in ("arithmetic", "explorers", "links", "page")} < set(tests)
    assert not {f"tests/test_{name}.py" for name in ("browser", "make", "saved", "page_alone")} & set(tests)


def test_colabs_twin_has_colab_loaded_and_the_link_leads_to_this_course(tmp_path):
    course, address, environment = colab.twin(tmp_path)
    said = subprocess.run(
        [sys.executable, "-m", "IPython", "-c", "import sys; print('google.colab' in sys.modules)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "True"
    lesson = links.lessons(course)[0]
    cell = nbformat.read(lesson, as_version=4).cells[1].source
    assert cell == links.install_cell(address, ROOT)
    where, branch = re.search(r"git\+(https://github\.com/[^@]+)@([^\"]+)", cell).groups()
    clone = tmp_path / "clone"
    command = ["git", "clone", "--quiet", "--branch", branch, where, clone]
    subprocess.run(command, env=environment, check=True)
    assert (clone / "convlab" / "__init__.py").read_bytes() == (ROOT / "convlab" / "__init__.py").read_bytes()


def test_colab_has_what_pyproject_asks_for():
    pinned = dict(line.split("==") for line in constraints.COLAB)
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {(r := Requirement(line)).name: r.specifier for line in metadata["dependencies"]}
    assert {name for name in pinned if name in wanted and not wanted[name].contains(pinned[name])} == set()
    assert not [
        name
        for name in pinned
        if sum(line.startswith(f"{name}==") for line in constraints.pins("colab")) != 1
    ]


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


def test_make_worksheets_writes_a_sheet_and_its_key_for_each_lesson(project):
    said = make(project, "worksheets", "SEED=7")
    made = sorted(path.name for path in (project / "build" / "worksheets" / "7").glob("*.html"))
    lessons = [path.name[:2] for path in links.lessons(ROOT)]
    assert made == sorted(f"{lesson}_{kind}.html" for lesson in lessons for kind in ("key", "sheet"))
    assert said.splitlines()[1] == "12 pages are in build/worksheets/7."


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
