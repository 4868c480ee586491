"""Point the GitHub, Binder and Colab links at another repository: python tools/links.py OWNER/NAME"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLUG = r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+"


def current_slug(root: Path) -> str:
    """OWNER/NAME as CITATION.cff's repository-code has it."""
    text = (root / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(rf"^repository-code: *[\"']?https://github\.com/({SLUG})", text, flags=re.MULTILINE)
    if not found:
        raise ValueError("CITATION.cff has no line 'repository-code: https://github.com/OWNER/NAME'")
    return found[1]


def rewrite(root: Path, slug: str) -> list[Path]:
    """Put the slug into every link of README.md, CITATION.cff and notebooks/; gives the files changed."""
    if not re.fullmatch(SLUG, slug):
        raise ValueError(f"repository={slug!r} must look like OWNER/NAME")
    link = re.compile(rf"(github\.com/|/gh/|/github/){re.escape(current_slug(root))}(?![A-Za-z0-9_-])")
    changed = []
    lessons = [path for kind in ("*.md", "*.ipynb") for path in sorted((root / "notebooks").glob(kind))]
    for path in [root / "README.md", root / "CITATION.cff", *lessons]:
        if not path.exists():
            continue
        old = path.read_text(encoding="utf-8")
        new = link.sub(lambda match: match[1] + slug, old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: make links REPO=owner/name", file=sys.stderr)
        return 2
    try:
        changed = rewrite(ROOT, arguments[0])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
