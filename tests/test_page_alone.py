"""Explorers and questions in a page without a kernel and without a network, as a reader's hand meets them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import Any

import pytest
from browser import CHROMIUM, axe_violations, chromium
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect
from torch.nn.functional import conv2d

from convlab import (
    KERNELS,
    Drill,
    Explorer,
    Prediction,
    Question,
    grid,
    photo,
    photos,
    show_cost_ratio,
    show_dilation,
    show_window,
)
from convlab.explore.view import MODULE

PHOTO = photo("cat", (6, 9), channels=1)
ROUNDED = PHOTO.mul(100).round() / 100  # as the window shows it, so that its products add up
WIDE = {"viewport": {"width": 1300, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TABLET = {"has_touch": True}
TALL = "main { height: 4000px }"
DARK = "body { background: #111; color: #eee }"
PACE = 700  # milliseconds that a step takes when a slider plays
PREDICTED = "How many pixels has the map at stride 2?"


# What is opened


def typed() -> Question:
    why = {3: "In each row?"}
    return Question("How many weights has a 3×3 kernel?", answer=9, because="3·3.", hint="Count.", why=why)


def chosen() -> Question:
    return Question(
        "How wide?", [7, 9, 11], answer=9, because="4 + 4 + 1.", hint="Draw it.", why={7: "Gaps."}
    )


class Part:
    """A part of a page, made once, since it holds a picture for every state; and what it has to show."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.html = explorer.to_html()
        self.state = state_in(self.html)
        self.shown = explorer.picture
        self.shown.encode()  # only a drawn figure knows where things are

    def frame(self, **values: object) -> dict[str, Any]:
        """What is shown where the controls have these values, and all others the ones they start with."""
        choices = self.explorer.choices
        places = choices.at | {name: choices.check(name, value) for name, value in values.items()}
        return self.state["frames"][json.dumps(list(places.values()), separators=(",", ":"))]

    def place(self, panel: str, x: float, y: float) -> tuple[float, float]:
        """A place in the data of a panel as fractions of the picture, from its top left corner."""
        (axes,) = (axes for axes in self.shown.figure.axes if axes.get_label() == panel)
        across, up = axes.transData.transform((x, y))
        box = self.shown.figure.bbox
        return across / box.width, 1 - up / box.height


