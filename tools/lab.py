"""Open JupyterLab at a reader's own copies of the lessons: python tools/lab.py [options of JupyterLab]

Run in notebooks/, a lesson would change under `git pull`, which then refuses or ends in a conflict. So what a
reader runs and writes stands in my-notebooks/, which git does not know.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ".copied.json"  # what each file was like when it was copied: what differs from it is the reader's


def bring(lessons: Path, own: Path) -> list[str]:
    """Copy into `own` what it lacks and what is new, but over nothing that the reader has changed.

    Gives the names of those that changed on both sides: the reader's stay.
    """
    own.mkdir(exist_ok=True)
    record = own / COPIED
    copied = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    kept = []
    for path in sorted(path for path in lessons.rglob("*") if path.is_file()):
        name, now = path.relative_to(lessons), digest(path)
        known, target = copied.get(name.as_posix()), own / name
        if ".ipynb_checkpoints" in name.parts or (known == now and target.exists()):
            continue
        if target.exists() and digest(target) not in (known, now):
            kept.append(name.as_posix())
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        copied[name.as_posix()] = now
    record.write_text(json.dumps(copied, indent=1) + "\n", encoding="utf-8")
    return kept


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(options: list[str]) -> None:
    from jupyterlab.labapp import main as jupyter_lab

    own = ROOT / "my-notebooks"
    if kept := bring(ROOT / "notebooks", own):
        print(
            f"The course has newer versions of these, which you have changed: {', '.join(kept)}. "
            f"Yours stay in {own.name}/: rename one, and the next start brings the newer."
        )
    # To root, in a container say, JupyterLab says no unless it is told.
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    jupyter_lab([*options, *as_root, str(own)])


if __name__ == "__main__":
    main(sys.argv[1:])
