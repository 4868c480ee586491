"""Versions other than those that were tested: python tools/constraints.py oldest (or newest, or colab)

Oldest: each of convlab's dependencies at its lower bound. Newest: none is held back. In both, the tools that
check are those of constraints.txt, and all that comes with either is left to pip. Colab: as constraints.txt,
but what Colab has at Colab's version.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# On Python 3.13. Colab's torch is not among them: of its outputs, those of the tested one are stored.
COLAB = """
    anywidget==0.9.21
    ipykernel==6.17.1
    ipython==7.34.0
    ipywidgets==7.7.1
    matplotlib==3.10.0
    numpy==2.1.3
    pillow==11.3.0
    scikit-image==0.25.2
""".split()


def pins(end: str) -> list[str]:
    """Lines NAME==VERSION for pip's --constraint."""
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if end == "colab":
        pinned = {name_of(line) for line in COLAB}
        return COLAB + [line for line in tested if "==" in line and name_of(line) not in pinned]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = [line.replace(">=", "==") for line in project["dependencies"]]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    tools = {name_of(line) for line in extras}
    return {"oldest": oldest, "newest": []}[end] + [line for line in tested if name_of(line) in tools]


def name_of(line: str) -> str:
    return re.split(r"[<>=]", line)[0]


if __name__ == "__main__":
    print(*pins(sys.argv[1]), sep="\n")