def state_in(html: str) -> dict[str, Any]:
    """All that a page is told."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, flags=re.DOTALL)[1])


@cache
def window() -> Part:
    """Two sliders, and a photo, not square and not in the middle, in which both are taken by hand."""
    return Part(Explorer(partial(show_window, PHOTO), row=range(4), column=[0, 1, 3, 5, 6]))


def dilating(**options: Any) -> Explorer:
    small = photo("cat", (24, 32), channels=1)
    kernels = ["Sobel x", "Sobel y", "box blur", "Laplacian", "emboss"]
    draw = partial(show_dilation, small)
    return Explorer(draw, dilation=range(1, 4), padding=("valid", "same"), kernel=kernels, **options)


@cache
def dilation() -> Part:
    """A slider, buttons and a menu."""
    return Part(dilating())


@cache
def curve() -> Part:
    """A curve with a point on it that moves to the sides, and bars."""
    return Part(Explorer(show_cost_ratio, kernel_size=(1, 3), out_channels=[1, 4, 16, 64, 128, 256, 1024]))


@cache
def everything() -> Part:
    """Every kind of control, and a prediction."""
    return Part(
        Explorer(
            show_window,
            image=photos("cat", "astronaut", size=(6, 9), channels=1),
            kernel=grid(3, 3, {name: KERNELS[name](3) for name in ("Sobel x", "Laplacian")}),
            row=range(2),
            stride=(1, 2),
            predict=Prediction(PREDICTED, 8, {"stride": 2}),
        )
    )


# Opening


@pytest.fixture(scope="module")
def context() -> Iterator[Callable[..., BrowserContext]]:
    """Gives a browser's context with these options, one for all tests that ask for the same.

    A clock belongs to a context, so that those with `timed` are not those without.
    """
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    contexts: dict[str, BrowserContext] = {}
    with chromium() as browser:

        def made(timed: bool, **options: Any) -> BrowserContext:
            key = json.dumps([timed, options])
            if key not in contexts:
                contexts[key] = browser.new_context(**WIDE | options)
                contexts[key].set_default_timeout(5_000)
            return contexts[key]

        yield made


@pytest.fixture
def visit(context, tmp_path):
    """Opens a page made of these parts; in the end none may have complained, or asked for a network."""
    complaints: list[str] = []
    pages: list[Page] = []

    def failed(request: Request) -> None:
        if not request.is_navigation_request():  # a page that loads itself anew gives up what it was at
            complaints.append(request.url)

    def opened(
        *parts: Part | Question | str,
        style: str = "",
        timed: bool = False,
        keeps: bool = False,
        **options: Any,
    ) -> Page:
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(page_of(parts, style), encoding="utf-8")
        page = context(timed, **options).new_page()
        pages.append(page)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", failed)
        page.route(re.compile("^(?!file:)"), lambda route: route.abort())
        if timed:
            page.clock.install()
        if not keeps:
            page.add_init_script(
                "try { localStorage.clear() } catch {}"
            )  # pages opened as files share what they keep
        page.goto(path.as_uri())
        page.wait_for_selector(".convlab")
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []


def page_of(parts: Iterable[Part | Question | str], style: str) -> str:
    made = [part.to_html() if isinstance(part, Question) else getattr(part, "html", part) for part in parts]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>'
        f"<body><main><h1>A page</h1>{''.join(made)}</main></body></html>"
    )


# What a reader sees


def picture(within: Page | Locator) -> Locator:
    return within.locator("figure img").first


def reading(within: Page | Locator) -> Locator:
    """The line under the picture that says what is pointed at."""
    return within.locator(".convlab-reading").first


def number_read(page: Page) -> float:
    return numbers_in(reading(page).text_content())[-1]


def numbers_in(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


def slider(within: Page | Locator, name: str) -> Locator:
    return within.get_by_role("slider", name=name, exact=True)


def assert_shows(page: Page | Locator, part: Part, **values: object) -> None:
    """Picture, alternative text and caption are those of the state in which controls have these values."""
    frame = part.frame(**values)
    expect(page.locator("figcaption").first).to_have_text(frame["alt"])
    expect(picture(page)).to_have_attribute("alt", frame["alt"])
    assert picture(page).get_attribute("src") == frame["src"]


def on_screen(page: Page, part: Part, panel: str, x: float, y: float) -> tuple[float, float]:
    """Where a place in the data of a panel is in the window."""
    across, down = part.place(panel, x, y)
    box = picture(page).bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def fingers(page: Page) -> Callable[..., None]:
    """Sends touches of one finger: of kind "Start", "Move" or "End", at a place."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *place: float) -> None:
        points = [{"x": place[0], "y": place[1]}] if place else []
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    return send


def swipe(page: Page, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
    """A finger goes from place to place, as far as the window reaches."""
    touch, (x, y), (to_x, to_y) = fingers(page), start, end
    to_x = min(to_x, page.viewport_size["width"] - 1)
    touch("Start", x, y)
    for step in range(1, steps + 1):
        touch("Move", x + (to_x - x) * step / steps, y + (to_y - y) * step / steps)
    touch("End")


def test_a_page_holds_the_picture_that_the_explorer_shows_itself():
    explorer = window().explorer
    for values in ({}, {"row": 3, "column": 0}):
        frame = window().frame(**values)
        assert frame["alt"] == explorer.set(**values).sentence
        png = base64.b64encode(explorer.picture.encode("png")).decode()
        assert frame["src"] == f"data:image/png;base64,{png}"
    explorer.reset()


# Controls


def test_a_slider_moved_by_keys_changes_picture_words_and_caption_together(visit):
    page, part = visit(window()), window()
    assert_shows(page, part)
    page.keyboard.press("Tab")  # the first control is the first to be reached
    expect(slider(page, "row")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    assert_shows(page, part, row=1)
    page.keyboard.press("End")
    assert_shows(page, part, row=3)
    page.keyboard.press("Tab")  # over the button that plays
    page.keyboard.press("Tab")
    expect(slider(page, "column")).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert_shows(page, part, row=3, column=5)
    expect(slider(page, "column")).to_have_attribute("aria-valuetext", "5")


def test_buttons_and_a_menu_are_moved_by_keys(visit):
    page, part = visit(dilation()), dilation()
    page.get_by_role("radio", name="valid").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="same")).to_be_checked()
    assert_shows(page, part, padding="same")
    page.get_by_role("combobox", name="kernel").focus()
    page.keyboard.press("ArrowDown")
    assert_shows(page, part, padding="same", kernel="Sobel y")
    slider(page, "dilation").press("ArrowRight")
    assert_shows(page, part, padding="same", kernel="Sobel y", dilation=2)


