"""The pictures of lesson 01, by their sentences and artists, its explorers, driven, and its tasks."""

from functools import partial
from math import floor

import numpy as np
import pytest
import torch
from pictures import assert_well_made, axes_of, sentences
from torch import nn
from torch.nn.functional import conv2d

from convlab import (
    MIXES,
    Explorer,
    check,
    photo,
    show_bottleneck,
    show_collapse,
    show_colour_target,
    show_mix,
    show_weighted_sum,
)
from convlab.lessons.pointwise import MATRICES, TARGETS, best_single_layer, bottleneck, break_even

ASTRONAUT = photo("astronaut", 48)

PICTURES = {
    "mix of one": partial(show_mix, ASTRONAUT, mix="luma"),
    "mix in colour": partial(show_mix, ASTRONAUT, mix="sepia"),
    "mix of three": partial(show_mix, ASTRONAUT, mix="opponent colours"),
    "colour target": partial(show_colour_target, ASTRONAUT, target="grey from ¼, ½, ¼"),
    "weighted sum": partial(show_weighted_sum, ASTRONAUT, red_percent=-100, blue_percent=50),
    "collapse": partial(show_collapse, ASTRONAUT),
    "bottleneck": partial(show_bottleneck, middle=48, kernel_size=5),
    "wide bottleneck": partial(show_bottleneck, middle=256, kernel_size=1),
}


def shown(axes):
    return np.asarray(axes.images[0].get_array())


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_made(name):
    assert_well_made(
        PICTURES[name], over=PICTURES["mix of three" if name != "mix of three" else "bottleneck"]
    )


def matrix_of(mix):
    return torch.tensor(list(MIXES[mix].values()))


def test_luma_is_the_grey_that_pillow_makes():
    colour, grey = photo("coffee"), photo("coffee", channels=1)
    luma = conv2d(colour, matrix_of("luma")[:, :, None, None])
    assert (luma - grey).abs().max() < 1 / 255


