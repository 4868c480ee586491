"""What a reader meets: JupyterLab in a real browser."""

import os
import shutil
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

import pytest
from browser import (
    CHROMIUM,
    SOURCE,
    chromium,
    jupyter_lab,
    opened,
    run_all,
    run_through,
    shut_down_kernel,
    write_notebook,
)
from playwright.sync_api import Locator, Page, expect

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSON = "02_dilated_convolution.ipynb"
KERNEL_FREE = """\
explorer.kernel_free(dilation=range(1, 5), kernel_size=[3, 5], padding=["valid"], kernel=["Sobel x"])
"""
PICTURES = ".jp-OutputArea-output img"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    notebooks = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks, ignore=shutil.ignore_patterns(".*"))
    write_notebook(notebooks / "kernel_free.ipynb", SOURCE, KERNEL_FREE)
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


@pytest.fixture(scope="module")
def lesson(browser, address):
    """The lesson with all its cells run, once for the tests that read it."""
    with opened(browser, address, LESSON) as page:
        run_all(page)
        yield page
        shut_down_kernel(page)


def explorer_of(page: Page) -> Locator:
    """The output of the first cell with a slider for the dilation."""
    label = page.locator(".widget-label", has_text="dilation")
    return page.locator(".jp-OutputArea-output", has=page.locator(".noUi-handle")).filter(has=label).first


def visible_picture(explorer: Locator) -> str:
    """The source of the one picture that is shown, once it has loaded."""
    picture = explorer.locator("img:visible")
    expect(picture).to_have_count(1)
    picture.evaluate("image => image.decode()")
    return picture.get_attribute("src")


def dilation_slider(explorer: Locator) -> Locator:
    slider = explorer.locator(".widget-inline-hbox", has_text="dilation").locator(".noUi-handle").first
    slider.scroll_into_view_if_needed()
    return slider


def step_right(explorer: Locator) -> tuple[str, str]:
    """One step of the dilation; gives picture and sentence once both have changed."""
    before, said = visible_picture(explorer), explorer.locator(".convlab-sentence:visible").inner_text()
    dilation_slider(explorer).press("ArrowRight")
    expect(explorer.locator(".convlab-sentence:visible")).not_to_have_text(said)
    expect(explorer.locator("img:visible")).not_to_have_attribute("src", before)
    return visible_picture(explorer), explorer.locator(".convlab-sentence:visible").inner_text()


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


def test_unrun_notebook_shows_stored_pictures(unrun):
    assert_no_complaint(unrun)
    pictures = unrun.locator(PICTURES)
    expect(pictures.first).to_be_visible()
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        assert picture.bounding_box()["width"] > 100


def test_every_cell_runs(lesson):
    assert_no_complaint(lesson)
    explorer = explorer_of(lesson)
    explorer.scroll_into_view_if_needed()
    assert visible_picture(explorer).startswith("blob:")


def test_slider_is_long_enough_to_drag(lesson):
    slider = explorer_of(lesson).locator(".noUi-base").first
    assert slider.bounding_box()["width"] > 100


def test_slider_moves_picture_and_sentence(lesson):
    explorer = explorer_of(lesson)
    dilation_slider(explorer).press("Home")
    expect(explorer.locator(".convlab-sentence")).to_contain_text("dilation 1:")
    _, said = step_right(explorer)
    assert "dilation 2:" in said
    _, said = step_right(explorer)
    assert "dilation 3:" in said
    assert_no_complaint(lesson)


def test_kernel_free_explorer_moves_without_kernel(browser, address):
    with opened(browser, address, "kernel_free.ipynb") as page:
        run_all(page)
        explorer = explorer_of(page)
        visible_picture(explorer)
        shut_down_kernel(page)
        pictures, sentences = zip(*(step_right(explorer) for _ in range(3)), strict=True)
        for dilation, said in zip((2, 3, 4), sentences, strict=True):
            assert f"dilation {dilation}:" in said
        assert len(set(pictures)) == 3
        explorer.get_by_role("button", name="5", exact=True).click()
        expect(explorer.locator(".convlab-sentence:visible")).to_contain_text("5×5 with dilation 4")
        assert_no_complaint(page)


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_first_explorer_of_each_lesson_moves(browser, address, name):
    with opened(browser, address, name) as page:
        run_through(page, "= Explorer(")
        explorer = page.locator(".jp-OutputArea-output", has=page.locator(".convlab-sentence")).last
        explorer.scroll_into_view_if_needed()
        picture, sentence = visible_picture(explorer), explorer.locator(".convlab-sentence")
        said = sentence.text_content()
        move_a_control(explorer)
        expect(sentence).not_to_have_text(said)
        assert visible_picture(explorer) != picture
        assert_no_complaint(page)
        shut_down_kernel(page)


def move_a_control(explorer: Locator) -> None:
    """The first slider one step, or the first menu or row of buttons to what is not chosen yet."""
    if (sliders := explorer.locator(".noUi-handle")).count():
        slider = sliders.first
        low = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemin")
        slider.press("ArrowRight" if low else "ArrowLeft")
    elif (menus := explorer.locator("select")).count():
        options = menus.first.locator("option").all_text_contents()
        menus.first.select_option(options[menus.first.evaluate("menu => menu.selectedIndex ? 0 : 1")])
    else:
        explorer.locator(".widget-toggle-button:not(.mod-active)").first.click()