def test_pictures_in_a_folder_beside_the_page_are_found(visit, tmp_path):
    page = visit(window().explorer.to_html(tmp_path / "pictures", [{"row": [1, 2]}]))
    seen = {}
    picture(page).evaluate("image => image.decode()")  # what is left before it has come counts as failed
    for row in (1, 2):
        page.get_by_role("radio", name=str(row)).check()
        expect(picture(page)).to_have_attribute("alt", window().frame(row=row)["alt"])
        picture(page).evaluate("image => image.decode()")
        source = picture(page).get_attribute("src")
        seen[source] = (tmp_path / source).read_bytes()
        assert picture(page).evaluate("image => image.naturalWidth") > 1000
    assert {f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in seen.values()} == {
        window().frame(row=row)["src"] for row in (1, 2)
    }
    assert len(seen) == len(list((tmp_path / "pictures").glob("*.png"))) == 2


def test_numbers_in_a_file_beside_the_page_are_read_once_it_is_pointed_at(visit, tmp_path):
    page = visit(window().explorer.to_html(tmp_path / "pictures"))
    picture(page).evaluate("image => image.decode()")
    assert page.locator("script[src]").count() == 0
    page.mouse.move(*on_screen(page, window(), "photo", 5, 2))
    expect(reading(page)).to_contain_text("row 2, column 5")
    assert number_read(page) == pytest.approx(float(ROUNDED[0, 0, 2, 5]), abs=0.005)


def test_a_page_says_what_only_the_notebook_has(visit):
    page = visit(everything(), window(), window().explorer.to_html(carry=[{"row": True}]))
    said = page.locator(".convlab-without").all_text_contents()
    assert said == [
        "Here no Python runs. The notebook also has numbers of your own, and photos of your own.",
        "Here no Python runs. The notebook also has all 20 pictures, of which 4 are here.",
    ]
    assert page.locator("input[type=number], input[type=file]").count() == 0


def test_what_a_page_does_not_carry_leads_to_the_nearest(visit):
    carry = [{"dilation": True}, {"kernel": ["Sobel y"], "padding": ["same"]}]
    page, part = visit(dilating().to_html(carry=carry)), dilation()
    slider(page, "dilation").press("End")
    assert_shows(page, part, dilation=3)
    page.get_by_role("radio", name="same").check()
    assert_shows(page, part, padding="same", kernel="Sobel y")
    expect(slider(page, "dilation")).to_have_value("0")
    slider(page, "dilation").press("ArrowRight")
    assert_shows(page, part, dilation=2)


def test_an_address_says_where_an_explorer_stands_and_leads_back_there(visit, tmp_path):
    part = dilating().to_html(tmp_path / "gaps")
    page = visit(part, "<div style='height: 3000px'></div>", chosen())
    slider(page, "dilation").press("End")
    page.get_by_role("combobox", name="kernel").select_option("box blur")
    page.wait_for_function("location.hash.endsWith('kernel=box+blur')")
    address = page.url
    assert address.endswith("#gaps?dilation=3&padding=valid&kernel=box+blur")
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("figcaption").first).to_have_text(
        dilation().frame(dilation=3, kernel="box blur")["alt"]
    )
    page.evaluate("location.hash = '#gaps?dilation=2&padding=full&unknown=1'")
    expect(page.locator("figcaption").first).to_have_text(
        dilation().frame(dilation=2, kernel="box blur")["alt"]
    )


def test_answers_stay_in_the_browser_until_they_are_forgotten(visit):
    reset = "<button data-convlab-reset>Forget my answers</button>"
    page = visit(typed(), chosen(), reset, keeps=True)
    page.get_by_label("your answer, a number").fill("3")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="9", exact=True).check()
    page.reload()
    expect(page.locator(".convlab-reply").first).to_contain_text("In each row?")
    expect(page.get_by_role("radio", name="9", exact=True)).to_be_checked()
    page.get_by_role("button", name="Forget my answers").click()
    expect(page.locator(".convlab-reply").first).to_be_empty()
    expect(page.get_by_role("radio", name="9", exact=True)).not_to_be_checked()


def test_kernels_and_photos_that_are_offered_can_be_chosen_without_python(visit):
    page, part = visit(everything()), everything()
    page.get_by_role("combobox", name="kernel").select_option("Laplacian")
    assert_shows(page, part, kernel="Laplacian")
    page.get_by_role("combobox", name="image").select_option("astronaut")
    page.mouse.move(*on_screen(page, part, "photo", 5, 2))
    pixel = photo("astronaut", (6, 9), channels=1)[0, 0, 2, 5]
    assert number_read(page) == pytest.approx(float(pixel), abs=0.005)


