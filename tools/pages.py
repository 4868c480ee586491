"""Build the course as a site that works without Python and without a network: python tools/pages.py [FOLDER]

MyST-NB makes pages of the stored notebooks; what is live in them comes drawn ahead, from drawn.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import drawn, links, slides  # noqa: E402

SOURCE = ROOT / "build" / "pages"
WRITTEN = '<p class="convlab-without">To write this and have it checked, open the notebook.</p>'
KEPT = (
    '<p class="convlab-kept">Your answers stay in this browser. '
    '<button type="button" data-convlab-reset>Forget my answers</button></p>'
)
UNKNOWN = re.compile(re.escape(links.NO_LINKS).replace(r"\{what\}", "[^.]+") + " ?")


def page_of(
    notebook: NotebookNode, parts: dict[int, drawn.Part], frontend: str, pictures: Path
) -> NotebookNode:
    """The notebook as a page: what is live comes from `parts`, pictures are files, the module stands last."""
    cells = []
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if "install" in tags:
            continue
        if number in parts and parts[number].html:
            cell.outputs = [html_output("".join(parts[number].html))]
        elif cell.cell_type == "code" and "task" in tags:
            cell.outputs = [html_output(WRITTEN)]
        for output in cell.get("outputs", []):
            drawn.put_pictures_beside(output, pictures)
        cells.append(cell)
    if any(part.html for part in parts.values()):
        cells.insert(len(cells) - 1, shown(KEPT + frontend))
    return NotebookNode(notebook | {"cells": cells})


def shown(html: str) -> NotebookNode:
    """A cell of which nothing but this is seen; without any code MyST-NB would leave it out."""
    return new_code_cell("...", outputs=[html_output(html)], metadata={"tags": ["remove-input"]})


def html_output(html: str) -> NotebookNode:
    return new_output("display_data", {"text/html": html})


def gather(source: Path, extra: Path) -> None:
    """Put together what Sphinx reads in `source`, and what it copies as it is in `extra`."""
    from convlab.explore.view import FRONTEND

    for folder in (source, extra):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "notebooks", source, ignore=shutil.ignore_patterns(".*"))
    for name in ("conf.py", "index.md", "credits.md"):
        shutil.copy(drawn.WEB / name, source)
    shutil.copytree(drawn.WEB / "static", source / "_static")
    pictures = extra / "frames" / "stored"
    pictures.mkdir(parents=True)
    for path in [*source.rglob("*.md"), *source.rglob("*.ipynb")]:  # who reads a page can't run `make links`
        path.write_text(UNKNOWN.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in links.lessons(ROOT):
        notebook, (parts, _) = nbformat.read(source / path.name, as_version=4), drawn.read(path)
        nbformat.write(page_of(notebook, parts, FRONTEND, pictures), source / path.name)
    nbformat.write(drills(FRONTEND), source / "drills.ipynb")
    drawn.put_frames(extra)


def drills(frontend: str) -> NotebookNode:
    """A page of a thousand questions."""
    from convlab.explore.drills import Drill

    words = (drawn.WEB / "drills.md").read_text(encoding="utf-8")
    return new_notebook(cells=[new_markdown_cell(words), shown(Drill().to_html(frontend=False) + frontend)])


def put_decks(index: Path, decks: list[Path]) -> None:
    """Write where the slides are, or nothing of them where there are none."""
    lines = index.read_text(encoding="utf-8").splitlines(keepends=True)
    named = " · ".join(f'<a href="{deck.name}">{deck.name[:2]}</a>' for deck in decks)
    kept = [line.replace("{decks}", named) for line in lines if decks or "{decks}" not in line]
    index.write_text("".join(kept), encoding="utf-8")


def theme_links(address: links.Address) -> dict[str, object]:
    """Where the buttons at the top of a page lead; none while no address is known."""
    if address == links.PLACEHOLDER:
        return {}
    return {
        "repository_url": address.page,
        "repository_branch": address.branch,
        "path_to_docs": "notebooks",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }


def drop_icons(site: Path) -> None:
    """Icons come from a font that pages load too: the script that draws them anew is half of a first view."""
    script = site / "_static" / "scripts" / "fontawesome.js"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(rf"<[^>]*{script.name}[^>]*>(</script>)?", "", text), encoding="utf-8")
    script.unlink()


def build(site: Path = drawn.SITE) -> None:
    drawn.draw_all(links.lessons(ROOT))
    extra = SOURCE.parent / "beside"
    gather(SOURCE, extra)
    decks = slides.write(extra) if slides.NPM else []
    if not decks:
        print("There will be no slides: npm, which comes with Node.js, brings what shows them.")
    put_decks(SOURCE / "index.md", decks)
    shutil.rmtree(site, ignore_errors=True)
    options = ["-b", "html", "-q", "-W", "--keep-going", "-D", f"html_extra_path={extra}"]
    around = {**os.environ, "CONVLAB_LINKS": json.dumps(theme_links(links.current_address(ROOT)))}
    subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-d", f"{SOURCE}-read", SOURCE, site],
        env=around,
        check=True,
    )
    drop_icons(site)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{site / 'index.html'}: open it in a browser; all of it has {size / 1e6:.0f} MB.")


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:2]))
