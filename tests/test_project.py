"""The project's own promises: one direction of imports, a light import, the same packages everywhere."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import convlab
from tools.links import README_LINKS

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
    {"explore.drills", "explore.tasks"},
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


def environment(name: str) -> dict[str, list[str]]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def conda_specs(name: str = "environment.yml") -> dict[str, SpecifierSet]:
    """What each package but Python must be; conda's own single = as a prefix, as which conda reads it."""
    lines = [re.sub(r"^(\w+)=([\d.]+)$", r"\1==\2.*", line) for line in environment(name)["dependencies"]]
    return {(r := Requirement(line)).name: r.specifier for line in lines}


def conda_asks_for(wanted: dict[str, SpecifierSet]) -> dict[str, SpecifierSet]:
    return {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items()}


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
    assert conda == conda_asks_for(requirements(("lab", "test")))
    assert set(SpecifierSet(PROJECT["requires-python"])) <= set(python)


def test_binder_asks_for_the_same_to_learn_and_for_nothing_to_test():
    binder = conda_specs(".binder/environment.yml")
    del binder["python"], binder["pip"]
    assert binder == conda_asks_for(requirements(("lab",)))


def test_binder_names_one_python_in_the_way_that_repo2docker_reads():
    python = environment(".binder/environment.yml")["dependencies"][0]
    # Its pattern, in buildpacks/conda; of what does not match, it builds another version first.
    named = re.fullmatch(r"python\s*=+\s*([\d.]*)", python)[1]
    assert conda_specs()["python"].contains(named)


def test_conda_uses_conda_forge_alone():
    assert environment("environment.yml")["channels"] == ["conda-forge", "nodefaults"]
    assert environment(".binder/environment.yml")["channels"] == ["conda-forge"]


def test_binder_finds_its_files_where_alone_it_looks():
    # Where there is a .binder, Binder looks nowhere else.
    assert all(os.access(ROOT / ".binder" / name, os.X_OK) for name in ("postBuild", "start"))
    assert not (ROOT / "binder").exists(), "Binder refuses both"


def test_binder_ends_idle_kernels_and_opens_the_course_as_make_lab_does(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", tmp_path], check=True)
    pip = tmp_path / "bin" / "pip"
    pip.write_text('#!/bin/sh\n[ "$*" = "install --no-deps -e ." ]\n', encoding="utf-8")
    pip.chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    subprocess.run([".binder/postBuild"], cwd=ROOT, env=os.environ | {"PATH": path}, check=True)
    written = {file.relative_to(tmp_path / "etc").as_posix() for file in tmp_path.glob("etc/**/*.json")}
    assert written == {
        "jupyter/jupyter_server_config.d/convlab_jupyter.json",
        "jupyter/jupyter_server_config.json",
        "jupyter/labconfig/default_setting_overrides.d/convlab_jupyter.json",
    }
    config = {"JUPYTER_CONFIG_PATH": str(tmp_path / "etc" / "jupyter"), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "jupyter_server", "--show-config-json", "--allow-root"]
    shown = subprocess.run(
        command, cwd=ROOT, env=os.environ | config, capture_output=True, text=True, check=True
    )
    kernels = json.loads(shown.stdout)["MappingKernelManager"]
    # A reader who thinks for a quarter of an hour still has what was run.
    assert kernels == {"cull_idle_timeout": 20 * 60, "cull_interval": 60, "cull_connected": True}
    known = MappingKernelManager.class_trait_names(config=True)
    assert set(kernels) <= set(known)


def test_binder_starts_with_one_thread_whatever_its_machine_has():
    threads = "import torch; print(torch.get_num_threads())"
    without = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [".binder/start", sys.executable, "-c", threads],
        cwd=ROOT,
        env=without,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


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


def powershell() -> list[str]:
    """README's lines for Windows without conda."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"in PowerShell \(.*?```\n(.*?)```", readme, flags=re.DOTALL)[1].splitlines()


def test_readmes_lines_without_make_run_in_powershell_as_they_stand():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", readme.split("### Save")[0], flags=re.DOTALL | re.MULTILINE)
    for line in "".join([*blocks, *re.findall(r"```\n(.*?)```", README_LINKS, flags=re.DOTALL)]).splitlines():
        # 'single' is no string to pip there, and of these PowerShell 5 knows none, or another
        assert not re.search(r"&&|\|\||[$'~]|^(source|export|\w+=)", line), line


def test_ci_tries_readmes_lines_and_every_lesson_on_windows_and_macos():
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"][
        "elsewhere"
    ]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    for one in job["strategy"]["matrix"]["include"]:
        run = [step.replace("${{ matrix.bin }}", one["bin"]) for step in steps]
        asked = [line.replace(".venv\\Scripts\\", f"{one['bin']}/") for line in powershell()]
        assert run[:4] == [*asked[:3], f"{asked[3]} --version"]
        assert "--nbval " in run[-1]
    assert {one["os"] for one in job["strategy"]["matrix"]["include"]} == {"windows-latest", "macos-latest"}


def test_a_dev_container_is_set_up_by_what_make_lab_sets_up():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target = container["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^lab: {re.escape(target)} ", makefile, flags=re.MULTILINE)
    version = container["image"].rsplit(":", 1)[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)


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