def test_explorers_on_a_page_do_not_mix(visit):
    page, part = visit(dilation(), window(), dilation()), dilation()
    first, second, third = page.locator(".convlab").all()
    third.get_by_role("radio", name="same").check()
    slider(third, "dilation").press("End")
    assert_shows(first, part)
    assert_shows(second, window())
    assert_shows(third, part, padding="same", dilation=3)
    expect(first.get_by_role("radio", name="valid")).to_be_checked()
    slider(first, "dilation").press("ArrowRight")
    assert_shows(first, part, dilation=2)
    assert_shows(third, part, padding="same", dilation=3)


def test_two_copies_of_the_module_on_a_page_do_not_mix(visit):
    page = visit(dilation())
    page.evaluate(
        """async ([source, state]) => {
            const { PageModel, default: { render } } = await import(
                URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            const el = document.createElement("div");
            document.querySelector("main").append(el);
            render({ model: new PageModel(state), el });
        }""",
        [MODULE, dilation().state],
    )
    names = page.locator("[id]").evaluate_all("all => all.map(({ id }) => id)")
    assert len(set(names)) == len(names) > 2
    first, second = page.locator(".convlab").all()
    second.get_by_role("radio", name="same").check()
    expect(first.get_by_role("radio", name="valid")).to_be_checked()


# ▶


def test_play_walks_to_the_end_and_stops_there(visit):
    page, part = visit(window(), timed=True), window()
    slider(page, "row").press("Home")
    page.get_by_role("button", name="play row").click()
    for row in (1, 2, 3):
        assert_shows(page, part, row=row)
        page.get_by_role("button", name="stop row").wait_for()
        page.clock.run_for(PACE)
    page.get_by_role("button", name="play row").wait_for()
    page.clock.run_for(5 * PACE)
    assert_shows(page, part, row=3)
    page.get_by_role("button", name="play row").click()  # from the end it begins again
    assert_shows(page, part, row=0)


def test_play_stops_at_a_touch_of_anything(visit):
    page, part = visit(window(), timed=True), window()
    stops = {
        "its button": (lambda: page.get_by_role("button", name="stop row").click(), {"row": 1}),
        "its slider": (lambda: slider(page, "row").press("End"), {"row": 3}),
        "another slider": (lambda: slider(page, "column").press("Home"), {"row": 1, "column": 0}),
        "the photo": (
            lambda: page.mouse.click(*on_screen(page, part, "photo", 6, 3)),
            {"row": 2, "column": 5},
        ),
        "no control": (
            lambda: page.mouse.click(*on_screen(page, part, "kernel", 1, 1)),
            {"row": 1, "column": 5},
        ),
    }
    for stop, values in stops.values():
        slider(page, "row").press("Home")
        page.get_by_role("button", name="play row").click()
        expect(slider(page, "row")).to_have_value("1")
        stop()
        page.clock.run_for(5 * PACE)
        assert_shows(page, part, **values)
        expect(page.get_by_role("button", name="play row")).to_have_text("▶")


def test_who_wants_less_motion_gets_a_step_for_each_press(visit):
    page, part = visit(window(), timed=True, reduced_motion="reduce"), window()
    for row in (3, 0, 1):
        page.get_by_role("button", name="play row").click()
        page.clock.run_for(5 * PACE)
        assert_shows(page, part, row=row)


# By hand


# From where to where in pixels of the photo, and which of the rows 0 … 3 and columns 0, 1, 3, 5, 6 is then
# nearest. They are the window's first; the hand takes its middle, a pixel on.
DRAGS = {
    "right": ((1.2, 1.3), (5.7, 2.8), {"row": 2, "column": 5}),
    "left": ((6.6, 3.6), (2.9, 1.6), {"row": 1, "column": 1}),
    "out of it": ((3, 3), (14, -2), {"row": 0, "column": 6}),
}


@pytest.mark.parametrize("drag", DRAGS)
def test_a_drag_over_the_photo_ends_at_the_nearest_place(visit, drag):
    page, part = visit(window()), window()
    start, end, values = DRAGS[drag]
    page.mouse.move(*on_screen(page, part, "photo", *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, part, "photo", *end), steps=8)
    page.mouse.up()
    assert_shows(page, part, **values)
    expect(slider(page, "row")).to_have_attribute("aria-valuetext", str(values["row"]))
    expect(slider(page, "column")).to_have_attribute("aria-valuetext", str(values["column"]))
    page.mouse.move(*on_screen(page, part, "photo", 4, 1))  # let go: it moves no more
    assert_shows(page, part, **values)


