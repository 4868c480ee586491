"""Pictures are tested by their sentences and their artists, not by their pixels."""

import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convlab import (
    ConvSpec,
    Picture,
    kernel,
    measure_receptive_field,
    photo,
    show_costs,
    show_depth,
    show_dilation,
    show_field,
    show_kernels,
    show_maps,
    show_photo,
    show_rates,
)

CAT = photo("cat", 61, channels=1)


def axes_of(picture):
    return {axes.get_label(): axes for axes in picture.figure.axes}


PICTURES = {
    "photo": lambda figure=None: show_photo(photo("coffee", (40, 60)), figure=figure),
    "maps": lambda figure=None: show_maps({"photo": CAT, "half": CAT[..., ::2, ::2]}, figure=figure),
    "kernels": lambda figure=None: show_kernels(kernel("emboss"), (1, 2), figure=figure),
    "dilation": lambda figure=None: show_dilation(CAT, dilation=3, figure=figure),
    "rates": lambda figure=None: show_rates(CAT, rates=(1, 2, 9), figure=figure),
    "depth": lambda figure=None: show_depth(CAT, depth=3, figure=figure),
    "costs": lambda figure=None: show_costs(
        {"a": ConvSpec(3, 4, 3), "b": ConvSpec(3, 4, 1)}, (9, 9), figure=figure
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_an_image_with_a_sentence_and_numbers(name):
    picture = PICTURES[name]()
    assert isinstance(picture, Picture)
    assert repr(picture) == picture.alt
    assert picture.alt.endswith(".")
    assert any(letter.isdigit() for letter in picture.alt)
    image = Image.open(io.BytesIO(picture._repr_png_()))
    assert image.format == "PNG"
    assert image.size[0] <= 1100
    assert len(np.unique(np.asarray(image))) > 8


@pytest.mark.parametrize("name", PICTURES)
def test_drawing_over_a_used_figure_gives_the_same_picture(name):
    fresh = PICTURES[name]()
    used = PICTURES[name](PICTURES["dilation" if name != "dilation" else "depth"]().figure)
    assert used.encode() == fresh.encode()
    again = PICTURES[name](fresh.figure)
    assert again.figure is fresh.figure
    assert again.encode() == used.encode()


def test_drawing_leaves_matplotlib_settings_alone():
    before = dict(matplotlib.rcParams)
    for draw in PICTURES.values():
        draw().encode()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_cut_off_or_overlaps_other_text(name):
    figure = PICTURES[name]().figure
    figure.canvas.draw()
    boxes = []
    for axes in figure.axes:
        texts = [axes.title, *axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]
        boxes += [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text() and t.get_visible()]
    page = figure.bbox
    for i, (text, box) in enumerate(boxes):
        assert box.x0 >= page.x0, text
        assert box.x1 <= page.x1, text
        assert box.y0 >= page.y0, text
        assert box.y1 <= page.y1, text
        for other, other_box in boxes[:i]:
            assert not box.overlaps(other_box), (text, other)


def test_the_output_shown_is_the_convolution():
    picture = show_dilation(CAT, dilation=4, kernel="Laplacian")
    shown = axes_of(picture)["output"].images[0].get_array()
    expected = torch.nn.functional.conv2d(CAT, kernel("Laplacian")[None, None], dilation=4)
    np.testing.assert_array_equal(shown, expected[0, 0].numpy())
    assert "61×61 becomes 53×53" in picture.alt


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dilation", [1, 3])
def test_the_footprint_is_drawn_where_the_kernel_looks(dilation, padding):
    """Poking any pixel under a drawn tap, and no other, moves the marked output."""
    picture = show_dilation(CAT, dilation=dilation, padding=padding)
    taps = axes_of(picture)["photo"].collections[0].get_offsets()
    layer = nn.Conv2d(1, 1, 3, padding=padding, dilation=dilation)
    shape = layer(CAT).shape[2:]
    field = measure_receptive_field(layer, (1, 61, 61), at=(shape[0] // 2, shape[1] // 2))
    drawn = np.zeros((61, 61), bool)
    for x, y in taps:
        drawn[int(y), int(x)] = True
    np.testing.assert_array_equal(drawn, field.support)


def test_gaps_of_a_kernel_are_empty_and_taps_carry_their_weights():
    picture = show_kernels(kernel("Sobel x"), (3,))
    axes = picture.figure.axes[0]
    cells = axes.images[0].get_array().filled(np.nan)
    assert cells.shape == (7, 7)
    np.testing.assert_array_equal(cells[::3, ::3], kernel("Sobel x").numpy())
    assert np.isnan(cells).sum() == 49 - 9
    assert [text.get_text() for text in axes.texts] == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]


@pytest.mark.parametrize(
    ("rates", "kernel_size", "says"),
    [
        ((1, 2, 5), 3, ["289 of 289 (100%)", "M₂ = 2 ≤ 3", "no holes", "They agree"]),
        ((2, 2, 2), 3, ["49 of 169", "M₂ = 2 ≤ 3", "holes", "disagree"]),
        ((1, 2, 9), 3, ["441 of 625", "M₂ = 5 > 3", "M₁ = 3", "up to 3 apart", "They agree"]),
        ((1, 1, 8), 5, ["1,681 of 1,681", "M₂ = 6 > 5", "no holes", "disagree"]),
        ((2,), 3, ["9 of 25", "Measured: holes"]),
    ],
)
def test_the_verdict_holds_the_rule_against_the_measurement(rates, kernel_size, says):
    picture = show_rates(CAT, rates=rates, kernel_size=kernel_size)
    assert all(words in picture.alt for words in says), picture.alt
    assert "Measured" not in show_rates(CAT, rates=rates, kernel_size=kernel_size, judge=False).alt


def test_a_measured_field_is_shown_with_its_holes():
    field = measure_receptive_field(nn.Conv2d(1, 1, 3, dilation=5), (1, 61, 61))
    picture = show_field(CAT, field)
    assert "11×11 pixels and sees 9 of 121" in picture.alt
    assert axes_of(picture)["support"].get_title() == "9 of 121 pixels touched"


def test_bars_show_weights_and_multiply_adds():
    picture = PICTURES["costs"]()
    widths = {axes.get_label(): [bar.get_width() for bar in axes.patches] for axes in picture.figure.axes}
    assert widths == {"weights": [108, 12], "multiply-adds": [108 * 49, 12 * 81]}


def test_what_cannot_be_drawn_is_refused_in_words():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        show_photo(torch.zeros(1, 2, 9, 9))
    with pytest.raises(ValueError, match="file_format='gif'"):
        PICTURES["photo"]().encode("gif")
    with pytest.raises(ValueError, match="smaller than the effective kernel"):
        show_dilation(CAT[..., :10, :10], dilation=8)
