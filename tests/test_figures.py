"""Pictures are tested by their sentences and their artists, not by their pixels."""

import matplotlib
import numpy as np
import pytest
import torch
from pictures import assert_readable, assert_well_made, axes_of
from torch import nn

from convlab import (
    ConvSpec,
    Timing,
    cost,
    kernel,
    measure_receptive_field,
    measure_time,
    photo,
    show_beside,
    show_cost,
    show_costs,
    show_depth,
    show_dilation,
    show_field,
    show_kernels,
    show_maps,
    show_rates,
    show_times,
)
from convlab.pictures import palette

CAT = photo("cat", 61, channels=1)
SEPARABLE = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 8, 1))
TIMINGS = measure_time({"ordinary": nn.Conv2d(4, 8, 3), "separable": SEPARABLE}, (4, 16, 16), repeats=3)


def stacked_fields(rates):
    torch.manual_seed(0)
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding="same", dilation=rate) for rate in rates))
    return [measure_receptive_field(stack[: n + 1], (1, 61, 61)) for n in range(len(rates))]


PICTURES = {
    "maps": lambda: show_maps({"photo": CAT, "half": CAT[..., ::2, ::2]}),
    "beside": lambda: show_beside(CAT, CAT.flip(2)),
    "beside another size": lambda: show_beside(CAT[..., :9], CAT),
    "kernels": lambda: show_kernels(kernel("emboss"), (1, 2)),
    "dilation": lambda: show_dilation(CAT, dilation=3),
    "rates": lambda: show_rates(CAT, rates=(1, 2, 9)),
    "depth": lambda: show_depth(CAT, depth=3),
    "field": lambda: show_field(CAT, stacked_fields([2, 2])[-1]),
    "cost": lambda: show_cost(cost(SEPARABLE, (4, 16, 16))),
    "times": lambda: show_times(TIMINGS),
    "costs": lambda: show_costs({"a": ConvSpec(3, 4, 3), "b": ConvSpec(3, 4, 1)}, (9, 9)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_made(name):
    assert_well_made(PICTURES[name], over=PICTURES["dilation" if name != "dilation" else "depth"])


def test_drawing_leaves_matplotlib_settings_alone():
    before = dict(matplotlib.rcParams)
    for draw in PICTURES.values():
        draw().encode()
    assert dict(matplotlib.rcParams) == before


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


def test_a_photo_in_colour_stands_among_maps():
    axes = axes_of(show_maps({"photo": photo("cat", 20), "half": CAT[..., ::2, ::2]}))
    assert axes["photo"].images[0].get_array().shape == (20, 20, 3)
    assert axes["half"].images[0].get_array().shape == (31, 31)


def test_target_and_yours_stand_on_one_scale_and_their_distance_beside_them():
    target, yours = CAT - 0.5, torch.cat([CAT[..., :20], CAT[..., 20:] + 0.25], dim=3) - 0.5
    picture = show_beside(target, yours)
    axes = axes_of(picture)
    assert list(axes) == ["target", "yours", "how far apart"]
    shown = [np.asarray(axes[name].images[0].get_array()) for name in axes]
    assert axes["target"].images[0].get_clim() == axes["yours"].images[0].get_clim()
    assert np.allclose(shown[0], target[0, 0])
    assert np.allclose(shown[1], yours[0, 0])
    assert np.allclose(shown[2], (yours - target).abs()[0, 0])
    mean = 0.25 * 41 / 61
    assert picture.alt == f"Target and yours are {mean:.2g} apart on average, 0.25 at most."


def test_of_many_maps_those_furthest_apart_are_shown_and_a_photo_in_colour():
    maps = torch.rand(4, 5, 7, generator=torch.Generator().manual_seed(0)) - 0.5
    other = maps.clone()
    other[2, 1, 3] += 1
    axes = axes_of(show_beside(maps, other))
    assert np.allclose(np.asarray(axes["target"].images[0].get_array()), maps[2])
    coloured = axes_of(show_beside(photo("cat", 20), photo("cat", 20).flip(1)))
    assert np.asarray(coloured["yours"].images[0].get_array()).shape == (20, 20, 3)


def test_what_agrees_is_told_to_be_solved_and_other_sizes_by_their_shapes():
    assert show_beside(CAT, CAT + 0.009).alt == "Solved: target and yours agree, to 0.01."
    assert show_beside(CAT, CAT[..., 1:]).alt == "The target is 1×1×61×61, yours 1×1×61×60."
    for nothing in (torch.zeros(3), torch.full((2, 2), float("nan")), torch.zeros(0, 3), ["a"]):
        with pytest.raises(ValueError, match="yours"):
            show_beside(CAT, nothing)


def test_gaps_of_a_kernel_are_empty_and_taps_carry_their_weights():
    picture = show_kernels(kernel("Sobel x"), (3,))
    axes = picture.figure.axes[0]
    cells = axes.images[0].get_array().filled(np.nan)
    assert cells.shape == (7, 7)
    np.testing.assert_array_equal(cells[::3, ::3], kernel("Sobel x").numpy())
    assert np.isnan(cells).sum() == 49 - 9
    assert [text.get_text() for text in axes.texts] == ["−1", "0", "1", "−2", "0", "2", "−1", "0", "1"]


@pytest.mark.parametrize(
    ("rates", "kernel_size", "says"),
    [
        ((1, 2, 5), 3, "sees 289 of 289 (100%): no holes."),
        ((2, 2, 2), 3, "sees 49 of 169 (29%): holes, touched rows up to 2 apart."),
        ((1, 2, 9), 3, "sees 441 of 625 (70.6%): holes, touched rows up to 3 apart."),
        ((1, 1, 8), 5, "sees 1,681 of 1,681 (100%): no holes."),
    ],
)
def test_the_sentence_says_whether_a_stack_has_holes(rates, kernel_size, says):
    assert show_rates(CAT, rates=rates, kernel_size=kernel_size).alt.endswith(says)


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
    with pytest.raises(ValueError, match="with 1, 3 or 4 channels"):
        show_dilation(torch.zeros(1, 2, 9, 9))
    with pytest.raises(ValueError, match="file_format='gif'"):
        PICTURES["maps"]().encode("gif")
    with pytest.raises(ValueError, match="smaller than the effective kernel"):
        show_dilation(CAT[..., :10, :10], dilation=8)


def test_a_wide_field_with_holes_is_enlarged_and_a_dense_one_is_not():
    holes, dense = stacked_fields([2, 4, 8, 8])[-1], stacked_fields([1, 2, 4, 8, 8])[-1]
    assert min(*holes.size, *dense.size) > 41
    axes = axes_of(show_field(CAT, holes))
    assert np.ptp(axes["zoom"].get_xlim()) == 41
    assert "zoom" not in axes_of(show_field(CAT, dense))


def test_a_line_goes_round_the_half_of_a_dense_field():
    dense = stacked_fields([1] * 8)[-1]
    contours = axes_of(show_field(CAT, dense))["heat"].collections
    assert len(contours) == 1
    assert not axes_of(show_field(CAT, stacked_fields([4, 4])[-1]))["heat"].collections


def test_a_field_is_shown_on_a_photo_brought_to_its_size():
    axes = axes_of(show_field(photo("cat"), stacked_fields([1])[-1]))
    assert axes["support"].images[0].get_array().shape == (61, 61, 3)


def test_a_cost_has_a_bar_for_each_layer_in_the_colour_of_its_kind():
    found = cost(SEPARABLE, (4, 16, 16))
    picture = show_cost(found)
    bars = axes_of(picture)["layers"].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(100)
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert colours == [palette.of_kind("depthwise"), palette.of_kind("pointwise")]
    assert f"{found.macs:,} multiply-adds (depthwise 52.9%, pointwise 47.1%)" in picture.alt
    names = {text.get_text() for text in axes_of(picture)["shares"].texts}
    assert {"depthwise", "pointwise", "others"} <= names


def test_times_stand_beside_what_was_promised_but_never_in_the_sentence():
    picture = show_times(TIMINGS)
    assert "separable 23.6 %" in picture.alt
    assert "ms" not in picture.alt
    shares = axes_of(picture)["shares"]
    labels = [text.get_text() for text in shares.texts]
    assert all(label.endswith(" ms") for label in labels)
    points = shares.collections[0].get_offsets()
    assert tuple(points[0]) == pytest.approx((100, 100))
    wanted = [100 * timing.median / TIMINGS["ordinary"].median for timing in TIMINGS.values()]
    assert list(points[:, 1]) == pytest.approx(wanted)


def test_times_may_stand_without_the_roofline():
    picture = show_times(TIMINGS, roofline=False)
    assert list(axes_of(picture)) == ["shares"]
    assert "separable 23.6 %" in picture.alt
    assert "byte" not in picture.alt
    assert_readable(picture.figure)


def test_the_roof_is_the_lower_of_two_yardsticks():
    roof = max(axes_of(show_times(TIMINGS))["roofline"].lines, key=lambda line: len(line.get_xdata()))
    timing = TIMINGS["ordinary"]
    for intensity, speed in zip(roof.get_xdata(), roof.get_ydata(), strict=True):
        assert speed == pytest.approx(min(timing.peak, timing.bandwidth * intensity) / 1e9)


def test_names_of_close_points_stand_apart():
    cost_of = TIMINGS["ordinary"].cost
    close = {f"layer {n}": Timing((0.001 + 1e-6 * n,) * 3, 1, cost_of, 1e10, 1e10) for n in range(4)}
    assert_readable(show_times(close).figure)


def test_what_multiplies_nothing_has_no_cost_or_time_to_show():
    relu = measure_time({"conv": nn.Conv2d(4, 8, 3), "ReLU": nn.ReLU()}, (4, 8, 8), repeats=3)
    with pytest.raises(ValueError, match=r"timings\['ReLU'\] has no multiply-adds"):
        show_times(relu)
    with pytest.raises(ValueError, match="no multiply-adds"):
        show_cost(relu["ReLU"].cost)


def test_nothing_is_not_shown():
    with pytest.raises(ValueError, match=r"maps=\{\} must be"):
        show_maps({})


def test_the_field_of_weights_that_are_zero_is_shown_without_heat():
    layer = nn.Conv2d(1, 1, 11)
    nn.init.zeros_(layer.weight)
    field = measure_receptive_field(layer, (1, 61, 61))
    assert "sees 121 of 121" in show_field(CAT, field).alt


def test_a_product_of_maps_has_a_cost_without_weights():
    class Gram(nn.Module):
        def forward(self, x):
            return x.flatten(2) @ x.flatten(2).transpose(1, 2)

    assert "0 weights" in show_cost(cost(Gram(), (4, 8, 8))).alt


def test_a_cost_says_the_weights_of_a_kernel_that_is_computed():
    found = cost(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 3)), (4, 8, 9))
    assert ", 288 weights, " in show_cost(found).alt


def test_a_cost_names_what_is_not_counted():
    whole = cost(nn.Sequential(nn.Conv2d(4, 8, 3), Spectrum()), (4, 8, 9))
    for picture in (show_cost(whole), show_cost(whole, layer=1)):
        assert picture.alt.endswith(f"{whole.bytes:,} bytes moved; not counted: fft r2c, fft c2c.")
        assert_readable(picture.figure)
    with pytest.raises(ValueError, match="no multiply-adds to show; not counted: fft r2c, fft c2c"):
        show_cost(cost(Spectrum(), (4, 8, 9)))


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.fft(torch.fft.rfft(x))


def test_one_time_alone_is_not_compared():
    with pytest.raises(ValueError, match=r"timings=.* at least 2"):
        show_times({"ordinary": TIMINGS["ordinary"]})