def test_a_drag_over_the_map_moves_the_pixel_that_is_made(visit):
    page, part = visit(window()), window()
    # The map of 4×7 stands in the middle of the photo's 6×9 pixels.
    page.mouse.move(*on_screen(page, part, "output", 4, 2))
    page.mouse.down()
    page.mouse.move(*on_screen(page, part, "output", 1 + 1, 1 + 3), steps=4)
    page.mouse.up()
    assert_shows(page, part, row=3, column=1)


def test_a_curve_is_taken_to_the_sides_alone(visit):
    page, part = visit(curve()), curve()
    page.mouse.move(*on_screen(page, part, "curves", 100, 0.1))
    page.mouse.down()
    page.mouse.move(*on_screen(page, part, "curves", 14, 1.5), steps=4)  # 16 is nearest to 14
    page.mouse.up()
    assert_shows(page, part, out_channels=16)


def test_another_button_of_the_mouse_takes_nothing(visit):
    page, part = visit(window()), window()
    page.mouse.click(*on_screen(page, part, "photo", 6, 3), button="right")
    assert_shows(page, part)


@pytest.mark.parametrize("drag", DRAGS)
def test_a_finger_takes_the_photo_and_the_page_stays(visit, drag):
    page, part = visit(window(), style=TALL, **PHONE), window()
    start, end, values = DRAGS[drag]
    swipe(page, on_screen(page, part, "photo", *start), on_screen(page, part, "photo", *end))
    assert_shows(page, part, **values)
    assert page.evaluate("scrollY") == 0
    expect(page.locator("dialog")).to_have_count(0)


def test_a_finger_beside_what_it_can_take_scrolls_past_the_picture(visit):
    page, part = visit(window(), style=TALL, **PHONE), window()
    x, y = on_screen(page, part, "kernel", 1, 1)
    swipe(page, (x, y), (x, y - 150))
    page.wait_for_function("scrollY > 50")
    assert_shows(page, part)
    expect(page.locator("dialog")).to_have_count(0)


def test_a_finger_over_a_curve_takes_it_to_the_sides_and_scrolls_up_and_down(visit):
    page, part = visit(curve(), style=TALL, **PHONE), curve()
    start, end = (on_screen(page, part, "curves", channels, 0.1) for channels in (4, 256))
    swipe(page, start, end)
    assert_shows(page, part, out_channels=256)
    assert page.evaluate("scrollY") == 0
    swipe(page, end, (end[0], end[1] - 150))
    page.wait_for_function("scrollY > 50")
    assert_shows(page, part, out_channels=256)


# Reading


def test_pointing_at_a_pixel_says_its_number(visit):
    page, part = visit(window()), window()
    for row, column in ((0, 0), (2, 5), (5, 8)):
        page.mouse.move(*on_screen(page, part, "photo", column + 0.3, row - 0.3))
        expect(reading(page)).to_contain_text(f"photo 6×9, row {row}, column {column}: ")
        assert number_read(page) == pytest.approx(float(PHOTO[0, 0, row, column]), abs=0.005)
    assert_shows(page, part)


def test_pointing_at_the_map_says_what_the_convolution_gives(visit):
    page, part = visit(window()), window()
    output = conv2d(ROUNDED, KERNELS["Sobel x"](3)[None, None])[0, 0]
    for row, column in ((0, 0), (1, 4), (2, 2)):
        page.mouse.move(*on_screen(page, part, "output", 1 + column, 1 + row))
        expect(reading(page)).to_contain_text(f"output 4×7, row {row}, column {column}: ")
        assert number_read(page) == pytest.approx(float(output[row, column]), abs=0.005)


def test_the_noughts_of_a_kernel_are_read_as_noughts(visit):
    page, part = visit(everything()), everything()
    page.get_by_role("combobox", name="kernel").select_option("Laplacian")
    read = []
    for row in range(3):
        for column in range(3):
            page.mouse.move(*on_screen(page, part, "kernel", column, row))
            read.append(reading(page).text_content().split(": ")[-1])
    assert read == ["0", "1", "0", "1", "−4", "1", "0", "1", "0"]


def test_products_and_their_sum_are_read(visit):
    page, part = visit(window()), window()
    patch, weights = ROUNDED[0, 0, 2:5, 3:6], KERNELS["Sobel x"](3)
    for row, column in ((0, 0), (1, 2), (2, 1)):
        page.mouse.move(*on_screen(page, part, "products", column, row))
        pixel, weight = float(patch[row, column]), int(weights[row, column])
        said = f"{pixel:.2f} × {weight} = {pixel * weight + 0.0:.2f}"
        expect(reading(page)).to_have_text(said.replace("-", "−"))
    page.mouse.move(*on_screen(page, part, "sum", 0, 0))
    terms, total = re.split(" [=≈] ", reading(page).text_content())
    assert numbers_in(total) == [pytest.approx(float((patch * weights).sum()), abs=0.005)]
    products = (patch * weights).flatten().tolist()
    assert numbers_in(terms.replace("− ", "−")) == pytest.approx(products, abs=0.00501)


