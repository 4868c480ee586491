"""The pictures and explorers of lesson 00, tested by their sentences and artists."""

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
    kernel,
    photo,
    show_channel_sum,
    show_gallery,
    show_reach,
    show_steps,
    show_window,
)

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


def test_the_gallery_shows_each_kernel_above_its_map():
    picture = show_gallery(SMALL, ["sharpen", "Sobel y"])
    axes = axes_of(picture)
    assert "sharpen 1, Sobel y 0" in picture.alt
    for name in ("sharpen", "Sobel y"):
        np.testing.assert_array_equal(axes[name].images[0].get_array(), kernel(name))
        expected = functional.conv2d(SMALL, kernel(name)[None, None], padding=1)[0, 0]
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
    image = COLOUR.clone()
    if without != "nothing":
        image[:, ["red", "green", "blue"].index(without)] = 0
        assert f"Without the {without} channel" in picture.alt
    expected = functional.conv2d(image, torch.stack(list(FILTERS.values())), padding=1)[0]
    for name, values in zip(FILTERS, expected, strict=True):
        np.testing.assert_allclose(axes[f"map {name}"].images[0].get_array(), values, atol=1e-5)
        assert (axes[f"map {name}"].spines["top"].get_linewidth() > 2) == (name == filter)
    parts = [axes[f"{colour} part"].images[0].get_array() for colour in ("red", "green", "blue")]
    np.testing.assert_allclose(sum(parts), expected[list(FILTERS).index(filter)], atol=1e-5)
    assert len({axes[f"{colour} part"].images[0].get_clim() for colour in ("red", "green", "blue")}) == 1
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


EXPLORERS = {
    "window": (partial(show_window, COFFEE), {"row": (0, 9), "column": (0, 15), "stride": (1, 3)}),
    "steps": (partial(show_steps, SMALL), {"kernel_size": (1, 7), "stride": (1, 4), "padding": (0, 3)}),
    "reach": (partial(show_reach, FACE), {"depth": (1, 5), "kernel_size": (3, 7)}),
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


def test_filters_may_be_even_and_torch_has_no_say_in_it():
    assert "2×4" in show_channel_sum(COLOUR, {"even": torch.ones(3, 2, 4)}).alt
