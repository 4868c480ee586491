"""The project's own promises: one direction of imports, a light import, the same packages everywhere."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import convlab

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {f"convlab.{path.parent.name}" for path in (ROOT / "convlab").glob("*/__init__.py")}
MODULES = sorted(p for p in (ROOT / "convlab").rglob("*.py") if p.stem != "__init__")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# A module may import from the rows above its own, never from its own row or below; the lessons are equals.
LAYERS = [
    {"checks", "kinds"},
    {"arithmetic"},
    {"kernels", "networks"},
    {"images"},
    {"training"},
    {"measure.running"},
    {"measure.costs", "measure.tracing"},
    {"measure.reach", "measure.timing"},
    {"pictures.palette", "pictures.words"},
    {"pictures.page"},
    {"pictures.charts", "pictures.draw"},
    {"pictures.figures"},
    {"lessons"},
    {"explore.choices"},
    {"explore.spots"},
    {"explore.view"},
    {"explore.explorers"},
    {"explore.slips"},
    {"explore.questions"},
    {"explore.tasks"},
]
LAYER_OF = {module: number for number, layer in enumerate(LAYERS) for module in layer}

CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "playwright": "playwright-python"}


def requirements(extras: Iterable[str] = PROJECT["optional-dependencies"]) -> dict[str, SpecifierSet]:
    lines = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    return {(r := Requirement(line)).name: r.specifier for line in lines}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def conda_specs() -> dict[str, SpecifierSet]:
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    return {(r := Requirement(line)).name: r.specifier for line in lines}


def convlab_imports(source: str) -> set[str]:
    """The convlab modules that the source imports, at any depth in it, by their units."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'convlab.' * bool(node.level)}{node.module or ''}".rstrip(".")]
            if names[0].count(".") == 0 or names[0] in ROOMS:
                names = [f"{names[0]}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {unit(name.removeprefix("convlab.")) for name in names if name.startswith("convlab.")}
    return found


def unit(module: str) -> str:
    """The name in LAYERS of a module, "pictures.page" say: its own, or that of the room of equals."""
    return "lessons" if module.startswith("lessons.") else module


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "convlab").with_suffix("").parts)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_has_a_layer():
    assert {unit(name_of(path)) for path in MODULES} == set(LAYER_OF), "LAYERS must name each module"


def test_imports_are_found_wherever_they_stand():
    source = (
        "def f():\n    from . import arithmetic\nimport convlab.pictures.figures\n"
        "from convlab.pictures import palette\nfrom convlab.measure.reach import MeasuredField"
    )
    assert convlab_imports(source) == {"arithmetic", "pictures.figures", "pictures.palette", "measure.reach"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way_only(path):
    name = unit(name_of(path))
    for imported in convlab_imports(path.read_text(encoding="utf-8")):
        assert imported in LAYER_OF, f"{name} imports {imported!r}, which is no module of convlab"
        assert LAYER_OF[imported] < LAYER_OF[name], f"{name} must not import {imported}"


def test_readme_maps_the_package_in_the_order_of_its_imports():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.search(r"^convlab/ .*\n((?: {4}.*\n)*)", readme, flags=re.MULTILINE)[1].splitlines()
    room, mapped = "", []
    for row in rows:
        indent, name = re.match(r" {4}( *)(\S+)", row).groups()
        room = room if indent else ""
        if name.endswith("/"):
            room = f"{name[:-1]}."
        if name.endswith(".py") or name == "lessons/":
            mapped.append(unit(f"{room}{name[:-3]}") if name.endswith(".py") else "lessons")
    assert sorted(mapped) == sorted(LAYER_OF)
    assert [LAYER_OF[name] for name in mapped] == sorted(LAYER_OF[name] for name in mapped)


def test_importing_convlab_loads_nothing_heavy():
    code = "import sys, convlab; print(*sorted({'torch', 'ipywidgets', 'matplotlib'} & set(sys.modules)))"
    assert run_python(code) == ""


def test_importing_figures_leaves_matplotlib_as_it_was():
    code = (
        "import sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"  # reading the backend itself would load pyplot
        "import convlab.pictures.figures\n"
        "after = matplotlib.rcParams.copy()\n"
        "print([k for k in before if before[k] != after[k]], 'matplotlib.pyplot' in sys.modules)"
    )
    assert run_python(code) == "[] False"


def test_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make lab" in readme
    assert "make test" in readme


def test_conda_and_pip_ask_for_the_same_to_learn_and_to_test():
    conda = conda_specs()
    python = conda.pop("python")
    conda.pop("pip")
    wanted = requirements(("lab", "test"))
    assert conda == {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items()}
    assert set(SpecifierSet(PROJECT["requires-python"])) <= set(python)


def test_conda_uses_conda_forge_alone():
    channels = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["channels"]
    assert channels == ["conda-forge", "nodefaults"]


def test_binder_builds_what_conda_builds():
    # Where there is a .binder, Binder looks for its files nowhere else.
    assert (ROOT / ".binder" / "environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()
    assert os.access(ROOT / ".binder" / "postBuild", os.X_OK)
    assert not (ROOT / "binder").exists(), "Binder refuses both"


def test_every_requirement_is_pinned_within_its_bounds():
    pinned = constraints()
    for name, bounds in requirements().items():
        assert name in pinned, f"constraints.txt lacks {name}"
        assert bounds.contains(pinned[name]), f"{name}=={pinned[name]} is outside {bounds}"


def test_the_benchmark_installs_its_peers_where_no_test_sees_them():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    peers = re.search(r"^PEERS := (.*)$", makefile, flags=re.MULTILINE)[1].split()
    assert peers == sorted(requirements(("bench",)).keys() - requirements(()).keys())
    assert not requirements(("lab", "test")).keys() & set(peers)


def test_package_project_and_citation_agree_on_version_and_name():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == PROJECT["version"] == convlab.__version__
    assert PROJECT["name"] == convlab.__course__


def test_ci_tests_both_ends_of_the_promised_versions():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(workflow)["jobs"]["test"]
    tried = {(one["python"], one["constraints"]) for one in job["strategy"]["matrix"]["include"]}
    promised = SpecifierSet(str(conda_specs()["python"]))
    pythons = [f"3.{minor}" for minor in range(30) if promised.contains(f"3.{minor}")]
    assert tried == {
        *((python, "constraints.txt") for python in (pythons[0], pythons[-1])),
        (pythons[0], "build/oldest.txt"),
        (pythons[-1], "build/newest.txt"),
    }
    assert {"run": "bash .ci/run"} in job["steps"]


def test_every_make_target_has_its_line_of_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()
    assert re.findall(r"^([\w-]+):.*## \S", makefile, flags=re.MULTILINE) == phony


def test_readme_example_gives_what_its_comment_says():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)[1]
    scope = {}
    exec(block, scope)
    said = re.search(r"field\.coverage +# (.*)", block)[1]
    field = scope["field"]
    assert repr((field.size, field.start, field.coverage)) == f"({said})"
    said = re.search(r"price\.parameters +# (.*)", block)[1]
    assert repr((scope["price"].macs, scope["price"].parameters)) == said


def test_readmes_own_explorer_moves_and_leaves_no_figure_open():
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)[1]
    named = block.replace("Explorer(wave", "explorer = Explorer(wave")
    code = (
        f"import matplotlib\nmatplotlib.use('agg')\n{named}\n"
        "print(explorer.set(frequency=3).sentence, len(explorer.picture.encode()) > 1000, plt.get_fignums())"
    )
    assert run_python(code) == "frequency: 3. True []"