def test_bars_are_read(visit):
    page, part = visit(curve()), curve()
    box = picture(page).bounding_box()
    bars = bars_of(part)
    assert [bar[4].split(":")[0] for bar in bars] == ["ordinary", "depthwise", "pointwise"]
    for left, top, width, height, said in bars:
        across, down = left + width / 2, top + height / 2
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        expect(reading(page)).to_have_text(said)
        assert said.split(": ")[1] in part.frame()["alt"]


def bars_of(part: Part) -> list[list[Any]]:
    return [bar for spot in part.frame()["spots"] for bar in spot.get("bars", [])]


def test_what_is_pointed_at_is_read_anew_when_the_picture_changes(visit):
    page, part = visit(window()), window()
    slider(page, "row").focus()
    page.mouse.move(*on_screen(page, part, "patch", 0, 0))
    for key, row in (("ArrowLeft", 1), ("End", 3)):
        page.keyboard.press(key)
        expect(reading(page)).to_contain_text("patch of the photo, row 0, column 0: ")
        assert number_read(page) == pytest.approx(float(PHOTO[0, 0, row, 3]), abs=0.005)


def test_a_hint_stands_where_nothing_is_pointed_at(visit):
    page, part = visit(window()), window()
    hint = reading(page).text_content()
    for word in ("drag in the picture", "column", "row", "number"):
        assert word in hint
    page.mouse.move(*on_screen(page, part, "photo", 1, 1))
    expect(reading(page)).not_to_have_text(hint)
    page.mouse.move(2, 2)
    expect(reading(page)).to_have_text(hint)


def test_arrow_keys_read_numbers_and_enter_takes_one(visit):
    page, part = visit(window()), window()
    page.get_by_role("application").focus()
    way = {"ArrowDown": (0, 0), "ArrowRight": (0, 1), "ArrowLeft": (0, 0)}
    for key, (row, column) in way.items():
        page.keyboard.press(key)
        expect(reading(page)).to_contain_text(f"photo 6×9, row {row}, column {column}: ")
        assert number_read(page) == pytest.approx(float(PHOTO[0, 0, row, column]), abs=0.005)
    for key in ("ArrowDown", "ArrowDown", *["ArrowRight"] * 6):
        page.keyboard.press(key)
    expect(reading(page)).to_contain_text("photo 6×9, row 2, column 6: ")
    page.keyboard.press("Enter")
    assert_shows(page, part, row=1, column=5)
    expect(reading(page)).to_contain_text("photo 6×9, row 2, column 6: ")
    page.keyboard.press("PageDown")
    expect(reading(page)).to_contain_text("output 4×7, row 0, column 0: ")
    page.keyboard.press("PageUp")
    expect(reading(page)).to_contain_text("photo 6×9, row 0, column 0: ")
    assert page.evaluate("scrollY") == 0


def test_each_part_is_read_from_its_first_number_on(visit):
    page = visit(window())
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    expect(reading(page)).to_contain_text("photo 6×9, row 0, column 0: ")
    page.keyboard.press("PageDown")
    expect(reading(page)).to_contain_text("output 4×7, row 0, column 0: ", timeout=1_000)
    page.keyboard.press("ArrowRight")
    expect(reading(page)).to_contain_text("output 4×7, row 0, column 1: ", timeout=1_000)


def test_arrow_keys_read_bars(visit):
    page = visit(curve())
    page.get_by_role("application").focus()
    read = []
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        read.append(reading(page).text_content())
    said = [bar[4] for bar in bars_of(curve())]
    assert read == [*said, said[0]]


def test_the_keyboard_is_not_caught_in_the_picture(visit):
    page = visit(curve(), typed())
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox")).to_be_focused()


def test_a_number_stays_when_the_finger_that_asked_for_it_is_lifted(visit):
    page, part = visit(window(), **TABLET), window()
    page.touchscreen.tap(*on_screen(page, part, "patch", 1, 2))
    expect(reading(page)).to_contain_text("patch of the photo, row 2, column 1: ", timeout=1_000)


# Questions and predictions


