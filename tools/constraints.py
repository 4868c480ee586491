"""The versions at either end of what pyproject.toml promises: python tools/constraints.py oldest (or newest)

Oldest: each of convlab's dependencies at its lower bound. Newest: none is held back. In both, the tools that
check are those of constraints.txt, and all that comes with either is left to pip.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pins(end: str) -> list[str]:
    """Lines NAME==VERSION for pip's --constraint."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = [line.replace(">=", "==") for line in project["dependencies"]]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    tools = {re.split(r"[<>=]", line)[0] for line in extras}
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {"oldest": oldest, "newest": []}[end] + [line for line in tested if line.split("==")[0] in tools]


if __name__ == "__main__":
    print(*pins(sys.argv[1]), sep="\n")
