"""A page is laid out in inches, drawn over without traces, and encoded whatever canvas a figure came with."""

import io
import warnings
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image

import convlab
from convlab import (
    ConvSpec,
    Picture,
    cost,
    photo,
    show_channel_sum,
    show_cost,
    show_costs,
    show_five,
    show_groups,
    show_maps,
    show_mix,
    show_poke,
    show_separable_fit,
    show_two_steps,
    show_window,
)
from convlab.kinds import KINDS, Kind
from convlab.pictures import draw, page, palette

plt.switch_backend("agg")
ASTRONAUT = photo("astronaut", 24)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.encode())).convert("RGB"))


def plain_figure():
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    return figure


def test_blocks_stand_side_by_side_and_one_below_the_other_centred():
    block = page.across(page.panel("a", 2, 1, above=0.5), page.panel("b", 1, 3, above=0, left=0.25), gap=0.5)
    assert (block.width, block.height) == (3.75, 3)
    assert block.boxes == {"a": (0, 1.25, 2, 1), "b": (2.75, 0, 1, 3)}
    block = page.down(page.panel("a", 2, 1, above=0.5), page.panel("b", 1, 3, above=0), gap=0.5)
    assert (block.width, block.height) == (2, 5)
    assert block.boxes == {"a": (0, 0.5, 2, 1), "b": (0.5, 2, 1, 3)}