@pytest.mark.parametrize("hand", ["Enter", "Check"])
def test_a_typed_answer_is_told_what_python_tells_it(visit, hand):
    page, question = visit(typed()), typed()
    expect(page.get_by_role("group", name=question.text)).to_be_visible()
    box, told = page.get_by_role("textbox"), page.get_by_role("status")
    for answer in ("9", "3", "nine", "12", "9,0"):
        box.fill(f" {answer} ")
        before = told.text_content()
        assert before != question.choose(answer).reply
        expect(told).to_have_text(before)
        if hand == "Enter":
            box.press("Enter")
        else:
            page.get_by_role("button", name="Check").click()
        expect(told).to_have_text(question.reply)
    box.fill("  ")
    box.press("Enter")
    expect(told).to_have_text(question.reply)


def test_choices_are_told_what_python_tells_them_each_in_turn(visit):
    page, question = visit(chosen()), chosen()
    expect(page.get_by_role("group", name=question.text)).to_be_visible()
    told = page.get_by_role("status")
    expect(told).to_be_empty()
    assert page.get_by_role("radio").count() == 3
    for choice in ("7", "11", "9"):
        page.get_by_role("radio", name=choice, exact=True).check()
        expect(told).to_have_text(question.choose(choice).reply)
    page.keyboard.press("ArrowUp")
    expect(told).to_contain_text("✗")


def test_a_question_that_was_answered_comes_with_its_answer(visit):
    question = chosen().choose(7)
    page = visit(question)
    expect(page.get_by_role("radio", name="7")).to_be_checked()
    expect(page.get_by_role("status")).to_have_text(question.reply)


def test_two_questions_do_not_mix(visit):
    page = visit(chosen(), chosen(), typed())
    first, second, third = page.locator(".convlab").all()
    second.get_by_role("radio", name="9", exact=True).check()
    expect(second.get_by_role("status")).to_contain_text("✓")
    for other in (first, third):
        expect(other.get_by_role("status")).to_be_empty()
    expect(first.get_by_role("radio", checked=True)).to_have_count(0)


def right_of(drill: Drill) -> str:
    question = drill.question
    return question["choices"][[reply["right"] for reply in question["replies"]].index(True)]


def answer(page: Page, drill: Drill, choice: str) -> None:
    if drill.question["otherwise"]:
        page.get_by_role("textbox").fill(choice)
        page.keyboard.press("Enter")
    else:
        page.get_by_role("radio", name=choice, exact=True).check()


def test_a_drill_asks_on_as_python_does_and_counts_what_is_right_in_a_row(visit):
    drill = Drill(seed=3)
    page = visit(drill.to_html(45))
    streak, told = page.locator(".convlab-streak"), page.get_by_role("status")
    for number in range(8):
        expect(page.get_by_role("group", name=drill.question["text"])).to_be_visible()
        expect(streak).to_have_text(f"{number} right in a row")
        answer(page, drill, right_of(drill))
        expect(told).to_have_text(drill.choose(right_of(drill)).reply)
        page.get_by_role("button", name="Next").click()
        drill.next()
    expect(told).to_be_empty()
    expect(streak).to_have_text("8 right in a row")
    wrong = next(choice for choice in drill.question["choices"] if choice != right_of(drill))
    answer(page, drill, wrong)
    expect(told).to_have_text(drill.choose(wrong).reply)
    expect(streak).to_have_text("0 right in a row")


def test_a_drill_shows_the_steps_to_who_asks_and_changes_its_level(visit):
    drill = Drill(level=2)
    page = visit(drill.to_html(9))
    page.get_by_role("button", name="Show the steps").click()
    expect(page.get_by_role("status")).to_have_text(drill.choose(right_of(drill)).reply)
    expect(page.locator(".convlab-streak")).to_have_text("0 right in a row")
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".convlab-question input").first).to_be_focused()
    page.get_by_role("radio", name="3 as in real networks").check()
    drill.level = 3
    drill.next().next()
    expect(page.get_by_role("group", name=drill.question["text"])).to_be_visible()
    expect(page.get_by_role("status")).to_be_empty()


def test_a_prediction_is_kept_and_compared_when_the_answer_shows(visit):
    page = visit(everything())
    box, told = page.get_by_label(PREDICTED), page.locator(".convlab-predict output")
    box.fill("7")
    page.keyboard.press("Tab")
    expect(told).to_have_text("Kept: 7. Now move the controls there.")
    page.get_by_role("radio", name="2").check()
    expect(told).to_have_text("You wrote 7, it is 8.")
    page.get_by_role("radio", name="1").check()
    expect(told).to_have_text("Kept: 7. Now move the controls there.")
    box.fill("8")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="2").check()
    expect(told).to_have_text("You wrote 8, it is 8: right!")


