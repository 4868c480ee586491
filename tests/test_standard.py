"""The pictures and explorers of lesson 00, tested by their sentences and artists."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from pictures import assert_well_made, axes_of, sentences
from torch.nn import functional

from convlab import (
    KERNELS,
    ConvSpec,
    Explorer,
    check,
    kernel,
    photo,
    show_channel_sum,
    show_gallery,
    show_reach,
    show_steps,
    show_target,
    show_window,
)
from convlab.lessons.standard import TARGETS

COFFEE = photo("coffee", (12, 18), channels=1).mul(100).round() / 100
SMALL = photo("coffee", 16, channels=1)
COLOUR = photo("astronaut", 24)
FACE = photo("cat", 33)
FILTERS = {
    "grey edges": kernel("Sobel x").expand(3, 3, 3),
    "blue only": torch.stack([torch.zeros(3, 3), torch.zeros(3, 3), kernel("Gaussian blur")]),
    "red minus green": torch.stack([kernel("identity"), -kernel("identity"), torch.zeros(3, 3)]),
}

PICTURES = {
    "window": partial(show_window, COFFEE, row=4, column=7),
    "last window": partial(show_window, COFFEE, row=9, column=15, stride=2, kernel="emboss"),
    "gallery": partial(show_gallery, SMALL, ["box blur", "Laplacian"]),
    "channels": partial(show_channel_sum, COLOUR, FILTERS, filter="blue only"),
    "steps": partial(show_steps, SMALL, stride=2, padding=1),
    "reach": partial(show_reach, FACE, depth=4),
    "target": partial(show_target, SMALL, target="edge"),
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def boxes(axes, filled=None):
    """(left, top, width, height) of the frames, in pixels whose middles are whole numbers."""
    found = [p for p in axes.patches if filled is None or p.get_fill() == filled]
    return [(p.get_x() + 0.5, p.get_y() + 0.5, p.get_width(), p.get_height()) for p in found]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_made(name):
    assert_well_made(PICTURES[name], over=PICTURES["reach" if name != "reach" else "window"])


@pytest.mark.parametrize(
    ("name", "row", "column", "stride"),
    [("box blur", 0, 0, 1), ("sharpen", 4, 7, 1), ("Sobel x", 9, 15, 2), ("Laplacian", 5, 8, 3)],
)
def test_patch_times_kernel_adds_up_to_the_output_pixel(name, row, column, stride):
    picture = show_window(COFFEE, row=row, column=column, kernel=name, stride=stride)
    axes = axes_of(picture)
    at = row // stride, column // stride
    y, x = at[0] * stride, at[1] * stride
    patch = COFFEE[0, 0, y : y + 3, x : x + 3]
    total = functional.conv2d(COFFEE, kernel(name)[None, None], stride=stride)[0, 0][at]
    assert float((patch * kernel(name)).sum()) == pytest.approx(float(total), abs=1e-5)
    written = [float(text.replace("−", "-")) for text in texts(axes["patch"])[:9]]
    np.testing.assert_allclose(written, patch.flatten(), atol=1e-5)
    np.testing.assert_allclose(axes["products"].images[0].get_array(), patch * kernel(name), atol=0.006)
    assert float(texts(axes["sum"])[0].replace("−", "-")) == pytest.approx(float(total), abs=0.006)
    assert f"row {y}, column {x}" in picture.alt


@pytest.mark.parametrize("stride", [1, 3])
def test_the_window_frames_the_patch_and_the_map_is_filled_up_to_its_pixel(stride):
    picture = show_window(COFFEE, row=5, column=7, stride=stride)
    axes = axes_of(picture)
    rows, columns = ConvSpec(1, 1, 3, stride=stride).output_size((12, 18))
    row, column = 5 // stride, 7 // stride
    assert set(boxes(axes["photo"])) == {(column * stride, row * stride, 3, 3)}
    top, left = (12 - rows) / 2, (18 - columns) / 2
    assert set(boxes(axes["output"], filled=False)) == {(left + column, top + row, 1, 1)}
    hidden = sum(width * height for _, _, width, height in boxes(axes["output"], filled=True))
    number = row * columns + column + 1
    assert hidden == rows * columns - number
    assert f"has {number} of its {rows * columns} pixels; 12×18 becomes {rows}×{columns}." in picture.alt


def test_what_is_written_beside_the_window_adds_up():
    for row, column in ((2, 3), (4, 7), (9, 15)):
        axes = axes_of(show_window(photo("coffee", (12, 18)), row=row, column=column, kernel="Sobel x"))
        written = {
            label: [float(text.replace("−", "-")) for text in texts(axes[label])[:9]]
            for label in ("patch", "kernel", "products", "sum")
        }
        pairs = zip(written["patch"], written["kernel"], strict=True)
        assert [pixel * weight for pixel, weight in pairs] == pytest.approx(written["products"])
        assert sum(written["products"]) == pytest.approx(written["sum"][0])


def test_the_gallery_shows_each_kernel_above_its_map():
    picture = show_gallery(SMALL, ["sharpen", "Sobel y"])
    axes = axes_of(picture)
    assert "sharpen 1, Sobel y 0" in picture.alt
    for name in ("sharpen", "Sobel y"):
        np.testing.assert_array_equal(axes[name].images[0].get_array(), kernel(name))
        expected = functional.conv2d(SMALL, kernel(name)[None, None])[0, 0]
        np.testing.assert_allclose(axes[f"{name} map"].images[0].get_array(), expected, atol=1e-6)
    # Weights that add up to 1 give a photo, between black and white; the others have zero in the middle.
    assert axes["sharpen map"].images[0].get_clim() == (0, 1)
    low, high = axes["Sobel y map"].images[0].get_clim()
    assert low == -high


@pytest.mark.parametrize(
    ("filter", "without"),
    [("grey edges", "nothing"), ("grey edges", "green"), ("blue only", "blue"), ("red minus green", "red")],
)
def test_the_three_parts_add_up_to_the_map_of_the_chosen_filter(filter, without):
    picture = show_channel_sum(COLOUR, FILTERS, filter=filter, without=without)
    axes = axes_of(picture)
    image = COLOUR.mul(100).round() / 100
    if without != "nothing":
        image[:, ["red", "green", "blue"].index(without)] = 0
        assert f"Without the {without} channel" in picture.alt
    expected = functional.conv2d(image, torch.stack(list(FILTERS.values())))[0]
    for name, values in zip(FILTERS, expected, strict=True):
        np.testing.assert_allclose(axes[f"map {name}"].images[0].get_array(), values, atol=1e-5)
        assert (axes[f"map {name}"].spines["top"].get_linewidth() > 2) == (name == filter)
    parts = [axes[f"{colour} part"].images[0].get_array() for colour in ("red", "green", "blue")]
    np.testing.assert_allclose(sum(parts), expected[list(FILTERS).index(filter)], atol=1e-5)
    (limits,) = {axes[f"{colour} part"].images[0].get_clim() for colour in ("red", "green", "blue")}
    assert limits[0] == (0 if filter == "blue only" else -limits[1]), "without negative numbers black is 0"
    said = re.search(r"parts are (.*), and .* their sum, (.*)\. Maps", picture.alt.replace("−", "-"))
    assert sum(map(float, re.split(", | and ", said[1]))) == pytest.approx(float(said[2]))
    assert "27 weights" in picture.alt
    assert "Maps that come out: 3" in picture.alt


@pytest.mark.parametrize(("k", "s", "p"), [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 4, 2), (7, 3, 3)])
def test_steps_show_as_many_windows_as_torch_makes_outputs(k, s, p):
    picture = show_steps(SMALL, kernel_size=k, stride=s, padding=p)
    axes = axes_of(picture)
    expected = functional.conv2d(SMALL, torch.full((1, 1, k, k), 1 / k**2), stride=s, padding=p)
    count = expected.shape[-1]
    np.testing.assert_allclose(axes["output"].images[0].get_array(), expected[0, 0], atol=1e-5)
    centres = axes["photo"].collections[-1].get_offsets()
    assert len(centres) == count**2
    assert centres[1][0] - centres[0][0] == s
    (bars,) = [c for c in axes["windows"].collections if len(c.get_paths()) == count]
    assert {path.get_extents().width for path in bars.get_paths()} == {k}
    assert f"16×16 becomes {count}×{count}" in picture.alt
    unused = 16 + 2 * p - (s * (count - 1) + k)
    assert (f"no window sees: {unused}." in picture.alt) == (unused > 0)
    assert len(axes["windows"].patches) == (unused > 0)


def test_reach_frames_grow_by_the_kernel_less_one():
    picture = show_reach(FACE, depth=3, kernel_size=5)
    axes = axes_of(picture)
    assert {width for _, _, width, _ in boxes(axes["photo"])} == {1, 5, 9, 13}
    assert all(left + (width - 1) / 2 == 16 for left, _, width, _ in boxes(axes["photo"]))
    assert texts(axes["paths"]) == ["layer 1", "layer 2", "layer 3"]
    assert "one output sees 5×5 → 9×9 → 13×13 pixels. That takes 75 weights" in picture.alt


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_solved_by_its_own_numbers_alone_and_nothing_gives_them_away(target):
    start, solved = show_target(FACE, target=target), show_target(FACE, target=target, kernel=TARGETS[target])
    assert start.figure.get_size_inches().tolist() == solved.figure.get_size_inches().tolist()
    assert solved.alt == f"{target}, by your own kernel: Solved: target and yours agree, to 0.01."
    assert start.alt.startswith(f"{target}, by identity: Target and yours are 0.")
    off = TARGETS[target] + 0.25 * kernel("identity")
    assert "Solved" not in show_target(FACE, target=target, kernel=off).alt
    assert abs(TARGETS[target]).max() <= 4
    assert not any(torch.allclose(make(3), TARGETS[target], atol=0.05) for make in KERNELS.values())
    axes = axes_of(solved)
    assert axes["target"].images[0].get_clim() == axes["yours"].images[0].get_clim()


def test_the_targets_are_what_they_are_called():
    def made(target):
        return functional.conv2d(FACE.mean(1, keepdim=True), TARGETS[target][None, None])[0, 0]

    grey = FACE.mean(1)[0]
    torch.testing.assert_close(made("shift"), grey[:-2, 1:-1])
    torch.testing.assert_close(made("edge"), grey[1:-1, 2:] - grey[1:-1, :-2])
    assert made("sharpening").std() > grey.std()


def convolve(image, weight, stride, rows=None, flip=False, channels=None, keep=False, k=None, step=None):
    """The loop, and what readers get wrong in it."""
    k, step = k or weight.shape[-1], stride if step is None else step
    weight = weight.flip(2, 3) if flip else weight
    high, wide = ((rows or (lambda n, k, s: (n - k) // s + 1))(n, k, stride) for n in image.shape[1:])
    output = torch.zeros(len(weight), high, wide)
    for y in range(high):
        for x in range(wide):
            window = image[:channels, y * step : y * step + k, x * step : x * step + k]
            output[:, y, x] = (weight[:, :channels] * window).sum((1, 2, 3))
    return output.cumsum(0) if keep else output


LOOPS = {
    "right": ({}, "✓ Right in all 6 cases"),
    "flipped": ({"flip": True}, "✗ Wrong for one channel and one filter: .* weight \\[i, j\\] belongs"),
    "as large as the photo": ({"rows": lambda n, k, s: n // s}, "Wrong for one channel .* as many columns"),
    "one channel": (
        {"channels": 1},
        "Right for one channel .* Wrong for 3 channels: .* added up",
    ),
    "sums go on": ({"keep": True}, "Wrong for 3 filters: .* starts its sums at 0"),
    "always three": ({"k": 3}, "Wrong for a 2×2 kernel: .* Nothing may be fixed to 3"),
    "stride forgotten": ({"step": 1}, "Wrong for stride 2: .* corner is at row y · stride"),
    "one place too few": (
        {"rows": lambda n, k, s: (n - k + 1) // s},
        "Wrong for stride 2: .* where it starts",
    ),
    "rounded up": ({"rows": lambda n, k, s: -((k - n) // s) + 1}, "Wrong for stride 3, which does.* round"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_that_is_wrong_is_told_in_which_case_and_what_that_suggests(name):
    wrong, said = LOOPS[name]
    verdict = check("00/loop", partial(convolve, **wrong))
    assert re.search(said, verdict.said)
    assert verdict.right is (name == "right")
    if name in ("flipped", "stride forgotten"):
        assert "Target and yours are" in verdict.picture.alt


def price(in_channels, out_channels, kernel_size, stride, padding, size):
    places = (size + 2 * padding - kernel_size) // stride + 1
    weights = kernel_size**2 * in_channels * out_channels
    return weights, weights * places**2


def rounding(rounded):
    """The price where the number of places is rounded in another way."""

    def wrong(i, o, k, s, p, n):
        return i * o * k**2, i * o * k**2 * rounded((n + 2 * p - k) / s) ** 2

    return wrong


PRICES = {
    "right": (price, "✓ Right in all 9 cases"),
    "one number": (lambda *g: price(*g)[1], "Wrong for the weights of one kernel: .* Return two numbers"),
    "swapped": (lambda *g: price(*g)[::-1], "Wrong for the weights of one kernel: .* weights first"),
    "not squared": (
        lambda i, o, k, s, p, n: (i * o * k, price(i, o, k, s, p, n)[1]),
        "Wrong for the weights of one kernel: target 9, yours 3.* k · k",
    ),
    "another operator": (
        lambda i, o, k, s, p, n: (i * o * (k ^ 2), 0),
        "Wrong for the weights of one kernel: .* not k\\^2",
    ),
    "biases": (
        lambda i, o, k, s, p, n: (o * (i * k**2 + 1), price(i, o, k, s, p, n)[1]),
        "Wrong for the weights of one kernel: target 9, yours 10.* biases don't count",
    ),
    "grey": (
        lambda i, *g: price(1, *g),
        "Wrong for the weights of 4 filters on 3 channels: .* every input",
    ),
    "every pixel": (
        lambda *g: (price(*g)[0], price(*g)[0] * g[-1] ** 2),
        "Wrong for multiply-adds: .* places",
    ),
    "one row": (rounding(lambda steps: (steps // 1 + 1) ** 0.5), "Wrong for multiply-adds: .* as many down"),
    "one side": (
        lambda i, o, k, s, p, n: price(i, o, k, s, 0, n + p),
        "Wrong for padding 2: .* both sides",
    ),
    "no stride": (lambda i, o, k, s, p, n: price(i, o, k, 1, p, n), "Wrong for stride 2: .* whole steps"),
    "padding late": (
        lambda i, o, k, s, p, n: price(i, o, k, s, p * s, n),
        "Wrong for stride and padding: .* Padding comes first",
    ),
    "to the nearest": (rounding(lambda steps: round(steps + 1)), "Wrong for stride 3, two .* round down"),
    "not rounded": (rounding(lambda steps: steps + 1), "Wrong for stride 2: .* with //"),
}


@pytest.mark.parametrize("name", PRICES)
def test_a_price_that_is_wrong_is_told_in_which_case_and_what_that_suggests(name):
    answer, said = PRICES[name]
    assert re.search(said, check("00/cost", answer).said)


def shift_kernel(rows, columns):
    weights = torch.zeros(5, 5)
    weights[2 - rows, 2 - columns] = 1
    return weights


SHIFTS = {
    "right": (shift_kernel, "✓ Right in all 5 cases"),
    "nothing": (lambda rows, columns: torch.zeros(5, 5), "Wrong for a photo that stays: .* middle"),
    "flipped": (
        lambda rows, columns: shift_kernel(-rows, -columns),
        "Wrong for down and right: .* not flipped",
    ),
    "swapped": (lambda rows, columns: shift_kernel(columns, rows), "Wrong for right by 2: .* first index"),
    "never up": (lambda rows, columns: shift_kernel(abs(rows), columns), "Wrong for up by 2.* other way"),
    "never left": (lambda rows, columns: shift_kernel(rows, abs(columns)), "Wrong for down by 1, left by 2"),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_that_is_wrong_is_told_in_which_case_and_what_that_suggests(name):
    answer, said = SHIFTS[name]
    assert re.search(said, check("00/shift", answer).said)


EXPLORERS = {
    "window": (partial(show_window, COFFEE), {"row": (0, 9), "column": (0, 15), "stride": (1, 3)}),
    "steps": (partial(show_steps, SMALL), {"kernel_size": (1, 7), "stride": (1, 4), "padding": (0, 3)}),
    "reach": (partial(show_reach, FACE), {"depth": (1, 5), "kernel_size": (3, 7)}),
    "target": (partial(show_target, SMALL), {"target": TARGETS, "kernel": ("identity", "box blur")}),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_no_state_that_a_control_can_reach_is_an_error(name):
    found = sentences(*EXPLORERS[name])
    assert len(set(found)) == len(found)


def test_an_explorer_follows_its_controls():
    window = Explorer(partial(show_window, COFFEE), row=range(10), column=range(16), kernel=list(KERNELS))
    assert "row 2, column 3" in window.sentence
    assert window.set(kernel="box blur").sentence.startswith("box blur")


def test_what_cannot_be_drawn_is_refused_with_name_and_value():
    with pytest.raises(ValueError, match="row=10 must be a whole number from 0 to 9"):
        show_window(COFFEE, row=10)
    with pytest.raises(ValueError, match="column=-1 must be"):
        show_window(COFFEE, column=-1)
    with pytest.raises(ValueError, match="stride=0 must be"):
        show_window(COFFEE, stride=0)
    with pytest.raises(ValueError, match=r"kernels=\[\] must be"):
        show_gallery(SMALL, [])
    with pytest.raises(ValueError, match="kernels='blur' must be one of"):
        show_gallery(SMALL, ["blur"])
    with pytest.raises(ValueError, match="filter='sepia' must be one of: grey edges"):
        show_channel_sum(COLOUR, FILTERS, filter="sepia")
    with pytest.raises(ValueError, match="without='luma' must be one of"):
        show_channel_sum(COLOUR, FILTERS, without="luma")
    with pytest.raises(ValueError, match="filters="):
        show_channel_sum(COLOUR, {})
    with pytest.raises(ValueError, match="image of 2×9 pixels has no room for a 3×3 kernel"):
        show_gallery(torch.zeros(2, 9), ["sharpen"])
    with pytest.raises(ValueError, match="image of 9×3 pixels has no room for a 2×4 kernel"):
        show_channel_sum(torch.zeros(9, 3), {"even": torch.ones(3, 2, 4)})
    with pytest.raises(ValueError, match="target='blur' must be one of: shift, edge, sharpening"):
        show_target(SMALL, target="blur")
    with pytest.raises(ValueError, match="smaller than the effective kernel"):
        show_steps(SMALL, kernel_size=17)
    with pytest.raises(ValueError, match="kernel_size=4 must be an odd"):
        show_reach(FACE, kernel_size=4)
    with pytest.raises(ValueError, match="depth=17 sees 35 pixels"):
        show_reach(FACE, depth=17)
    with pytest.raises(ValueError, match="kernel_size='3' must be an odd"):
        show_reach(FACE, kernel_size="3")
    with pytest.raises(ValueError, match="padding=-1 must be"):
        show_steps(SMALL, padding=-1)


def test_filters_may_be_even():
    assert "2×4" in show_channel_sum(COLOUR, {"even": torch.ones(3, 2, 4)}).alt
