"""Write the address of the course into all its links: python tools/links.py [OWNER/NAME [BRANCH]]

README.md, CITATION.cff and notebooks/ take every address from the templates below. What is not given is asked
of git: OWNER/NAME is where its remote `origin` leads, BRANCH is what that calls its default branch.
Needs nothing but Python, so that it runs where nothing is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent

OWNER, NAME = r"[A-Za-z0-9][A-Za-z0-9-]*", r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+?"
PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
BRANCH = rf"{PART}(?:/{PART})*"
GITHUB = r"(?i:(?:(?:https?|ssh|git)://)?(?:[^/@]+@)?(?:www\.|ssh\.)?github\.com)(?::\d+)?[:/]/?"

# Comments, so that no reader sees them, and everything between them is written here.
START, END = "<!-- links: `make links` writes this -->", "<!-- /links -->"


class Address(NamedTuple):
    """Where on GitHub the course is: OWNER/NAME, and the branch that Binder and Colab take it from."""

    slug: str
    branch: str

    @property
    def page(self) -> str:
        return f"https://github.com/{self.slug}"

    @property
    def site(self) -> str:
        """Where GitHub Pages shows the course, once a repository's settings say so."""
        owner, name = self.slug.split("/")
        host = f"{owner.lower()}.github.io"
        return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"

    def file(self, name: str) -> str:
        return f"{self.page}/blob/{self.branch}/notebooks/{name}"

    def binder(self, lesson: str) -> str:
        path = quote(f"notebooks/{lesson}.ipynb", safe="")
        return f"https://mybinder.org/v2/gh/{self.slug}/{quote(self.branch, safe='')}?labpath={path}"

    def colab(self, lesson: str) -> str:
        notebook = f"notebooks/{lesson}.ipynb"
        return f"https://colab.research.google.com/github/{self.slug}/blob/{self.branch}/{notebook}"


# Stands until an address is known. No owner on GitHub has an underscore, so it leads to nobody.
PLACEHOLDER = Address("YOUR__NAME/convlab-course", "main")

NO_LINKS = (
    "Once the course is on GitHub, run `make links`: it writes the links that open {what} in the browser."
)

README_LINKS = """\
Nothing to install: [the course as pages]({site}), on a phone too and with slides, or as notebooks in
[![Binder](https://mybinder.org/badge_logo.svg)]({binder})
[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})

To have it on your own machine:

```
git clone {page}
cd {name}
```"""

INSTALL_CELL = """\
#@title Setup: on Colab, the lessons' own package
import {modules}

if "google.colab" in sys.modules:  # Colab has everything but the lessons' own package
    class Stop(Exception):  # shows its sentence, without a traceback
        _render_traceback_ = lambda self: [str(self)]
{install}    try:
        import convlab
        assert (convlab.__course__, convlab.__version__) == ("{course}", "{version}")
    except Exception:
        raise Stop("{sentence}: "
                   "{advice}") from None"""

INSTALL = """\
    pip = [sys.executable, "-m", "pip", "install", "-q", "git+{page}@{branch}"]
    if subprocess.run(pip, capture_output=True).returncode:
        raise Stop("The lesson's package could not be installed: try again, or ask whoever keeps the course.")
"""


def readme_links(address: Address, lessons: list[str]) -> str:
    if address == PLACEHOLDER:
        return NO_LINKS.format(what="it")
    name = address.slug.split("/")[1]
    first = lessons[0]
    return README_LINKS.format(
        page=address.page,
        name=name,
        site=address.site,
        binder=address.binder(first),
        colab=address.colab(first),
    )


def map_links(address: Address, lessons: list[str]) -> str:
    if address == PLACEHOLDER:
        return NO_LINKS.format(what="each lesson")
    rows = (
        f"- `{name}` in [Binder]({address.binder(name)}) or [Colab]({address.colab(name)})"
        for name in lessons
    )
    return "\n".join(["Nothing to install: open", "", *rows])


