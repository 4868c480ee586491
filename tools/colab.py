"""Run every lesson as Colab does: .venv/colab/bin/python tools/colab.py [notebooks/NAME.ipynb …]

Each from its own first cell, with the package not there yet: the cell finds `google.colab` loaded, and
installs from the link that it has. Only what stands behind the link is another: the course in this folder,
which git is told to take in its place. Then nbval compares every text output with what is stored.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions, version
from pathlib import Path
from sysconfig import get_path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import links  # noqa: E402

COURSE = "convlab-course"
SOMEBODY = links.Address("somebody/convlab-course", "main")  # where the course has no address yet
LOADED = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"


def twin(folder: Path) -> tuple[Path, links.Address, dict[str, str]]:
    """In `folder`, the course as a repository, its address, and the environment in which that leads there."""
    course, profile = folder / "course", folder / "ipython" / "profile_default" / "startup"
    made = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    shutil.copytree(ROOT, course, ignore=shutil.ignore_patterns(".git", *made))
    address = links.current_address(course)
    if address == links.PLACEHOLDER:
        address = SOMEBODY
        links.rewrite(course, address)
    git(course, "init", "--quiet", "--initial-branch", address.branch)
    git(course, "add", "--all")
    git(course, "-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--message", "The course")
    profile.mkdir(parents=True)
    (profile / "colab.py").write_text(LOADED, encoding="utf-8")
    ours = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{course.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address.page,
        "IPYTHONDIR": str(profile.parents[1]),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or ipykernel 6.17.1 is told of Python 3.13's frozen modules
    }
    return course, address, {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"} | ours


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def uninstall() -> None:
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", COURSE], check=True)


def run(lesson: str, course: Path, address: links.Address, environment: dict[str, str]) -> bool:
    """Whether the lesson comes out as it is stored, with the package that its first cell has installed."""
    uninstall()
    nbval = [sys.executable, "-m", "pytest", "--nbval", "--nbval-sanitize-with", "tests/sanitize.cfg", lesson]
    if subprocess.run(nbval, cwd=course, env=environment, check=False).returncode:
        return False
    installed = distributions(name=COURSE, path=[get_path("purelib")])
    came_from = [one.read_text("direct_url.json") or "" for one in installed]
    if not any(f'"{address.page}"' in where for where in came_from):
        print(f"{lesson} did not install the package from {address.page}: {came_from}")
        return False
    return True


def main(named: list[str]) -> int:
    packages = ("torch", "ipykernel", "ipywidgets", "anywidget", "matplotlib", "numpy")
    print("Colab's twin: Python", sys.version.split()[0], *(f"{name} {version(name)}" for name in packages))
    lessons = named or [path.relative_to(ROOT).as_posix() for path in links.lessons(ROOT)]
    with tempfile.TemporaryDirectory() as folder:
        where = twin(Path(folder))
        failed = [lesson for lesson in lessons if not run(lesson, *where)]
    uninstall()  # the tests that come after take the course that lies here
    print(f"{len(lessons) - len(failed)} of {len(lessons)} lessons run on Colab's twin", *failed, sep="\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
