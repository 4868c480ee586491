"""What a reader meets beside a kernel: JupyterLab in a real browser."""

import os
import shutil
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

import pytest
from browser import (
    CHROMIUM,
    chromium,
    jupyter_lab,
    opened,
    run_all,
    run_through,
    shut_down_kernel,
    write_notebook,
)
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from convlab import Drill
from convlab.explore.drills import BATCH

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSON = "02_dilated_convolution.ipynb"
PICTURES = ".jp-OutputArea-output img"
WINDOW = """\
from functools import partial
from convlab import Explorer, grid, photo, photos, show_depth, show_window

small = photo("coffee", (9, 14), channels=1)
explorer = Explorer(partial(show_window, small), row=range(7), column=range(12), kernel=grid(3, 3))
explorer
"""
BROKEN = """\
def draw(size=1):
    if size == 3:
        raise RuntimeError("three is broken")
    return show_depth(small, depth=size)

Explorer(draw, size=range(1, 6))
"""
GIVEN = "Explorer(lambda image=None: show_depth(image, depth=2), image=photos('cat', 'moon', size=48))"
BOX = """\
from ipywidgets import IntSlider, VBox
from traitlets import link

slider = IntSlider(value=2, max=6)
link((slider, "value"), (explorer, "row"))
VBox([slider, explorer])
"""
MANY = """\
from convlab import Explorer, photo, show_depth
from IPython.display import display

small = photo("moon", 64)
for _ in range(20):
    display(Explorer(lambda depth=1: show_depth(small, depth=depth), depth=range(1, 9)))
"""
# 300 moves in 5 s, back and forth between two corners; the tool that drives the browser is not as quick.
DRAG = """async (stage, [left, top, right, bottom]) => {
    const started = performance.now();
    for (let n = 0; n < 300; ) {
        await new Promise(requestAnimationFrame);
        for (; n < 300 && performance.now() - started > n * 1000 / 60; n += 1) {
            const [across, down] = [(n * 5 % 14) / 14, (n % 9) / 9];
            const clientX = left + across * (right - left), clientY = top + down * (bottom - top);
            stage.dispatchEvent(new PointerEvent('pointermove', {clientX, clientY, bubbles: true}));
        }
    }
}"""
LOOK = "[...document.querySelectorAll('.convlab-stage img')].map((image) => image.dataset.at ?? '')"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    notebooks = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks, ignore=shutil.ignore_patterns(".*"))
    write_notebook(notebooks / "window.ipynb", WINDOW, "explorer", BROKEN, GIVEN, BOX)
    write_notebook(notebooks / "many.ipynb", MANY, "1 + 1")
    write_notebook(
        notebooks / "drill.ipynb", "from convlab import Drill\n\ndrill = Drill(seed=3)\ndrill", "drill"
    )
    with jupyter_lab(notebooks, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


@pytest.fixture(scope="module")
def browser(address):
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def unrun(browser, address):
    with opened(browser, address, LESSON) as page:
        yield page


@pytest.fixture
def window(browser, address):
    """Views of one window on a small photo, the last in a box; what breaks at 3; one for a photo."""
    with opened(browser, address, "window.ipynb") as page:
        run_all(page)
        expect(page.locator(".convlab-stage img[data-at]").first).to_be_visible()
        yield page
        shut_down_kernel(page)


def explorers(page: Page) -> Locator:
    return page.locator(".convlab:has(figure)")


# A newer picture may take the place of one that is being decoded.
DECODED = """async (image) => {
    for (let tries = 0; ; tries += 1) {
        try { return await image.decode(); } catch (error) { if (tries === 20) throw error; }
    }
}"""


def caption(explorer: Locator) -> Locator:
    return explorer.locator(".convlab-caption")


def shows(explorer: Locator, *at: int) -> None:
    """Waits until the picture of this state is there and says the same as the words under it."""
    picture = explorer.locator(".convlab-stage img")
    expect(picture).to_have_attribute("data-at", f"[{','.join(map(str, at))}]")
    picture.evaluate(DECODED)
    assert picture.get_attribute("alt") == caption(explorer).inner_text()


def place_of(explorer: Locator, across: float, down: float) -> tuple[float, float]:
    """A place in the picture, given in fractions of it, on the screen."""
    explorer.locator(".convlab-stage").scroll_into_view_if_needed()
    box = explorer.locator(".convlab-stage img").bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def spot_of(explorer: Locator, number: int = 0) -> tuple[float, float, float, float]:
    """Left, top, width and height of a region that can be touched, in fractions of the picture."""
    style = (
        explorer.locator(".convlab-spot")
        .nth(number)
        .evaluate(
            "spot => ['left', 'top', 'width', 'height'].map((side) => parseFloat(spot.style[side]) / 100)"
        )
    )
    return tuple(style)


def photo_pixel(explorer: Locator, row: float, column: float) -> tuple[float, float]:
    """Where a pixel of the photo of 9×14 is on the screen."""
    left, top, width, height = spot_of(explorer)
    return place_of(explorer, left + (column + 0.5) / 14 * width, top + (row + 0.5) / 9 * height)


def assert_no_complaint(page: Page) -> None:
    text = page.locator(".jp-Notebook").inner_text()
    for complaint in ("Error displaying widget", "model not found", "Loading widget"):
        assert complaint not in text
    errors = page.locator('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]')
    assert errors.all_inner_texts() == []
    assert page.locator('.jp-Notebook [data-mime-type="application/vnd.jupyter.stderr"]').count() == 0


def test_the_server_answers_nobody_who_lacks_its_token(address):
    with pytest.raises(HTTPError, match="403"):
        build_opener(ProxyHandler({})).open(urljoin(address, "api/status"), timeout=5)


def test_unrun_notebook_shows_stored_pictures_with_their_sentences(unrun):
    assert_no_complaint(unrun)
    pictures = unrun.locator(PICTURES)
    expect(pictures.first).to_be_visible()
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        assert picture.bounding_box()["width"] > 100
        assert picture.get_attribute("alt").endswith(".")
    names = unrun.get_by_role("img", name="9 weights span 9×9 pixels", exact=False)
    assert names.count() >= 1, "a screen reader finds the sentence of the picture"


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_each_explorer_of_a_lesson_moves_and_fits_a_laptop(browser, address, name):
    with opened(browser, address, name) as page:
        page.set_viewport_size({"width": 1366, "height": 768})
        expect(page.locator(PICTURES).first).to_be_visible()
        assert page.locator(PICTURES).first.bounding_box()["y"] < 668, "it shows in the first screenful"
        run_all(page)
        assert_no_complaint(page)
        assert explorers(page).count() >= 2
        for explorer in explorers(page).all():
            explorer.scroll_into_view_if_needed()
            expect(explorer.locator(".convlab-stage img[data-at]")).to_be_visible()
            before = explorer.locator(".convlab-stage img").get_attribute("data-at")
            move_a_control(explorer)
            expect(explorer.locator(".convlab-stage img")).not_to_have_attribute("data-at", before)
            box = explorer.bounding_box()
            assert box["height"] <= 641, (name, box)
            assert box["width"] <= 1101
            expect(explorer.locator(".convlab-status")).to_be_hidden()
        assert_no_complaint(page)
        shut_down_kernel(page)


def move_a_control(explorer: Locator) -> None:
    """The first slider one step, or the first menu or row of buttons to what is not chosen yet."""
    if (sliders := explorer.locator("input[type=range]")).count():
        slider = sliders.first
        slider.press("ArrowRight" if slider.input_value() == "0" else "ArrowLeft")
    elif (buttons := explorer.locator("input[type=radio]:not(:checked)")).count():
        buttons.first.check()
    else:
        menu = explorer.locator("select").first
        menu.select_option(index=1 if menu.input_value() == "0" else 0)


def test_the_window_is_dragged_over_the_photo_and_two_views_agree(window):
    first, second = explorers(window).nth(0), explorers(window).nth(1)
    window.mouse.move(*photo_pixel(first, 2, 3))
    window.mouse.down()
    shows(first, 1, 2, 4)
    for step in range(1, 5):
        window.mouse.move(*photo_pixel(first, 2 + step, 3 + 2 * step))
    window.mouse.up()
    shows(first, 5, 10, 4)
    assert "row 5, column 10" in caption(first).inner_text()
    second.scroll_into_view_if_needed()
    shows(second, 5, 10, 4)
    assert_no_complaint(window)


def test_a_fast_drag_ends_in_the_picture_of_where_it_ended(window):
    explorer = explorers(window).first
    window.mouse.move(*photo_pixel(explorer, 1, 1))
    window.mouse.down()
    explorer.locator(".convlab-stage").evaluate(
        DRAG, [*photo_pixel(explorer, 0, 0), *photo_pixel(explorer, 8, 13)]
    )
    window.mouse.move(*photo_pixel(explorer, 4, 9))
    window.mouse.up()
    shows(explorer, 3, 8, 4)


def test_keys_alone_move_a_slider_and_read_the_products(window):
    explorer = explorers(window).first
    explorer.get_by_label("row", exact=True).first.focus()
    window.keyboard.press("Home")
    shows(explorer, 0, 3, 4)
    window.keyboard.press("ArrowRight")
    window.keyboard.press("ArrowUp")
    shows(explorer, 2, 3, 4)
    explorer.locator(".convlab-stage").focus()
    for key in ("ArrowDown", "PageDown", "PageDown", "PageDown", "PageDown", "ArrowDown"):
        window.keyboard.press(key)
    assert "× −2 =" in explorer.locator(".convlab-reading").inner_text()


def test_a_kernel_is_typed_and_dragged_and_the_picture_follows(window):
    explorer = explorers(window).first
    cells = explorer.locator(".convlab-numbers input")
    cells.nth(4).fill("3.5")
    window.keyboard.press("Tab")
    expect(caption(explorer)).to_contain_text("your own kernel")
    expect(explorer.locator("select")).to_have_value("own")
    box = cells.nth(0).bounding_box()
    window.mouse.move(box["x"] + 9, box["y"] + 9)
    window.mouse.down()
    window.mouse.move(box["x"] + 9, box["y"] + 9 - 24, steps=3)
    window.mouse.up()
    assert float(cells.nth(0).input_value()) == -1 + 3 / 4
    cells.nth(0).fill("7")
    window.keyboard.press("Tab")
    expect(explorer.locator(".convlab-status")).to_have_text("7 can't be a weight here: from −4 to 4.")
    explorer.locator("select").select_option("emboss")
    expect(caption(explorer)).to_contain_text("emboss")


def test_a_drawing_that_breaks_says_so_under_the_last_good_picture(window):
    explorer = explorers(window).nth(2)
    explorer.scroll_into_view_if_needed()
    shows(explorer, 0)
    explorer.locator("input[type=range]").press("ArrowRight")
    shows(explorer, 1)
    explorer.locator("input[type=range]").press("ArrowRight")
    expect(explorer.locator(".convlab-status")).to_have_text("RuntimeError: three is broken")
    shows(explorer, 1)
    explorer.locator("input[type=range]").press("ArrowRight")
    shows(explorer, 3)
    expect(explorer.locator(".convlab-status")).to_be_hidden()


def test_in_a_box_beside_a_slider_of_ipywidgets_that_is_linked_to_it_both_move(window):
    inside = explorers(window).nth(4)
    inside.scroll_into_view_if_needed()
    shows(inside, 2, 3, 4)
    window.locator(".noUi-handle").last.press("ArrowRight")
    shows(inside, 3, 3, 4)
    inside.get_by_label("row", exact=True).first.press("End")
    shows(inside, 6, 3, 4)
    expect(window.locator(".noUi-handle").last).to_have_attribute("aria-valuenow", "6.0")


def test_a_reader_gives_a_photo_and_a_file_that_is_none_is_refused(window, tmp_path):
    explorer = explorers(window).nth(3)
    explorer.scroll_into_view_if_needed()
    shows(explorer, 0)
    (tmp_path / "notes.png").write_text("not a picture")
    explorer.locator("input[type=file]").set_input_files(tmp_path / "notes.png")
    expect(explorer.locator(".convlab-status")).to_contain_text("can't be read as a photo")
    shows(explorer, 0)
    Image.new("RGB", (2000, 1500), "red").save(tmp_path / "red.png")
    explorer.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    shows(explorer, 2)
    assert explorer.locator("select").locator("option:checked").inner_text() == "red.png"


def test_without_its_kernel_an_explorer_shows_what_it_has_and_says_why_no_more(window):
    explorer = explorers(window).first
    shows(explorer, 2, 3, 4)
    explorer.get_by_label("column", exact=True).first.press("ArrowRight")
    shows(explorer, 2, 4, 4)
    window.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    explorer.get_by_label("column", exact=True).first.press("End")
    expect(explorer.locator(".convlab-status")).to_contain_text("The kernel does not answer")
    assert "column 4" in caption(explorer).inner_text()
    explorer.get_by_label("column", exact=True).first.press("Home")
    run_all(window)
    again = explorers(window).first
    again.scroll_into_view_if_needed()
    shows(again, 2, 3, 4)
    again.get_by_label("column", exact=True).first.press("End")
    shows(again, 2, 11, 4)


def test_twenty_explorers_in_one_notebook_are_drawn_when_they_are_seen_and_hold_up_no_cell(browser, address):
    with opened(browser, address, "many.ipynb") as page:
        run_all(page)
        for number in (0, 9, 19):
            explorer = explorers(page).nth(number)
            explorer.scroll_into_view_if_needed()
            shows(explorer, 0)
            explorer.locator("input[type=range]").press("End")
            shows(explorer, 7)
        assert len([at for at in page.evaluate(LOOK) if at]) < 20
        run_through(page, "1 + 1")
        shut_down_kernel(page)


def test_a_drill_goes_on_without_end_beside_its_kernel_and_two_views_agree(browser, address):
    with opened(browser, address, "drill.ipynb") as page:
        run_all(page)
        first, second = page.locator(".convlab").all()
        drill = Drill(seed=3)
        for _ in range(2 * BATCH + 5):
            drill.next()
            first.get_by_role("button", name="Next").click()
            for view in (first, second):
                expect(view.get_by_role("group", name=drill.question["text"])).to_be_visible()
        second.get_by_role("button", name="Show the steps").click()
        for view in (first, second):
            expect(view.get_by_role("status")).to_contain_text("✓")
        assert_no_complaint(page)
        shut_down_kernel(page)