def lesson_links(address: Address, lesson: str) -> str:
    """What a notebook's first cell says: where else it opens, and where its words are explained."""
    up = "../" * lesson.count("/")
    if address == PLACEHOLDER:
        return f"{NO_LINKS.format(what='this notebook')} Words are in the [glossary]({up}glossary.md)."
    binder, colab, words = address.binder(lesson), address.colab(lesson), address.file("glossary.md")
    return (
        f"Nothing to install: [open in Binder]({binder}) · [open in Colab]({colab}). "
        f"Words are in the [glossary]({up}glossary.md) ([on Colab]({words}))."
    )


def next_links(address: Address, lesson: str, root: Path) -> str:
    """What a notebook's last cell says: where to go from here, beside it and, for Colab, on GitHub."""
    titles = {path.stem: title_of(path) for path in lessons(root)}
    name, up, names = lesson.split("/")[-1], "../" * lesson.count("/"), list(titles)
    if up:
        target, words = f"{name}.ipynb", f"Back to the lesson: {titles.get(name, name)}"
    elif name in names[:-1]:
        after = names[names.index(name) + 1]
        target, words = f"{after}.ipynb", f"Next: {after[:2]} · {titles[after]}"
    else:
        target, words = "README.md", "This was the last lesson. Back to the map of the course"
    ways = [f"**[{words}]({up}{target})**"]
    if address != PLACEHOLDER:
        notebook = target.removesuffix(".ipynb")
        whole = address.file(target) if notebook == target else address.colab(notebook)
        ways.append(f"[the same on Colab]({whole})")
    return " · ".join(ways)


def title_of(path: Path) -> str:
    """The question that a notebook is about."""
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    return "".join(first["source"]).splitlines()[0].removeprefix("# ")


def install_cell(address: Address, root: Path) -> str:
    """What Colab runs before a lesson: install the package, and stop if another one answers to its name."""
    text = (root / "convlab" / "__init__.py").read_text(encoding="utf-8")
    course, version = (
        re.search(rf'^{name} = "(.*)"', text, re.MULTILINE)[1] for name in ("__course__", "__version__")
    )
    if address == PLACEHOLDER:
        modules, install = "sys", ""
        sentence = f"This lesson needs its own convlab {version}, and this copy does not know where to get it"
        advice = "run `make links` once the course is on GitHub, and open the lesson from there."
    else:
        modules, install = "subprocess, sys", INSTALL.format(page=address.page, branch=address.branch)
        sentence = f"This lesson needs its own convlab {version}, and found another"
        advice = "choose Runtime > Disconnect and delete runtime, then open the lesson anew from GitHub."
    return INSTALL_CELL.format(
        modules=modules, install=install, course=course, version=version, sentence=sentence, advice=advice
    )


def put(text: str, links: str, name: str) -> str:
    """The text, which is called so, with these links between START and END."""
    if (text.count(START), text.count(END)) != (1, 1) or text.index(START) > text.index(END):
        raise ValueError(f"{name} must have the lines {START} and {END} once each, in this order")
    before, after = text.split(START)[0], text.split(END)[1]
    return f"{before}{START}\n\n{links}\n\n{END}{after}"


def put_in_lesson(cells: list[dict], lesson: str, address: Address, root: Path) -> None:
    """Write the links into a lesson's first, its install and its last cell; a new one gets places for them.

    `lesson` is the notebook's path below notebooks/, without its suffix.
    """
    if cells and cells[0]["cell_type"] == "markdown":
        first = cells[0]
        if START not in first["source"]:
            first["source"] += f"\n\n{START}\n{END}"
        first["source"] = put(first["source"], lesson_links(address, lesson), lesson)
    found = [cell for cell in cells if "install" in cell["metadata"].get("tags", [])]
    if not found:
        about = {"metadata": {"tags": ["install"]}, "execution_count": None, "outputs": []}
        found = [{"cell_type": "code", "id": "install", **about}]
        cells.insert(1, found[0])
    found[0]["source"] = install_cell(address, root)
    if not cells[-1]["source"].startswith(START):
        cells.append({"cell_type": "markdown", "id": "next", "metadata": {}, "source": f"{START}\n{END}"})
    cells[-1]["source"] = put(cells[-1]["source"], next_links(address, lesson, root), lesson)


