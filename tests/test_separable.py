"""The pictures of lesson 04, by sentence and artists, and its explorers over their states."""

from functools import partial

import numpy as np
import pytest
import torch
from pictures import assert_well_made, axes_of, sentences
from torch import nn
from torch.nn import functional as F  # noqa: N812

from convlab import Explorer, check, kernel, photo, show_cost_ratio, show_separable_fit, show_two_steps
from convlab.lessons.separable import MIXES, _filters

FILTERS = list(_filters())
CAT = photo("cat", 32)
COFFEE = photo("coffee", (24, 32))

PICTURES = {
    "two steps": partial(show_two_steps, COFFEE),
    "two steps, stride": partial(show_two_steps, CAT, stride=2, red="emboss", output=2),
    "ratio": show_cost_ratio,
    "ratio, 1×1": partial(show_cost_ratio, kernel_size=1, out_channels=1024, in_channels=256),
    "ratio, 7×7": partial(show_cost_ratio, kernel_size=7, out_channels=1),
    "fit": partial(show_separable_fit, CAT),
    "exact fit": partial(show_separable_fit, COFFEE, kernels="random", depth_multiplier=4, output=3),
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_made(name):
    assert_well_made(PICTURES[name], over=PICTURES["ratio" if name != "ratio" else "fit"])


@pytest.mark.parametrize("stride", [1, 2])
def test_the_two_steps_shown_are_torchs_and_so_is_the_ordinary_way(stride):
    names = ("emboss", "Laplacian", "box blur")
    choices = dict(zip(("red", "green", "blue"), names, strict=True))
    picture = show_two_steps(CAT, **choices, stride=stride, output=2)
    axes = axes_of(picture)
    shown = {name: np.asarray(ax.images[0].get_array()) for name, ax in axes.items()}
    spatial = torch.stack([kernel(name) for name in names])
    mixing = torch.tensor(MIXES)
    maps = F.conv2d(CAT, spatial[:, None], stride=stride, padding=1, groups=3)
    outputs = F.conv2d(maps, mixing[:, :, None, None])[0]
    for place, colour in enumerate(("red", "green", "blue")):
        share = MIXES[2][place]
        np.testing.assert_array_equal(shown[f"{colour} kernel"], spatial[place])
        np.testing.assert_array_equal(shown[f"{colour} map"], maps[0, place])
        np.testing.assert_allclose(shown[f"{colour} slice"], share * spatial[place])
    np.testing.assert_array_equal(shown["pointwise"], mixing)
    for place in range(4):
        name = f"output {place}"
        np.testing.assert_allclose(shown[name], outputs[place], atol=1e-5)
        assert (axes[name].spines["top"].get_linewidth() > 2) == (place == 2)
    np.testing.assert_allclose(shown["again"], outputs[2], atol=1e-5)
    (frame,) = {patch.get_bbox().bounds for patch in axes["pointwise"].patches}
    assert frame == (-0.5, 1.5, 3, 1)  # left, top, width, height: round the third row
    size = 32 // stride
    assert f"into 3 maps of {size}×{size}" in picture.alt
    assert "the same four maps with 108 weights instead of 39" in picture.alt
    assert "−0.5, −0.5, 1 times the kernel of red, green, blue" in picture.alt


def test_the_weights_in_the_kernels_are_written_in_them():
    picture = show_two_steps(CAT, red="Sobel x", green="Gaussian blur", blue="sharpen")
    axes = axes_of(picture)
    assert texts(axes["red kernel"]) == ["−1", "0", "1", "−2", "0", "2", "−1", "0", "1"]
    assert texts(axes["green kernel"])[4] == "0.45"
    assert texts(axes["blue kernel"])[:2] == ["−.03", "−.11"]
    assert texts(axes["pointwise"])[1] == "0.6"
    assert texts(axes["red slice"])[:9] == ["−0.3", "0", "0.3", "−0.6", "0", "0.6", "−0.3", "0", "0.3"]


@pytest.mark.parametrize("in_channels", [16, 256])
@pytest.mark.parametrize("out_channels", [1, 16, 1024])
@pytest.mark.parametrize("kernel_size", [1, 7])
def test_the_point_lies_on_its_curve_whatever_the_input_channels(kernel_size, out_channels, in_channels):
    choices = {"kernel_size": kernel_size, "out_channels": out_channels, "in_channels": in_channels}
    curves = axes_of(show_cost_ratio(**choices))["curves"]
    (point,) = (line for line in curves.lines if line.get_marker() == "o")
    x, y = point.get_xdata()[0], point.get_ydata()[0]
    assert x == out_channels
    assert y == pytest.approx(1 / out_channels + 1 / kernel_size**2)
    (strong,) = (line for line in curves.lines if line.get_linewidth() == 4)
    assert y == pytest.approx(np.interp(x, strong.get_xdata(), strong.get_ydata()), rel=0.01)


def test_the_bars_are_the_weights_behind_the_point():
    picture = show_cost_ratio(kernel_size=5, out_channels=32, in_channels=16)
    widths = [bar.get_width() for bar in axes_of(picture)["weights"].patches]
    assert widths == [32 * 16 * 25, 16 * 25, 32 * 16]
    assert "12,800 weights, separable 400 + 512 = 912, a share of 0.071 (1/32 + 1/25)" in picture.alt


def errors_shown(picture):
    return [bar.get_width() for bar in axes_of(picture)["errors"].patches]


@pytest.mark.parametrize("kernels", FILTERS)
def test_each_fit_is_the_nearest_of_its_rank(kernels):
    """Against the singular values: what is left are those that were dropped."""
    picture = show_separable_fit(CAT, kernels=kernels)
    tiles = axes_of(picture)["ordinary kernels"].images[0].get_array()
    weights = np.asarray(tiles).reshape(4, 3, 3, 3).transpose(0, 2, 1, 3)
    values = np.linalg.svd(weights.transpose(1, 0, 2, 3).reshape(3, 4, 9), compute_uv=False)
    for multiplier, error in enumerate(errors_shown(picture), start=1):
        left = np.sqrt((values[:, multiplier:] ** 2).sum() / (values**2).sum())
        assert error == pytest.approx(left, abs=1e-5)


@pytest.mark.parametrize(
    ("kernels", "exact_from"),
    [
        ("one edge, four colours", 1),
        ("sharpen, four strengths", 2),
        ("edge at four angles", 2),
        ("four different jobs", 4),
        ("random", 4),
    ],
)
def test_enough_kernels_for_each_channel_make_the_fit_exact(kernels, exact_from):
    errors = errors_shown(show_separable_fit(CAT, kernels=kernels))
    assert [error < 1e-5 for error in errors] == [m >= exact_from for m in (1, 2, 3, 4)]
    picture = show_separable_fit(CAT, kernels=kernels, depth_multiplier=exact_from, output=3)
    assert (
        f"has {39 * exact_from} and misses their kernels by 0%, output 3 on this photo by 0%" in picture.alt
    )
    wanted, nearest = (axes_of(picture)[name].images[0].get_array() for name in ("wanted map", "nearest map"))
    np.testing.assert_allclose(wanted, nearest, atol=1e-5)


def test_the_difference_shown_is_that_of_the_maps():
    axes = axes_of(show_separable_fit(CAT, kernels="random", output=2))
    maps = [axes[name].images[0].get_array() for name in ("wanted map", "nearest map", "missed")]
    np.testing.assert_allclose(maps[0] - maps[1], maps[2], atol=1e-6)
    error = np.linalg.norm(maps[2]) / np.linalg.norm(maps[0])
    assert axes["missed"].get_title() == f"difference: {error:.0%}"
    assert "on this photo by 0%" in show_separable_fit(torch.full((1, 3, 9, 9), 0.3)).alt
    scales = {axes[name].images[0].get_clim() for name in ("wanted map", "nearest map", "missed")}
    assert len(scales) == 1


CONTROLS = {
    "two steps": (
        partial(show_two_steps, CAT),
        {"green": ["Sobel y", "emboss"], "stride": (1, 2), "output": (0, 3)},
    ),
    "ratio": (show_cost_ratio, {"kernel_size": (1, 7), "out_channels": (1, 1024), "in_channels": (16, 256)}),
    "fit": (partial(show_separable_fit, CAT), {"kernels": FILTERS, "depth_multiplier": (1, 4)}),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_every_state_has_a_sentence_of_its_own(name):
    found = sentences(*CONTROLS[name])
    assert len(set(found)) == len(found)


def test_an_explorer_follows_its_controls():
    assert "at stride 2" in Explorer(*CONTROLS["two steps"][:1], stride=(1, 2)).set(stride=2).sentence


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (partial(show_two_steps, CAT, output=4), "output=4 must be a whole number from 0 to 3"),
        (partial(show_two_steps, CAT, red="blurr"), "red='blurr' must be one of"),
        (partial(show_two_steps, CAT, stride=0), "stride=0 must be"),
        (partial(show_cost_ratio, kernel_size=0), "kernel_size=0 must be"),
        (partial(show_cost_ratio, out_channels=2.5), "out_channels=2.5 must be"),
        (
            partial(show_cost_ratio, out_channels=5000),
            "out_channels=5000 must be a whole number from 1 to 1024",
        ),
        (partial(show_cost_ratio, kernel_size=8), "kernel_size=8 must be a whole number from 1 to 7"),
        (partial(show_separable_fit, CAT, kernels="mine"), "kernels='mine' must be one of"),
        (
            partial(show_separable_fit, CAT, depth_multiplier=5),
            "depth_multiplier=5 must be a whole number from 1 to 4",
        ),
        (partial(show_separable_fit, CAT, output=4), "output=4 must be a whole number from 0 to 3"),
        (partial(show_separable_fit, CAT, output=True), "output=True must be"),
        (partial(show_separable_fit, torch.zeros(3)), "image"),
        (partial(show_separable_fit, CAT[:, :2]), "image"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def separable(
    groups=(True, False),
    bias=True,
    between=nn.Identity,
    behind=nn.Identity,
    fixed=None,
    late=False,
    early=False,
):
    """A reader's layer, right unless told otherwise."""

    class Layer(nn.Module):
        def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=1):
            super().__init__()
            sizes = fixed or (kernel_size, 1 if late else stride, padding)
            first, second = (in_channels if grouped else 1 for grouped in groups)
            maps = out_channels if early else in_channels
            self.depthwise = nn.Conv2d(in_channels, maps, *sizes, groups=first, bias=bias)
            self.between, self.behind = between(), behind()
            self.pointwise = nn.Conv2d(maps, out_channels, 1, stride if late else 1, groups=second)

        def forward(self, x):
            return self.behind(self.pointwise(self.between(self.depthwise(x))))

    return Layer


@pytest.mark.parametrize(
    ("slip", "case", "hint"),
    [
        (
            {"groups": (False, False)},
            "the weight of the depthwise half: target [64, 1, 3, 3], yours [64, 64, 3, 3]",
            "If the second one is larger, groups=in_channels is missing",
        ),
        (
            {"early": True},
            "the weight of the depthwise half: target [64, 1, 3, 3], yours [128, 1, 3, 3]",
            "If the first number is larger, this half makes too many maps",
        ),
        (
            {"groups": (True, True)},
            "the weight of the 1×1: target [128, 64, 1, 1], yours [128, 1, 1, 1]",
            "so it has no groups",
        ),
        ({"bias": False}, "the parameters: target 8960, yours 8896", "Have both halves their biases"),
        ({"between": nn.ReLU}, "the maps of a photo: the largest", "no activation, between or behind"),
        ({"behind": nn.ReLU}, "the maps of a photo: the largest", "no activation, between or behind"),
        ({"fixed": (3, 1, 1)}, "the shape with 5×5 kernels, stride 2 and no", "in place of fixed numbers"),
        ({"fixed": (3,)}, "the shape, 64 to 128 channels: target", "give kernel_size, stride and padding on"),
        ({"late": True}, "the multiply-adds at stride 2: target", "let the depthwise half take the stride"),
    ],
)
def test_a_layer_of_ones_own_is_told_what_is_wrong_with_it(slip, case, hint):
    verdict = check("04/layer", separable(**slip))
    assert verdict.right is False
    assert f"Wrong for {case}" in verdict.said
    assert hint in verdict.said
    assert (verdict.picture is not None) == ("maps" in case)


def test_a_layer_that_is_right_or_a_blank_is_told_so():
    class Blank(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            self.depthwise = self.pointwise = ...

        def forward(self, x): ...

    assert check("04/layer", separable()).right
    assert check("04/layer", Blank).right is None


def by_output(depthwise, pointwise):
    return pointwise * depthwise


def channel_first(depthwise, pointwise):
    return pointwise.transpose(0, 1) * depthwise


def added(depthwise, pointwise):
    return pointwise + depthwise.transpose(0, 1)


def square(depthwise, pointwise):
    k = depthwise.shape[-2]
    return pointwise * depthwise.transpose(0, 1)[..., :k]


def three_to_three(depthwise, pointwise):
    return torch.stack(
        [torch.stack([pointwise[o, c, 0, 0] * depthwise[c, 0] for c in range(3)]) for o in range(3)]
    )


@pytest.mark.parametrize(
    ("merge", "case", "hint"),
    [
        (by_output, "3 to 3 channels: the largest difference", "the channel says which kernel"),
        (channel_first, "3 to 3 channels: the largest difference", "the output stands first"),
        (added, "3 to 3 channels: the largest difference", "pointwise[o, c] times the depthwise kernel"),
        (three_to_three, "3 to 4 channels: target [4, 3, 3, 3], yours [3, 3, 3, 3]", "(C_out, C_in, k, k)"),
        (square, "kernels of 3×5: target [4, 3, 3, 5], yours [4, 3, 3, 3]", "Kernels needn't be square"),
    ],
)
def test_a_kernel_merged_in_a_wrong_way_is_told_in_which(merge, case, hint):
    verdict = check("04/merge", merge)
    assert f"Wrong for {case}" in verdict.said
    assert hint in verdict.said
    assert (verdict.picture is not None) == ("difference" in case)


def products(depthwise, pointwise):
    return pointwise * depthwise.transpose(0, 1)


def test_the_merge_is_the_outer_product_added_up_over_the_kernels_of_each_channel():
    assert check("04/merge", products).right
    assert check("04/merge many", lambda d, p, c: products(d, p).unflatten(1, (c, -1)).sum(2)).right


def each(depthwise, pointwise, channels):
    return products(depthwise, pointwise).unflatten(1, (channels, -1))


ADDED_UP = "The products of a channel's maps are added up"


@pytest.mark.parametrize(
    ("merge", "case", "hint"),
    [
        (lambda d, p, c: products(d, p), "on one channel", ADDED_UP),
        (lambda d, p, c: each(d, p, c)[:, :, -1], "on one channel", "only the last one stays"),
        (lambda d, p, c: each(d, p, c).mean(2), "on one channel", "not divided as for a mean"),
        (
            lambda d, p, c: products(d, p).unflatten(1, (-1, c)).sum(1),
            "on two channels",
            "2 and 3 from channel 1",
        ),
    ],
    ids=["not added up", "overwritten", "a mean", "interleaved"],
)
def test_what_is_wrong_with_the_sum_of_several_kernels_is_told(merge, case, hint):
    said = check("04/merge many", merge).said
    assert said.startswith("✗ Right for depth multiplier 1")
    assert f"Wrong for depth multiplier 2 {case}: " in said
    assert hint in said
