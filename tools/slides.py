"""Build a deck of slides of each lesson, beside the pages: python tools/slides.py [FOLDER]

A slide has one heading, at most 40 words, and one picture, cell or formula; the rest of the prose becomes
speaker notes. reveal.js shows them; npm brings it when they are built, so that they need no network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import drawn, links  # noqa: E402
from tools.notebooks import TITLES  # noqa: E402

NPM = shutil.which("npm")
REVEAL = "reveal.js@6.0.2"
FROM_NPM = ("reveal.css", "reset.css", "reveal.js", "theme/white.css", "plugin/notes.js")
MOST_WORDS = 40
SIZE = (1280, 720)
ROOM = 590  # pixels of its height that a heading leaves to the rest
FORMULA = re.compile(r"\$\$(.+?)\$\$", flags=re.DOTALL)


def mathml(text: str, options: dict[str, bool]) -> str:
    return convert(text, display="block" if options["display_mode"] else "inline")


MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=mathml)


@dataclass
class Slide:
    """What is projected, as HTML, and what the lecturer reads, as Markdown."""

    heading: str
    text: str = ""
    body: str = ""
    notes: list[str] = field(default_factory=list)
    starts: bool = False  # a section of the lesson

    def html(self) -> str:
        notes = _rendered("\n\n".join(self.notes))
        text = f"<p>{self.text}</p>" if self.text else ""
        return (
            f'<section><h2>{self.heading}</h2>{text}{self.body}<aside class="notes">{notes}</aside></section>'
        )


def slides_of(cells: list[NotebookNode], parts: dict[int, drawn.Part]) -> list[Slide]:
    """The slides of a lesson, in the order of its cells."""
    slides: list[Slide] = []
    waiting: list[str] = []  # prose for the notes of the next slide
    for number, cell in enumerate(cells):
        tags = {*cell.metadata.get("tags", [])}
        if cell.cell_type == "markdown":
            prose = re.sub(rf"{links.START}.*?{links.END}", "", cell.source, flags=re.DOTALL)
            for heading, text in _sections(prose):
                if heading:
                    _hand_over(slides, waiting)
                    slides.append(_opening(heading, text))
                elif slides and FORMULA.search(text):
                    slides.extend(_formulas(slides[-1].heading, text))
                else:
                    waiting.append(text)
        elif not tags & {*TITLES}:
            heading = slides[-1].heading
            found = [Slide(heading, body=body) for body in _bodies(cell, tags, parts.get(number))]
            if found:
                found[0].notes = [*waiting]
                waiting.clear()
            slides.extend(found)
    _hand_over(slides, waiting)
    return slides


def _hand_over(slides: list[Slide], waiting: list[str]) -> None:
    if slides:
        slides[-1].notes.extend(waiting)
        waiting.clear()


def _sections(prose: str) -> list[tuple[str, str]]:
    """Headings and what stands under each; the first may be empty."""
    found = re.split(r"^(#+ .*)$", prose, flags=re.MULTILINE)
    pairs = [("", found[0]), *zip(found[1::2], found[2::2], strict=True)]
    return [(heading.lstrip("# "), text.strip()) for heading, text in pairs if heading or text.strip()]


def _opening(heading: str, text: str) -> Slide:
    """The slide that a heading makes: with as many of its first sentences as there is room for."""
    title = MARKDOWN.renderInline(heading)
    slide = Slide(title, notes=[text] if text else [], starts=True)
    paragraph = text.split("\n\n", 1)[0].replace("\n", " ")
    if re.match(r"[|<*`-] ?|\d+\. |\$\$", paragraph) and not re.match(r"\*\*|\*\w", paragraph):
        return slide
    room, said = MOST_WORDS - words(title), ""
    for sentence in re.findall(r"\S.*?[.!?](?=\s|$)", paragraph):
        if words(f"{said} {sentence}") > room:
            break
        said = f"{said} {sentence}".strip()
    slide.text = _linked(MARKDOWN.renderInline(said))
    return slide


def _formulas(heading: str, text: str) -> list[Slide]:
    """A slide for each formula, with the text round it as notes."""
    found = [
        Slide(heading, body=f'<div class="formula">{convert(formula.strip(), display="block")}</div>')
        for formula in FORMULA.findall(text)
    ]
    found[0].notes = [text]
    return found


def _bodies(cell: NotebookNode, tags: set[str], part: drawn.Part | None) -> list[str]:
    """What a code cell puts on slides: each live thing, or its picture, or itself with what it prints."""
    if part and part.html:
        return part.html
    shown = [output["data"] for output in cell.outputs if "data" in output]
    pictures = [data["text/html"] for data in shown if "<img" in data.get("text/html", "")]
    if "task" in tags:
        return [_code(cell.source, "")]
    if pictures:
        return [_code(cell.source, "")] * ("teaches" in tags) + [_placed(html) for html in pictures]
    printed = [output.text for output in cell.outputs if output.output_type == "stream"]
    printed += [data["text/plain"] for data in shown if "text/plain" in data]
    return [_code(cell.source, "\n".join(printed).rstrip())]


def _placed(html: str) -> str:
    return f'<div class="picture">{html}</div>'


def _code(source: str, printed: str) -> str:
    """A cell, in letters as large as all of it leaves room for."""
    lines = f"{source}\n{printed}".splitlines()
    size = min(30, (ROOM - 50) / (1.4 * len(lines)), (SIZE[0] - 100) / (0.61 * max(map(len, lines))))
    code = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    output = f"<pre>{escape(printed)}</pre>" if printed else ""
    return (
        f'<div class="cell" style="font-size: {size:.1f}px"><pre class="highlight">{code}</pre>{output}</div>'
    )


def words(html: str) -> int:
    plain = re.sub(r"<math.*?</math>", "1", html, flags=re.DOTALL)
    return len(re.sub(r"<[^>]+>", " ", plain).split())


def _rendered(markdown: str) -> str:
    return _linked(MARKDOWN.render(markdown))


def _linked(html: str) -> str:
    """Notebooks and texts of the course are pages here."""
    return re.sub(r'href="((?!https?:)[^"#]+)\.(?:ipynb|md)(#[^"]*)?"', r'href="\1.html\2"', html)


def deck(slides: list[Slide], title: str, frontend: str) -> str:
    """The page that shows the slides, one stack a section."""
    sections: list[str] = []
    for slide in slides:
        if slide.starts or not sections:
            sections.append("")
        sections[-1] += slide.html()
    stacks = "\n".join(f"<section>{section}</section>" for section in sections)
    values = {"TITLE": escape(title), "STACKS": stacks, "ROOM": str(ROOM), "FRONTEND": frontend}
    values |= {
        "WIDTH": str(SIZE[0]),
        "HEIGHT": str(SIZE[1]),
        "CODE": HtmlFormatter().get_style_defs(".highlight"),
    }
    page = (drawn.WEB / "slides.html").read_text(encoding="utf-8")
    for name, value in values.items():
        page = page.replace(f"<!-- {name} -->", value).replace(f"/* {name} */", value)
    return page


def fetch_reveal(folder: Path) -> None:
    """Bring reveal.js from npm, once, and put what slides need of it into folder/reveal."""
    if NPM is None:
        raise SystemExit("Slides need npm, which comes with Node.js: it brings reveal.js.")
    store = ROOT / "build" / "npm"
    brought = store / "node_modules" / "reveal.js"
    if not brought.exists():
        quietly = ["--silent", "--no-audit", "--no-fund", "--prefix", store]
        subprocess.run([NPM, "install", *quietly, REVEAL], check=True)
    for name in FROM_NPM:
        target = folder / "reveal" / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(brought / "dist" / name, target)
    shutil.copy(brought / "LICENSE", folder / "reveal")


def write(folder: Path) -> list[Path]:
    """Write the decks of all lessons, drawn before, into a folder with their frames; gives their files."""
    from convlab.explore.view import FRONTEND

    fetch_reveal(folder)
    pictures = folder / "frames" / "stored"
    pictures.mkdir(parents=True, exist_ok=True)
    written = []
    for path in links.lessons(ROOT):
        notebook, (parts, _) = nbformat.read(path, as_version=4), drawn.read(path)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            drawn.put_pictures_beside(output, pictures)
        slides = slides_of(notebook.cells, parts)
        written.append(folder / f"{path.stem}.slides.html")
        title = re.sub("<[^>]+>", "", slides[0].heading)
        written[-1].write_text(deck(slides, title, FRONTEND), encoding="utf-8")
    return written


def build(folder: Path = drawn.SITE) -> None:
    drawn.draw_all(links.lessons(ROOT))
    drawn.put_frames(folder)
    decks = write(folder)
    print(
        f"{len(decks)} decks: open {decks[0]} in a browser; S opens the speaker's notes, F fills the screen."
    )


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:2]))