FILTERS = dict.fromkeys("abcd", ASTRONAUT[0, :, :3, :3])
LAID_OUT = {
    "channels": partial(show_channel_sum, ASTRONAUT, FILTERS),
    "five": partial(show_five, ASTRONAUT, channels=8),
    "fit": partial(show_separable_fit, ASTRONAUT),
    "groups": partial(show_groups, ASTRONAUT),
    "mix": partial(show_mix, ASTRONAUT),
    "poke": partial(show_poke, ASTRONAUT, between="channel shuffle"),
    "two steps": partial(show_two_steps, ASTRONAUT),
    "window": partial(show_window, photo("cat", (9, 14))),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_no_panel_lies_on_another_or_beside_the_page(name):
    axes = LAID_OUT[name]().figure.axes
    boxes = [each.get_position(original=True).padded(-1e-6) for each in axes]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= 1
        assert box.y1 <= 1
        assert not [other for other in boxes[:number] if box.overlaps(other)]


OF_A_PHOTO = (
    "collapse depth dilation five groups mix poke rates reach steps target two_steps weighted_sum window"
)


@pytest.mark.parametrize("size", [(24, 120), (120, 24)], ids=str)
@pytest.mark.parametrize("name", OF_A_PHOTO.split())
def test_a_strip_of_a_photo_fits_on_the_page(name, size):
    picture = getattr(convlab, f"show_{name}")(photo("cat", size))
    assert picture.encode("jpeg")
    assert max(picture.figure.get_size_inches()) <= 11
    for axes in picture.figure.axes:
        box = axes.get_position(original=True)
        assert box.x0 > -1e-6
        assert box.x1 < 1 + 1e-6


def traces(figure):
    return [len(axes.get_children()) + len(axes.containers) for axes in figure.axes]


def test_drawing_over_a_page_leaves_no_trace():
    first = show_groups(ASTRONAUT, groups=3)
    figure, before = first.figure, traces(first.figure)
    for groups in (1, 2, 3, 4, 6, 12) * 5 + (3,):
        with page.over(figure):
            again = show_groups(ASTRONAUT, groups=groups)
        assert again.figure is figure
    assert traces(figure) == before
    np.testing.assert_array_equal(pixels(again), pixels(show_groups(ASTRONAUT, groups=3)))


def test_nothing_survives_on_a_page_that_is_drawn_over():
    def draw(ax):
        page.frame(ax, "title")
        ax.plot([1, 2], [3, 4])
        ax.set(xlim=(0, 9), ylim=(0, 9))

    block = page.panel("only", 4, 3, left=0.5, below=0.5)
    fresh = page.blank(block)
    draw(fresh["only"])
    used = page.blank(block)
    ax = used["only"]
    ax.bar([1, 2], [3, 4])
    ax.set(xlabel="x", ylabel="y", xscale="log", yscale="log", facecolor="red", aspect="equal")
    ax.set_title("left", loc="left")
    page.name_ticks(ax.xaxis, ["a", "b"], [1, 2])
    page.thin_sides(ax)
    ax.set_axis_off()
    used.says("1.")  # a drawing of the course's own, whatever it set
    with page.over(used.figure):
        again = page.blank(block)
    assert again.figure is used.figure
    draw(again["only"])
    np.testing.assert_array_equal(pixels(again.says("1.")), pixels(fresh.says("1.")))


@pytest.mark.parametrize("add", ["legend", "twinx", "table", "add_artist"])
def test_a_page_that_somebody_drew_on_is_made_anew(add):
    block = page.panel("only", 4, 3)
    sheet = page.blank(block)
    sheet["only"].plot([1, 2], label="theirs")
    used = sheet.says("1.").figure
    made = {"table": {"cellText": [["a"]]}, "add_artist": {"a": Circle((0, 0), 1)}}.get(add, {})
    getattr(used.axes[0], add)(**made)
    with page.over(used):
        again = page.blank(block)
    assert again.figure is not used
    assert again["only"].get_legend() is None


def test_a_page_is_used_once_and_only_for_the_same_panels():
    first = page.blank(page.panel("a", 2, 2)).says("1.")
    with page.over(first.figure):
        one, other = page.blank(page.panel("a", 2, 2)), page.blank(page.panel("a", 2, 2))
    assert one.figure is first.figure is not other.figure
    with page.over(first.figure):
        assert page.blank(page.panel("b", 2, 2)).figure is not first.figure


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_a_figure_is_encoded_whatever_canvas_it_has(file_format):
    opened, _ = plt.subplots()
    closed, _ = plt.subplots()
    plt.close(closed)
    for figure in (plain_figure(), opened, closed):
        canvas = figure.canvas
        file = Picture(figure, "1.").encode(file_format)
        assert Image.open(io.BytesIO(file)).format.lower() == file_format
        assert figure.canvas is canvas
    plt.close(opened)


@pytest.mark.parametrize("name", [r"$\frac$", "_x_^2", "深度卷积", "<b>'\"&", "a$b", "🐈"])
def test_a_readers_names_are_drawn_as_they_are(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert show_maps({name: ASTRONAUT[:, :1]}).encode()
        assert show_costs({name: ConvSpec(2, 4, 3)}, (9, 9)).encode()


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # an older matplotlib's mathematics, newer pyparsing
def test_a_teachers_own_figure_keeps_its_mathematics():
    figure = plain_figure()
    figure.axes[0].set_title("$x^2$")
    with_math = pixels(Picture(figure, "1."))
    figure.axes[0].title.set_parse_math(False)
    assert not np.array_equal(with_math, pixels(Picture(figure, "1.")))


@pytest.fixture
def asymmetric():
    """A sixth kind, that comes before the others, for the time of a test."""
    before = dict(KINDS)
    KINDS.clear()
    KINDS["asymmetric"] = Kind("#123456", lambda spec: spec.kernel_size[0] != spec.kernel_size[1])
    KINDS.update(before)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.usefixtures("asymmetric")
def test_a_sixth_kind_touches_its_table_alone():
    spec = ConvSpec(2, 4, (1, 3))
    assert spec.kind == "asymmetric"
    assert ConvSpec(2, 4, 3).kind == "ordinary"
    found = cost(spec.module(), (2, 9, 9))
    assert list(found.kinds) == ["asymmetric"]
    assert palette.of_kind("asymmetric") == "#123456"
    bars = [axes.patches for axes in show_costs({"a": spec}, (9, 9)).figure.axes]
    bars.append(show_cost(found).figure.axes[0].patches)
    for (bar,) in bars:
        assert tuple(round(255 * part) for part in bar.get_facecolor()[:3]) == (0x12, 0x34, 0x56)


def test_a_small_file_keeps_greys_grey_and_the_courses_colours():
    sheet = page.blank(page.panels(["photo", "grey", "bars"], 3, 3))
    draw.photo(sheet["photo"], photo("coffee", 128))
    draw.feature_map(sheet["grey"], photo("cat", 128, channels=1), "grey", colour=palette.INK)
    colours = [palette.of_kind(kind) for kind in list(KINDS)[:4]]
    sheet["bars"].bar(range(4), [1, 0.1, 0.1, 0.1], color=colours)
    picture = sheet.says("3 panels.")
    sent = Image.open(io.BytesIO(picture.encode("png")))
    assert sent.mode == "P"
    pixels = np.asarray(sent.convert("RGB")).astype(int)
    seen = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}
    kinds = [
        tuple(int(palette.of_kind(kind)[at : at + 2], 16) for at in (1, 3, 5)) for kind in list(KINDS)[:4]
    ]
    assert {(255, 255, 255), *kinds} <= seen
    left, right = (round(fraction * pixels.shape[1]) for fraction in sheet["grey"].get_position().intervalx)
    inside = pixels[60:-20, left + 10 : right - 10]
    assert (inside.max(2) == inside.min(2)).all()