def lessons(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def notebooks(root: Path) -> list[Path]:
    """Every notebook of the course: the lessons, then the solutions."""
    return [*lessons(root), *sorted((root / "notebooks" / "solutions").glob("*.ipynb"))]


def name_of(path: Path, root: Path) -> str:
    """The notebook's path below notebooks/, or its own name elsewhere, without its suffix."""
    below = root / "notebooks"
    return path.relative_to(below if below in path.parents else path.parent).with_suffix("").as_posix()


def lesson_file(path: Path, address: Address, root: Path) -> str:
    """The text of a notebook's file with the links written, and nothing else changed."""
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    before = json.dumps(notebook)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    put_in_lesson(notebook["cells"], name_of(path, root), address, root)
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    if json.dumps(notebook) == before:
        return text
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def current_address(root: Path) -> Address:
    """The address that CITATION.cff has."""
    text = (root / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(
        r"^repository-code: https://github\.com/([^/\s]+/[^/\s]+)/tree/(\S+)$", text, re.MULTILINE
    )
    if not found:
        raise ValueError(
            "CITATION.cff has no line 'repository-code: https://github.com/OWNER/NAME/tree/BRANCH'"
        )
    return Address(*found.groups())


def rewrite(root: Path, address: Address) -> list[Path]:
    """Write the address into every link; gives the files that this changed."""
    names = [path.stem for path in lessons(root)]
    readme, overview, citation = root / "README.md", root / "notebooks" / "README.md", root / "CITATION.cff"
    current_address(root)  # says so if the citation has lost its line
    line = f"repository-code: {address.page}/tree/{address.branch}"
    new = {path: lesson_file(path, address, root) for path in notebooks(root)}
    new[readme] = put(readme.read_text(encoding="utf-8"), readme_links(address, names), "README.md")
    new[overview] = put(
        overview.read_text(encoding="utf-8"), map_links(address, names), "notebooks/README.md"
    )
    new[citation] = re.sub(
        "^repository-code: .*$", line, citation.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    changed = [path for path, text in new.items() if text != path.read_text(encoding="utf-8")]
    for path in changed:
        path.write_text(new[path], encoding="utf-8")
    return changed


def git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails. A repository around this one does not count."""
    around = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=around, capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def origin(root: Path) -> str:
    """OWNER/NAME of the repository on GitHub to which the remote `origin` leads."""
    try:
        url = git(root, "remote", "get-url", "origin")
    except FileNotFoundError:
        raise ValueError(
            "there is no git here to ask for the address: run make links REPO=owner/name"
        ) from None
    if url is None:
        raise ValueError("git knows no remote 'origin' of this folder: run make links REPO=owner/name")
    found = re.fullmatch(rf"{GITHUB}({OWNER}/{NAME})(?:\.git)?/?", url)
    if not found:
        shown = re.sub("//[^/@]*@", "//", url)  # without a password
        raise ValueError(f"origin={shown!r} is no repository on GitHub: run make links REPO=owner/name")
    return found[1]


def default_branch(root: Path) -> str:
    """The branch that `origin` calls its default; `main` where git cannot say."""
    try:
        head = git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    except FileNotFoundError:
        head = None
    return head.split("/", 1)[1] if head else "main"


def find_address(root: Path, slug: str = "", branch: str = "") -> Address:
    """The address given, completed by what git says."""
    slug = slug or origin(root)
    if slug == PLACEHOLDER.slug:
        return PLACEHOLDER
    if not re.fullmatch(f"{OWNER}/{NAME}", slug) or slug.endswith(".git"):
        raise ValueError(f"REPO={slug!r} must look like owner/name, as GitHub spells it")
    branch = branch or default_branch(root)
    if not re.fullmatch(BRANCH, branch):
        raise ValueError(
            f"BRANCH={branch!r} must be a branch's name of letters, digits, '.', '_', '-' and '/'"
        )
    return Address(slug, branch)


def main(arguments: list[str]) -> int:
    if len(arguments) > 2:
        print("usage: make links REPO=owner/name BRANCH=main", file=sys.stderr)
        return 2
    try:
        address = find_address(ROOT, *arguments)
        changed = rewrite(ROOT, address)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(path.relative_to(ROOT))
    waiting = "No link leads anywhere yet: run make links REPO=owner/name."
    print(
        waiting if address == PLACEHOLDER else f"The links lead to {address.slug}, branch {address.branch}."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