def test_a_prediction_is_compared_in_a_page_that_offers_less(visit):
    explorer = dilating(predict=Prediction("How wide?", 7, {"dilation": 3}))
    page = visit(explorer.to_html(carry=[{"dilation": [1, 3]}]))
    page.get_by_label("How wide?").fill("7")
    page.keyboard.press("Tab")
    page.get_by_role("radio", name="3").check()
    told = page.locator(".convlab-predict output")
    expect(told).to_have_text("You wrote 7, it is 7: right!", timeout=1_000)


# Small, dark, and for everyone


def test_nothing_is_wider_than_a_phone(visit):
    page = visit(dilation(), everything(), window(), curve(), typed(), chosen(), **PHONE)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    boxes = [image.bounding_box() for image in page.locator("figure img").all()]
    assert len(boxes) == 4
    assert all(box["x"] >= 0 and 300 < box["x"] + box["width"] <= 390 for box in boxes)


def test_a_tap_beside_what_can_be_taken_opens_the_picture_large(visit):
    page, part = visit(window(), **PHONE), window()
    page.touchscreen.tap(*on_screen(page, part, "kernel", 1, 1))
    large = page.get_by_role("dialog").get_by_role("img")
    expect(large).to_have_attribute("alt", part.frame()["alt"])
    assert large.bounding_box()["width"] > 2.5 * 390
    assert axe_violations(page) == []
    page.get_by_role("button", name="Close").tap()
    expect(page.locator("dialog")).to_have_count(0)
    assert_shows(page, part)
    page.touchscreen.tap(*on_screen(page, part, "kernel", 1, 1))
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_a_tap_on_the_photo_takes_it_and_opens_nothing(visit):
    page, part = visit(window(), **PHONE), window()
    page.touchscreen.tap(*on_screen(page, part, "photo", 6, 4))
    assert_shows(page, part, row=3, column=5)
    expect(page.locator("dialog")).to_have_count(0)


def test_a_picture_that_is_large_already_is_not_opened(visit):
    page, part = visit(window()), window()
    page.mouse.click(*on_screen(page, part, "kernel", 1, 1))
    expect(page.locator("dialog")).to_have_count(0)


def test_letters_take_the_colour_of_a_dark_page(visit):
    page = visit(everything(), typed(), chosen(), style=DARK)
    answer_all(page)
    colours = page.locator(".convlab, .convlab :not(option)").evaluate_all(
        """all => all.filter((each) => each.innerText || each.matches("input[type=text], select"))
            .map((each) => `${each.localName}.${each.className}: ${getComputedStyle(each).color}`)"""
    )
    assert len(colours) > 20
    assert [colour for colour in colours if not colour.endswith(": rgb(238, 238, 238)")] == []


def answer_all(page: Page) -> None:
    """Everything that a page of all these parts asks, so that what is said to it is there too."""
    page.get_by_label(PREDICTED).fill("9")
    page.get_by_role("textbox").last.fill("3")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="11").check()


@pytest.mark.parametrize("style", ["", DARK], ids=["light", "dark"])
def test_nobody_is_kept_out(visit, style):
    page = visit(everything(), dilation(), curve(), typed(), chosen(), style=style)
    answer_all(page)
    assert axe_violations(page) == []


def test_axe_finds_what_keeps_people_out(visit):
    page = visit(chosen(), '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><input>')
    assert {said.split(":")[0] for said in axe_violations(page)} >= {"image-alt", "label"}


def test_in_a_frame_that_may_only_run_scripts_as_on_colab_all_is_live(context):
    page = context(False).new_page()
    page.set_content("<iframe sandbox='allow-scripts' width='1200' height='700'></iframe>")
    page.eval_on_selector(
        "iframe", "(frame, html) => { frame.srcdoc = html }", window().html + typed().to_html()
    )
    inside = page.frame_locator("iframe")
    inside.get_by_role("slider", name="row", exact=True).press("End")
    expect(inside.locator("figcaption")).to_have_text(window().frame(row=3)["alt"])
    inside.get_by_label("your answer, a number").fill("9")
    inside.get_by_role("button", name="Check").click()
    expect(inside.locator(".convlab-reply")).to_have_text("✓ 9: 3·3.")
    page.close()


def test_where_the_module_does_not_run_picture_sentence_and_question_are_there(context):
    page = context(False, java_script_enabled=False).new_page()
    page.set_content(window().html + chosen().to_html())
    expect(page.get_by_role("img", name=window().shown.alt)).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="11")).to_be_visible()
    page.close()
