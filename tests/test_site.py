"""The pages and slides that work without Python: built once, opened as files, and looked at in Chromium."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import CHROMIUM, axe_violations, chromium, read_by
from playwright.sync_api import Browser, Page, expect

from tools import drawn, links, pages, slides

ROOT = Path(__file__).resolve().parent.parent
LESSONS = links.lessons(ROOT)
LAPTOP = {"width": 1366, "height": 768}
SCREENS = [{"width": 1920, "height": 1080}, {"width": 1280, "height": 720}]
SITE_LIMIT, VIEW_LIMIT = 80e6, 2e6  # bytes


def make(target: str, builder: Callable[[], None]) -> None:
    """As a user does, where this is the Python that make has set up; else what make would run."""
    if Path(sys.prefix) != ROOT / ".venv":
        builder()
        return
    around = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", target], cwd=ROOT, env=around, check=True)


@pytest.fixture(scope="module")
def site() -> Path:
    make("site", pages.build)
    return drawn.SITE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., Page]]:
    """Opens a file; in the end none may have complained, or asked for anything but files that are there."""
    complaints: list[str] = []
    contexts = []

    def opened(file: Path, address: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": LAPTOP} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
        page.on("request", lambda request: complaints.extend(_beyond(request.url)))
        page.goto(file.as_uri() + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _beyond(url: str) -> list[str]:
    """A complaint about what is asked for beyond the folder of the pages."""
    return [] if url.startswith(("data:", "blob:", f"{drawn.SITE.as_uri()}/")) else [f"asks for {url}"]


class Links(HTMLParser):
    """What a page leads to, and the places in it that can be led to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.targets += [found[name] or "" for name in ("href", "src") if name in found]
        self.places |= {found[name] or "" for name in ("id", "name") if name in found}
        if tag == "img":
            self.images.append(found)


def parts_of(notebook: Path) -> list[dict[str, Any]]:
    """What each explorer on the pages of a lesson carries, by the name that it has there."""
    html = "".join(text for part in drawn.read(notebook)[0].values() for text in part.html)
    found = re.findall(
        r'<div data-convlab id="([^"]+)">.*?<script type="application/json">(.*?)</script>', html, re.DOTALL
    )
    return [{"name": name} | state for name, text in found if "frames" in (state := json.loads(text))]


def pages_in(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


@cache
def links_in(file: Path) -> Links:
    return Links(file.read_text(encoding="utf-8"))


# What is in the folder


def test_make_site_says_where_the_pages_are(site):
    assert (site / "index.html").is_file()
    assert [
        site / f"{path.stem}.html" for path in LESSONS if not (site / f"{path.stem}.html").is_file()
    ] == []


def test_make_slides_makes_a_deck_of_each_lesson_beside_the_pages(site):
    decks = [site / f"{path.stem}.slides.html" for path in LESSONS]
    before = [deck.read_text(encoding="utf-8") for deck in decks]
    for deck in decks:
        deck.unlink()
    make("slides", slides.build)
    assert [deck.read_text(encoding="utf-8") for deck in decks] == before


def test_the_folder_fits_a_stick_and_no_link_in_it_is_dead(site):
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < SITE_LIMIT
    dead = []
    for page in pages_in(site):
        for target in links_in(page).targets:
            scheme, host, path, _, fragment = urlsplit(target)
            if scheme or host or target.startswith("#?"):
                continue
            file = (page.parent / unquote(path)).resolve() if path else page
            there = file.is_file() and (
                not fragment or file.suffix != ".html" or unquote(fragment) in links_in(file).places
            )
            dead += [] if there else [f"{page.name}: {target}"]
    assert dead == []


def test_every_picture_says_what_it_shows(site):
    said = [(page.name, image) for page in pages_in(site) for image in links_in(page).images]
    assert len(said) > 100
    assert [(name, image["src"][:80]) for name, image in said if not image.get("alt")] == []


def test_texts_of_the_project_lead_to_files_that_are_there():
    dead = []
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").rglob("*.md")]
    for file in texts:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read_text(encoding="utf-8")):
            if not urlsplit(target).scheme and not (file.parent / unquote(target)).exists():
                dead.append(f"{file.name}: {target}")
    assert dead == []


def test_what_did_not_change_is_not_drawn_again(site, capsys):
    drawn.draw_all(LESSONS)
    assert "0 pictures drawn for 6 lessons" in capsys.readouterr().out


