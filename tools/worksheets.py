"""Write a sheet of questions and its key for each lesson, to be printed: python tools/worksheets.py [SEED]

They stand in build/worksheets/SEED/ as pages, which need nothing beside them, and as PDF where Chromium is.
Another seed gives other numbers; the same seed gives the same sheets.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html import escape
from itertools import count, islice, repeat
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from convlab.explore.drills import LEVELS, Drawn, drawn, level_names  # noqa: E402
from convlab.explore.questions import LESSONS  # noqa: E402
from tools import links  # noqa: E402

EACH = 4  # questions of each level
AT_ONCE = 2  # browsers that print
BROWSERS = ("chromium", "google-chrome", "chromium-browser")
PRINT = "--headless --no-sandbox --disable-gpu --no-pdf-header-footer".split()
NO_BROWSER = "No Chromium is here to make PDFs: open the pages in a browser and print them."

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} · {kind} · seed {seed}</title>
<style>
@page {{ size: A4; margin: 17mm 18mm 16mm;
  @top-left {{ content: "convlab · lesson {lesson}" }} @top-right {{ content: "{kind} · seed {seed}" }}
  @bottom-right {{ content: counter(page) " / " counter(pages) }} }}
@page {{ @top-left {{ {margin} }} @top-right {{ {margin} }} @bottom-right {{ {margin} }} }}
body {{ max-width: 174mm; margin: 6mm auto; color: #111; font: 11pt/1.4 "DejaVu Sans", sans-serif }}
@media print {{ body {{ margin: 0; max-width: none }} .screen {{ display: none }} }}
.screen {{ color: #595959; font-size: 9pt; text-align: right }}
h1 {{ font-size: 16pt; line-height: 1.25; margin: 0 0 4mm }}
h2 {{ font-size: 10pt; color: #00547f; margin: 5mm 0 2mm; border-bottom: 1.5pt solid #0072b2 }}
h2 {{ break-after: avoid }}
.who {{ display: flex; gap: 8mm; margin: 0 0 2mm }}
.who span, .answer span {{ flex: 1; border-bottom: .6pt solid #767676 }}
.who span:last-child {{ flex: .4 }}
ol {{ margin: 0; padding: 0; list-style: none }}
li {{ break-inside: avoid; position: relative; padding: 1.2mm 0 2mm 9mm }}
li > b {{ position: absolute; left: 0; color: #00547f }}
p {{ margin: 0 }}
.choices {{ display: flex; flex-wrap: wrap; gap: .5mm 9mm; margin-top: 1mm }}
.choices span::before {{ content: ""; display: inline-block; width: 2.8mm; height: 2.8mm; margin-right: 2mm;
  border: .8pt solid #111; border-radius: 50%; vertical-align: -.2mm }}
.answer {{ display: flex; gap: 3mm; margin-top: 4mm; padding-right: 55% }}
.sheet2 li {{ min-height: 26mm }}
.sheet3 li {{ min-height: 52mm }}
.sheet3 {{ break-before: page }}
.key {{ font-size: 10pt }}
.key strong {{ color: #006b4e; font-size: 11pt }}
.key .asked {{ color: #444 }}
</style>
<p class="screen">{kind} · seed {seed}</p>
<h1>{lesson} · {title}</h1>
{body}
"""
MARGIN = 'font: 8pt "DejaVu Sans", sans-serif; color: #595959'
WHO = '<p class="who">Name <span></span> Date <span></span></p>\n'


def questions(lesson: str, seed: int) -> list[list[Drawn]]:
    """Those of a sheet, by level; the topics of the lesson go on from one level to the next."""
    return [
        list(islice(drawn(lesson, level, seed, (level - 1) * EACH), EACH)) for level in range(1, LEVELS + 1)
    ]


def page(lesson: str, title: str, seed: int, levels: list[list[Drawn]], is_key: bool) -> str:
    """A sheet, or its key, as a page."""
    numbers = count(1)
    kind, write = ("Key", keyed) if is_key else ("Sheet", asked)
    parts = [] if is_key else [WHO]
    for level, (name, ones) in enumerate(zip(level_names(), levels, strict=True), start=1):
        items = "".join(f"<li><b>{next(numbers)}</b>{write(one)}</li>\n" for one in ones)
        heading = f"<h2>{escape(name[0].upper() + name[1:])}</h2>"
        parts.append(f'<section class="{kind.lower()}{level}">{heading}\n<ol>\n{items}</ol></section>\n')
    about = {"title": escape(title), "kind": kind, "seed": seed, "lesson": lesson}
    return PAGE.format(body="".join(parts), margin=MARGIN, **about)


def asked(one: Drawn) -> str:
    """A question with room for its answer."""
    if not one.choices:
        return f'<p>{escape(one.words["text"])}</p><p class="answer">Answer <span></span></p>'
    shown = "".join(f"<span>{escape(choice)}</span>" for choice in one.pose()["choices"])
    return f'<p>{escape(one.words["text"])}</p><p class="choices">{shown}</p>'


def keyed(one: Drawn) -> str:
    """A question with its answer and the steps to it."""
    answer = one.answer if isinstance(one.answer, str) else f"{one.answer:,}"
    steps = one.words["because"]
    return (
        f'<div class="key"><p class="asked">{escape(one.words["text"])}</p>'
        f"<p><strong>{escape(answer)}</strong> – {escape(steps)}</p></div>"
    )


def write_sheets(folder: Path, seed: int) -> list[Path]:
    """Write a sheet and a key for each lesson into the folder; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    titles = {path.stem[:2]: links.title_of(path) for path in links.lessons(ROOT)}
    pages = []
    for lesson in LESSONS:
        levels = questions(lesson, seed)
        for kind in ("sheet", "key"):
            path = folder / f"{lesson}_{kind}.html"
            path.write_text(page(lesson, titles[lesson], seed, levels, kind == "key"), encoding="utf-8")
            pages.append(path)
    return pages


def print_page(path: Path, browser: str) -> None:
    """A PDF beside the page.

    Raises
    ------
    RuntimeError
        With what the browser says, if it makes none.
    """
    pdf = path.with_suffix(".pdf")
    pdf.unlink(missing_ok=True)
    command = [browser, *PRINT, f"--print-to-pdf={pdf}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode or not pdf.exists():
        raise RuntimeError(f"{browser} made no {pdf.name}: {done.stderr.strip()[-300:]}")


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        print("usage: make worksheets SEED=1", file=sys.stderr)
        return 2
    given = arguments[0] if arguments else "1"
    if not (given.isascii() and given.isdigit()):
        print(f"SEED={given!r} must be a whole number of at least 0", file=sys.stderr)
        return 2
    pages = write_sheets(ROOT / "build" / "worksheets" / str(int(given)), int(given))
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    print(f"{len(pages)} pages are in {pages[0].parent.relative_to(ROOT)}.")
    if browser is None:
        print(NO_BROWSER)
        return 0
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(print_page, pages, repeat(browser)))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1
    print("A PDF is beside each.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
