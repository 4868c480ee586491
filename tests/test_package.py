"""What others get of the package: a wheel that carries all of it, and names that editors complete."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import jedi
import pytest

import convlab

ROOT = Path(__file__).resolve().parent.parent
MODULE = "convlab_jupyter.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--no-deps", "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, in which building may leave what it likes."""
    copy, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    copy.joinpath(MODULE).write_bytes((ROOT / MODULE).read_bytes())
    copytree(ROOT / "convlab", copy / "convlab", ignore=ignore_patterns("__pycache__"))
    frontend = copy / "convlab" / "explore" / "frontend"
    frontend.mkdir(exist_ok=True)
    for kind in ("css", "js"):
        (frontend / f"of_a_test.{kind}").touch()
    pip("wheel", copy, "--no-build-isolation", "--wheel-dir", built)
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with nothing in it but the wheel, as Colab installs it."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", wheel, "--target", folder)
    return folder


def run_installed(folder: Path, code: str, **environment: str) -> list[str]:
    """What the code prints where `folder` comes first; -S: no .pth file leads back to the source."""
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *packages])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_wheel_has_every_file_of_the_package(wheel):
    files = {path for path in (ROOT / "convlab").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    frontend = {f"convlab/explore/frontend/of_a_test.{kind}" for kind in ("css", "js")}
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert carried == {path.relative_to(ROOT).as_posix() for path in files} | frontend | {MODULE}


@pytest.mark.parametrize("eager", ["", "1"])  # with EAGER_IMPORT=1, lazy_loader waits for nothing
def test_every_public_name_can_be_imported_from_an_installed_wheel(installed, eager):
    code = (
        "import sys, convlab\n"
        "for name in convlab.__all__: getattr(convlab, name)\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'convlab'))"
    )
    files = run_installed(installed, code, EAGER_IMPORT=eager)
    assert str(installed / "convlab" / "arithmetic.py") in files
    assert all(Path(file).is_relative_to(installed) for file in files), files


def test_dir_lists_the_public_names_before_any_is_used(installed):
    assert run_installed(installed, "import convlab; print(*dir(convlab))") == convlab.__all__


def test_a_name_that_convlab_lacks_is_refused_by_its_name():
    with pytest.raises(AttributeError, match="ConvSpek"):
        convlab.ConvSpek  # noqa: B018


def test_the_version_is_the_one_of_the_project():
    assert convlab.__version__ == PROJECT["version"]


def edited(code: str) -> jedi.Script:
    """As an editor sees the code, which runs nothing."""
    return jedi.Script(code, project=jedi.Project(ROOT, sys_path=[str(ROOT), *sys.path]))


def in_notebook(code: str) -> jedi.Interpreter:
    """As a kernel sees the last line after the others have run."""
    return jedi.Interpreter(code.splitlines()[-1], [{"convlab": convlab}])


@pytest.mark.parametrize("see", [edited, in_notebook])
def test_names_are_completed(see):
    names = [completion.name for completion in see("import convlab\nconvlab.Con").complete()]
    assert "ConvSpec" in names
    assert {name for name in names if name in convlab.__all__ and name[:3] == "Con"} == {
        name
        for name in convlab.__all__
        if name[:3] == "Con"  # IPython tells jedi to mind capitals
    }


@pytest.mark.parametrize("see", [edited, in_notebook])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ConvSpec", "in_channels out_channels kernel_size stride padding dilation groups bias"),
        ("photo", "name size channels"),
        ("measure_receptive_field", "module input_shape at channel output"),
    ],
)
def test_signatures_are_shown(see, name, parameters):
    (signature,) = see(f"import convlab\nconvlab.{name}(").get_signatures()
    assert [parameter.name for parameter in signature.params if parameter.name] == parameters.split()