def test_a_change_of_code_asks_for_what_stands_below_it_alone(site, monkeypatch):
    path = LESSONS[2]
    kept, files = drawn.read(path)
    sources = drawn.code_cells(path)
    changed = sorted(sources)[len(sources) // 2]
    monkeypatch.setattr(drawn, "code_cells", lambda _: sources | {changed: sources[changed] + "\n1"})
    wanted = drawn.keys(path, files)
    assert {number for number, key in wanted.items() if kept[number].key != key} == {
        n for n in sources if n >= changed
    }
    assert "convlab/lessons/dilated.py" in files
    assert "convlab/lessons/dilated.toml" in files
    assert "convlab/lessons/separable.py" not in files


def test_every_explorer_carries_all_its_pictures_or_sixty_with_each_controls_range(site):
    found = [part for path in LESSONS for part in parts_of(path)]
    assert len(found) >= 18
    for part in found:
        assert len(part["frames"]) == part["all"] or len(part["frames"]) >= 60, part["name"]


# What a reader sees


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_each_page_fits_a_phone_and_keeps_nobody_out_light_and_dark(site, visit):
    """Lessons take axe-core a quarter of a minute each, so these are light and dark in turn."""
    lessons = [path.stem for path in LESSONS]
    for file in pages_in(site):
        if file.name.endswith(".slides.html") or file.parent != site:
            continue
        turn = lessons.index(file.stem) % 2 if file.stem in lessons else None
        for number, scheme in enumerate(("light", "dark")):
            page = visit(file, color_scheme=scheme, **PHONE)
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, file.name
            if turn in (None, number):
                assert axe_violations(page) == [], (file.name, scheme)
            page.context.close()


def test_what_a_first_view_reads_is_small(site, browser):
    for screen in (LAPTOP, PHONE["viewport"]):
        for file in pages_in(site):
            page = browser.new_page(viewport=screen)
            read = read_by(page)
            page.goto(file.as_uri(), wait_until="networkidle")
            assert sum(read.values()) < VIEW_LIMIT, (file.name, screen)
            page.close()


def go_to(page: Page, part: dict[str, Any], at: list[int]) -> None:
    """Moves an explorer by the page's address."""
    chosen = {
        control["name"]: control["options"][place]
        for control, place in zip(part["controls"], at, strict=True)
    }
    page.evaluate(
        "([name, chosen]) => { location.hash = `${name}?${new URLSearchParams(chosen)}` }",
        [part["name"], chosen],
    )


SHOWN = """async (name) => {
    const image = document.querySelector(`[id="${name}"] figure img`);
    for (let tries = 0; ; tries += 1) {
        try { await image.decode(); break; } catch (error) { if (tries > 20) throw error; }
    }
    const caption = document.querySelector(`[id="${name}"] figcaption`).textContent;
    return [image.dataset.at, image.alt, caption, image.getAttribute("src"), image.naturalWidth > 500];
}"""


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_every_state_that_a_page_carries_is_reached_and_says_what_it_shows(path, site, visit):
    page = visit(site / f"{path.stem}.html")
    for number, part in enumerate(parts_of(path)):
        states = list(part["frames"].items())
        for key, frame in states if number == 0 else Random(0).sample(states, min(20, len(states))):
            go_to(page, part, json.loads(key))
            page.wait_for_function(
                f"() => document.querySelector('[id=\"{part['name']}\"] img').dataset.at === '{key}'"
            )
            assert page.evaluate(SHOWN, part["name"]) == [key, frame["alt"], frame["alt"], frame["src"], True]


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_every_control_of_a_page_is_moved_by_hand_through_all_that_it_offers(path, site, visit):
    page = visit(site / f"{path.stem}.html")
    for part in parts_of(path):
        explorer = page.locator(f"[id='{part['name']}']")
        for n, control in enumerate(part["controls"]):
            box = explorer.locator(".convlab-control").nth(n)
            for place in range(len(control["options"])):
                if control["kind"] == "range":
                    box.get_by_role("slider").press("Home" if place == 0 else "ArrowRight")
                elif control["kind"] == "radio":
                    box.get_by_role("radio").nth(place).check()
                else:
                    box.get_by_role("combobox").select_option(index=place)
                at = json.loads(explorer.locator("figure img").first.get_attribute("data-at"))
                assert at[n] == place, (part["name"], control["name"])
                frame = part["frames"][json.dumps(at, separators=(",", ":"))]
                assert explorer.locator("figcaption").text_content() == frame["alt"]


def test_a_finger_drags_in_a_picture_and_questions_answer_on_a_phone(site, visit):
    path = LESSONS[0]
    page = visit(site / f"{path.stem}.html", **PHONE)
    explorer = page.locator(".convlab").first
    explorer.scroll_into_view_if_needed()
    image, spot = explorer.locator("figure img").first, explorer.locator(".convlab-spot").first
    before, box = image.get_attribute("alt"), spot.bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    expect(image).not_to_have_attribute("alt", before)
    question = page.locator(".convlab-question").first
    question.get_by_role("radio").first.check()
    expect(question.locator(".convlab-reply")).not_to_be_empty()


def test_answers_are_kept_from_visit_to_visit_and_forgotten_at_the_end_of_the_lesson(site, visit):
    file = site / f"{LESSONS[0].stem}.html"
    page = visit(file)
    page.locator(".convlab-question").first.get_by_role("radio").first.check()
    page.goto(file.as_uri())
    expect(page.locator(".convlab-reply").first).not_to_be_empty()
    page.get_by_role("button", name="Forget my answers").click()
    expect(page.locator(".convlab-reply").first).to_be_empty()


# Slides

SLIDE = """() => {
    const slide = Reveal.getCurrentSlide(), frame = slide.closest(".slides").getBoundingClientRect();
    const isCut = (each) => each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).overflowX === "hidden";
    const isOver = (box) => box.bottom > frame.bottom + 1 || box.right > frame.right + 1
        || box.left < frame.left - 1;
    const over = [...slide.querySelectorAll("*")]
        .filter((each) => !each.closest("aside, svg, math") && each.checkVisibility())
        .filter((each) => each.offsetWidth && (isCut(each) || isOver(each.getBoundingClientRect())));
    const things = [".cell", ".picture", ".formula", "[data-convlab]"].map((kind) => `:scope > ${kind}`);
    const read = [...slide.querySelectorAll(":scope > h2, :scope > p")].map((each) => each.textContent);
    return {
        over: over.map((each) => each.outerHTML.slice(0, 120)),
        headings: slide.querySelectorAll("h1, h2, h3").length,
        words: read.join(" ").split(/\\s+/).filter(Boolean).length,
        things: slide.querySelectorAll(things.join(", ")).length,
        notes: slide.querySelector("aside.notes").textContent,
    };
}"""


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_slides_have_one_heading_few_words_one_thing_and_nothing_over_the_edge(path, site, visit):
    seen = []
    for screen in SCREENS:
        page = visit(site / f"{path.stem}.slides.html", viewport=screen)
        page.wait_for_function("Reveal.isReady()")
        count = page.evaluate("Reveal.getTotalSlides()")
        assert count > 20
        for number in range(count):
            page.evaluate(
                "document.querySelectorAll('.slides .present img').forEach((image) => image.decode())"
            )
            slide = page.evaluate(SLIDE)
            where = (path.stem, screen["width"], number + 1)
            assert slide["over"] == [], where
            assert slide["headings"] == 1, where
            assert slide["words"] <= slides.MOST_WORDS, where
            assert slide["things"] <= 1, where
            seen.append(slide)
            page.evaluate("Reveal.next()")
    assert sum(bool(slide["notes"].strip()) for slide in seen) > len(seen) / 4


def test_an_explorer_on_a_slide_moves_by_keys_and_the_slide_stays(site, visit):
    path = LESSONS[2]
    part = parts_of(path)[0]
    page = visit(site / f"{path.stem}.slides.html", f"#{part['name']}?dilation=3")
    page.wait_for_function("Reveal.isReady()")
    explorer = page.locator(".slides section.present section.present .convlab")
    expect(explorer.locator("figcaption")).to_contain_text("dilation 3")
    before = page.evaluate("Reveal.getIndices()")
    explorer.get_by_role("slider", name="dilation").press("ArrowRight")
    expect(explorer.locator("figcaption")).to_contain_text("dilation 4")
    assert page.evaluate("Reveal.getIndices()") == before


def test_the_words_of_a_lesson_are_in_its_slides_or_in_their_notes(site):
    for path in LESSONS:
        deck = (site / f"{path.stem}.slides.html").read_text(encoding="utf-8")
        plain = re.sub(r"<[^>]+>", "", deck)
        for cell in drawn.nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown" and links.START not in cell.source:
                for word in re.findall(r"\*\*([\w -]+)\*\*", cell.source):
                    assert word in plain, (path.stem, word)


# Links


def test_buttons_lead_to_binder_and_colab_once_an_address_is_known():
    assert pages.theme_links(links.PLACEHOLDER) == {}
    told = pages.theme_links(links.Address("ada/course", "trunk"))
    assert told["repository_url"] == "https://github.com/ada/course"
    assert (told["repository_branch"], told["path_to_docs"]) == ("trunk", "notebooks")
    assert {"binderhub_url", "colab_url"} < told["launch_buttons"].keys()