def test_mixes_do_what_their_names_say():
    grey, yellow = torch.ones(3), torch.tensor([1.0, 1.0, 0.0])
    opponents = matrix_of("opponent colours")
    torch.testing.assert_close(opponents @ grey, torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(opponents @ yellow, torch.tensor([0.886, 0.0, 1.0]))
    brown = matrix_of("sepia") @ grey
    assert brown[0] > brown[1] > brown[2]


def test_the_maps_shown_are_the_1x1_convolution_of_the_photo():
    axes, matrix = axes_of(show_mix(ASTRONAUT, mix="opponent colours")), matrix_of("opponent colours")
    expected = conv2d(ASTRONAUT, matrix[:, :, None, None])[0].numpy()
    for name, channel in zip(MIXES["opponent colours"], expected, strict=True):
        np.testing.assert_array_equal(shown(axes[f"out {name}"]), channel)
    np.testing.assert_array_equal(shown(axes["matrix"]), matrix.numpy())
    for channel, colour in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(shown(axes[colour]), ASTRONAUT[0, channel].numpy())


def test_sepia_is_shown_in_colour_and_luma_in_grey():
    sepia, luma = (axes_of(show_mix(ASTRONAUT, mix=mix))["output"] for mix in ("sepia", "luma"))
    assert shown(sepia).shape == (48, 48, 3)
    assert shown(luma).shape == (48, 48)


def test_the_sentence_of_a_mix_has_shape_weights_and_what_comes_out():
    picture = show_mix(ASTRONAUT, mix="opponent colours")
    assert "3×3 = 9 weights makes 3 channels of 3, and 48×48 stays 48×48" in picture.alt
    grey = photo("astronaut", 48, channels=1)
    assert f"luma {grey.min():.2f} to {grey.max():.2f}" in picture.alt


@pytest.mark.parametrize("target", TARGETS)
def test_a_colour_target_is_solved_by_its_own_matrix_and_by_no_start(target):
    assert "Solved" in show_colour_target(ASTRONAUT, target=target, matrix=TARGETS[target]).alt
    assert (TARGETS[target] * 4 == (TARGETS[target] * 4).round()).all(), "quarters, as the hand reaches them"
    for start in MATRICES:
        assert "apart on average" in show_colour_target(ASTRONAUT, target=target, matrix=start).alt


def test_the_sentence_of_a_colour_target_does_not_give_the_matrix_away():
    apart = (ASTRONAUT - ASTRONAUT.flip(1)).abs()
    assert show_colour_target(ASTRONAUT).alt == (
        f"To make: red and blue swapped. Target and yours are {apart.mean():.2g} apart on average, "
        f"{apart.max():.2g} at most."
    )


def test_in_its_targets_grey_stays_grey_but_in_the_brown():
    sums = {name: matrix.sum(1).tolist() for name, matrix in TARGETS.items()}
    brown = sums.pop("a brown, not sepia")
    assert brown == [1.25, 1, 0.75]
    assert all(rows == [1, 1, 1] for rows in sums.values())


def test_a_weighted_sum_shows_its_three_terms_and_their_sum():
    picture = show_weighted_sum(ASTRONAUT, red_percent=50, green_percent=-25, blue_percent=0)
    axes = axes_of(picture)
    assert [axes[c].get_title() for c in ("red", "green", "blue")] == [
        "0.5 × red",
        "−0.25 × green",
        "0 × blue",
    ]
    assert [axes[c].texts[0].get_text() for c in ("red", "green", "blue")] == ["+", "+", "="]
    for colour, values, weight in zip(("red", "green", "blue"), ASTRONAUT[0], (0.5, -0.25, 0), strict=True):
        np.testing.assert_allclose(shown(axes[colour]), weight * values, atol=1e-6)
    expected = 0.5 * ASTRONAUT[0, 0] - 0.25 * ASTRONAUT[0, 1]
    np.testing.assert_allclose(shown(axes["output"]), expected, atol=1e-6)
    assert f"with mean {expected.mean():.2f}" in picture.alt


@pytest.mark.parametrize(
    ("percents", "black", "white", "said"),
    [
        ((100, 0, 0), 0, 1, "black 0, white 1."),
        ((50, 0, 25), 0, 1, "black 0, white 1."),
        ((100, 100, 100), 0, 3, "black 0, white 3."),
        ((100, 0, -100), -1, 1, "black −1, mid-grey 0, white 1."),
        ((-100, -100, 50), -2, 2, "black −2, mid-grey 0, white 2."),
    ],
)
def test_the_terms_of_a_weighted_sum_and_the_sum_have_one_scale_which_is_told(percents, black, white, said):
    given = zip(("red_percent", "green_percent", "blue_percent"), percents, strict=True)
    picture = show_weighted_sum(ASTRONAUT, **dict(given))
    axes = axes_of(picture)
    scales = {axes[name].images[0].get_clim() for name in ("red", "green", "blue", "output")}
    assert scales == {(black, white)}
    assert picture.alt.endswith(f"Drawn with {said}")
    assert f"in all four maps: {said}".startswith(axes["green"].texts[-1].get_text())


def test_numbers_have_a_true_minus_sign_and_zero_has_none():
    output = ASTRONAUT[0, 0] - ASTRONAUT[0, 1]
    lies = f"between −{-output.min():.2f} and {output.max():.2f}"
    assert lies in show_weighted_sum(ASTRONAUT, green_percent=-100).alt
    nearly = show_weighted_sum(torch.full((1, 3, 9, 9), 1e-4), red_percent=-100, green_percent=0)
    assert "between 0.00 and 0.00, with mean 0.00" in nearly.alt


def test_the_best_single_layer_is_a_least_squares_fit():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        torch.testing.assert_close(
            best_single_layer(ASTRONAUT, layer(ASTRONAUT)), layer(ASTRONAUT), atol=1e-4, rtol=0
        )
    target = ASTRONAUT.square()
    residual = (target - best_single_layer(ASTRONAUT, target))[0].flatten(1)
    assert residual.mean(1).abs().max() < 1e-5  # what is left is orthogonal to all that was offered
    assert (residual @ ASTRONAUT[0].flatten(1).T / residual.shape[1]).abs().max() < 1e-5
    assert residual.abs().max() > 0.05


@pytest.mark.parametrize("middle", [1, 2, 16])
def test_layers_with_nothing_between_collapse_and_with_a_relu_they_do_not(middle):
    straight = show_collapse(ASTRONAUT, between="nothing", middle=middle)
    assert "relative error below 0.0001" in straight.alt
    assert np.abs(shown(axes_of(straight)["residual"])).max() < 1e-4
    bent = show_collapse(ASTRONAUT, between="ReLU", middle=middle)
    assert 0.1 < float(bent.alt.rstrip(".").rpartition(" ")[2]) <= 1
    assert "relative error below 0.0001" in show_collapse(torch.full((1, 3, 9, 9), 0.3), middle=middle).alt
    axes = axes_of(bent)
    target, fit, residual = (shown(axes[name]) for name in ("target", "fit", "residual"))
    np.testing.assert_allclose(target - fit, residual, atol=1e-6)
    assert len({axes[name].images[0].get_clim() for name in ("target", "fit", "residual")}) == 1


def test_drawing_leaves_the_random_numbers_of_the_reader_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    show_collapse(ASTRONAUT)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_break_even_is_where_the_bottleneck_stops_paying(kernel_size):
    def weights(middle):
        modules = [spec.module() for spec in bottleneck(64, middle, kernel_size)]
        return sum(module.weight.numel() for module in modules)

    direct = nn.Conv2d(64, 64, kernel_size, bias=False).weight.numel()
    even = floor(break_even(64, kernel_size))
    assert weights(even) < direct < weights(even + 1)


def test_the_bottleneck_of_resnet_has_the_numbers_of_the_paper():
    picture = show_bottleneck(middle=64)
    assert "69,632 weights and 218 M multiply-adds on 56×56, 12% of the direct 3×3" in picture.alt
    assert "589,824 and 1,850 M multiply-adds" in picture.alt
    assert "Break-even is at 229.1" in picture.alt
    bars = [(bar.get_x(), bar.get_width()) for bar in axes_of(picture)["bars"].patches]
    assert bars == [(0, 589_824), (0, 16_384), (16_384, 36_864), (53_248, 16_384)]
    curve = axes_of(picture)["curve"].lines[2].get_xydata()
    assert curve[-1] == pytest.approx((256, 100 * (2 + 9) / 9))


@pytest.mark.parametrize("kernel_size", [1, 5])
def test_the_labels_of_the_curve_stand_clear_of_the_line_at_100_per_cent(kernel_size):
    picture = show_bottleneck(middle=256, kernel_size=kernel_size)
    curve = axes_of(picture)["curve"]
    picture.figure.canvas.draw()
    line = curve.transData.transform((0, 100))[1]
    assert all(text.get_window_extent().y0 > line + 2 for text in curve.texts)


GREY = torch.tensor([0.299, 0.587, 0.114])


def kernel_of(matrix):
    return matrix[:, :, None, None]


def layers(*widths, kernel_sizes=(1, 3, 1), paddings=(0, 1, 0), bias=False):
    each = zip(widths, widths[1:], kernel_sizes, paddings, strict=False)
    return nn.Sequential(*(nn.Conv2d(a, b, k, padding=p, bias=bias) for a, b, k, p in each))


def two_layers(channels, middle):
    return layers(channels, middle, channels)


WRONG = {
    "colour matrix": {
        "two axes": (lambda amount: torch.eye(3), "yours (3, 3). With amount 1", "four axes"),
        "the amounts swapped": (
            lambda amount: kernel_of((1 - amount) * torch.eye(3) + amount * GREY),
            "Wrong for amount 1",
            "keep its own value",
        ),
        "a column for a row": (
            lambda amount: kernel_of(amount * torch.eye(3) + (1 - amount) * GREY[:, None]),
            "Right for amount 1, the photo as it is. Wrong for amount 0",
            "each row holds the three weights of GREY",
        ),
        "grey in its own channel": (
            lambda amount: kernel_of(amount * torch.eye(3) + (1 - amount) * torch.diag(GREY)),
            "Wrong for amount 0",
            "each row holds",
        ),
        "no negative grey": (
            lambda amount: kernel_of(amount * torch.eye(3) + max(1 - amount, 0) * GREY),
            "Wrong for amount 2, stronger colours",
            "(1 − amount) times",
        ),
        "whole amounts": (
            lambda amount: kernel_of(int(amount) * torch.eye(3) + (1 - int(amount)) * GREY),
            "stronger colours. Wrong for amount 1.5",
            "need not be a whole number",
        ),
    },
    "bottleneck": {
        "a list": (
            lambda c, m: nn.Sequential([nn.Conv2d(c, m, 1), nn.Conv2d(m, m, 3), nn.Conv2d(m, c, 1)]),
            "Wrong for the kernels: it stopped",
            "without the brackets of a list",
        ),
        "two layers": (
            two_layers,
            "target [(1, 1), (3, 3), (1, 1)], yours [(1, 1), (3, 3)]",
            "are asked for",
        ),
        "the 3×3 on the way down": (
            lambda c, m: layers(c, m, m, c, kernel_sizes=(3, 1, 1)),
            "Wrong for the kernels",
            "1×1, 3×3 and 1×1",
        ),
        "a kernel of 1×9": (
            lambda c, m: layers(c, m, m, c, kernel_sizes=(1, (1, 9), 1), paddings=(0, (0, 4), 0)),
            "Wrong for the kernels",
            "1×1, 3×3 and 1×1",
        ),
        "no padding": (
            lambda c, m: layers(c, m, m, c, paddings=(0, 0, 0)),
            "target (1, 256, 20, 28), yours (1, 256, 18, 26)",
            "padding=1",
        ),
        "not up again": (lambda c, m: layers(c, m, m, m), "yours (1, 64, 20, 28)", "go back up"),
        "channels that do not fit": (
            lambda c, m: nn.Sequential(*(layers(c, m, m, c)[:2]), nn.Conv2d(c, c, 1)),
            "Wrong for the shape at 256 and 64: it stopped",
            "as the one before gives",
        ),
        "a middle of all channels": (
            lambda c, m: layers(c, c, c, c),
            "Wrong for the weights at 256 and 64",
            "on 64 channels on both sides",
        ),
        "biases": (
            lambda c, m: layers(c, m, m, c, bias=True),
            "Wrong for no biases: target 0, yours 384",
            "bias=False",
        ),
        "its numbers written out": (
            lambda c, m: layers(256, 64, 64, 256),
            "Wrong for the shape at 96 and 40: it stopped",
            "from channels and middle",
        ),
        "its middle written out": (
            lambda c, m: layers(c, 64, 64, c),
            "Wrong for the weights at 96 and 40: target 22080",
            "from channels and middle",
        ),
        "a quarter": (
            lambda c, m: layers(c, c // 4, c // 4, c),
            "Wrong for the weights at 96 and 40",
            "from channels and middle",
        ),
        "padding behind": (
            lambda c, m: layers(c, m, m, c, paddings=(0, 0, 1)),
            "Wrong for what its layers make of maps",
            "Only the 3×3 needs padding",
        ),
    },
    "pointwise": {
        "the matrix turned": (
            lambda image, weight: (weight.T @ image.flatten(2)).reshape(image.shape),
            "Wrong for 3 to 3 channels on a square photo",
            "weight @ column",
        ),
        "a square taken for granted": (
            lambda image, weight: (weight @ image.flatten(2)).reshape(1, -1, *(image.shape[2:][::-1])),
            "Right for 3 to 3 channels on a square photo. Wrong for a photo of 64×96",
            "Take both from image.shape",
        ),
        "the channels of the image": (
            lambda image, weight: (weight @ image.flatten(2)).reshape(image.shape),
            "Wrong for 3 to 5 channels: it stopped",
            "as weight has rows",
        ),
        "one channel dropped": (
            lambda image, weight: torch.einsum("oc,nchw->nohw", weight, image).squeeze(1),
            "Wrong for 3 to 1 channel: the target has shape (1, 1, 64, 96), yours (1, 64, 96)",
            "One channel is a channel",
        ),
        "three channels taken for granted": (
            lambda image, weight: (weight @ image.reshape(3, -1)).reshape(1, -1, *image.shape[2:]),
            "Wrong for 5 to 2 channels: it stopped",
            "Not every image has three channels",
        ),
    },
}


@pytest.mark.parametrize(("task", "slip"), [(task, slip) for task in WRONG for slip in WRONG[task]])
def test_a_wrong_solution_hears_the_case_that_fails_and_the_hint_that_fits(task, slip):
    answer, case, hint = WRONG[task][slip]
    verdict = check(f"01/{task}", answer)
    assert verdict.right is False
    assert case in verdict.said
    assert hint in verdict.said


def test_a_wrong_colour_kernel_is_seen_on_the_photo():
    assert (
        "80×120"
        in check("01/colour matrix", lambda amount: kernel_of(torch.eye(3)))
        .picture.figure.axes[0]
        .get_title()
    )


EXPLORERS = {
    "mix": (partial(show_mix, ASTRONAUT), {"mix": list(MIXES)}),
    "weights": (
        partial(show_weighted_sum, ASTRONAUT),
        {f"{colour}_percent": range(-100, 101, 200) for colour in ("red", "green", "blue")},
    ),
    "colour target": (
        partial(show_colour_target, ASTRONAUT),
        {"target": list(TARGETS), "matrix": list(MATRICES)},
    ),
    "collapse": (
        partial(show_collapse, ASTRONAUT),
        {"between": ("nothing", "ReLU"), "middle": (2, 16)},
    ),
    "bottleneck": (show_bottleneck, {"middle": (16, 256), "kernel_size": (1, 3, 7)}),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_state_of_an_explorer_has_a_sentence_of_its_own(name):
    found = sentences(*EXPLORERS[name])
    assert len(set(found)) == len(found)


def test_an_explorer_follows_its_controls():
    explorer = Explorer(partial(show_mix, ASTRONAUT), mix=list(MIXES))
    assert explorer.set(mix="luma").sentence.startswith("Luma")


def test_what_cannot_be_drawn_is_refused_with_name_and_value():
    with pytest.raises(ValueError, match="mix='sephia' must be one of: luma, sepia"):
        show_mix(ASTRONAUT, mix="sephia")
    with pytest.raises(ValueError, match=r"matrix of shape \(2, 2\) must be 3×3 finite numbers"):
        show_colour_target(ASTRONAUT, matrix=torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"red_percent=0\.5 must be"):
        show_weighted_sum(ASTRONAUT, red_percent=0.5)
    with pytest.raises(ValueError, match="between='tanh' must be"):
        show_collapse(ASTRONAUT, between="tanh")
    with pytest.raises(ValueError, match="middle=65 must be a whole number from 1 to 64"):
        show_collapse(ASTRONAUT, middle=65)
    with pytest.raises(ValueError, match="middle=0"):
        show_bottleneck(middle=0)
    with pytest.raises(ValueError, match="input_size=0"):
        show_bottleneck(input_size=0)
    with pytest.raises(ValueError, match=r"kernel_size=\(3, 3\)"):
        show_bottleneck(kernel_size=(3, 3))
