"""The pictures of lesson 01, by their sentences and artists, and its explorers, driven."""

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
    mix_matrix,
    photo,
    show_bottleneck,
    show_collapse,
    show_mix,
    show_weighted_sum,
)
from convlab.lessons.pointwise import best_single_layer, bottleneck, break_even

ASTRONAUT = photo("astronaut", 48)

PICTURES = {
    "mix of one": partial(show_mix, ASTRONAUT, mix="luma"),
    "mix in colour": partial(show_mix, ASTRONAUT, mix="sepia"),
    "mix of three": partial(show_mix, ASTRONAUT, mix="principal components"),
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


def test_luma_is_the_grey_that_pillow_makes():
    colour, grey = photo("coffee"), photo("coffee", channels=1)
    luma = conv2d(colour, mix_matrix("luma", colour)[:, :, None, None])
    assert (luma - grey).abs().max() < 1 / 255


def test_mixes_do_what_their_names_say():
    red, grey, yellow = torch.eye(3)[0], torch.ones(3), torch.tensor([1.0, 1.0, 0.0])
    assert mix_matrix("red minus green", ASTRONAUT) @ red == 1
    assert mix_matrix("red minus green", ASTRONAUT) @ grey == 0
    opponents = mix_matrix("opponent colours", ASTRONAUT)
    torch.testing.assert_close(opponents @ grey, torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(opponents @ yellow, torch.tensor([0.886, 0.0, 1.0]))
    brown = mix_matrix("sepia", ASTRONAUT) @ grey
    assert brown[0] > brown[1] > brown[2]
    assert {name: len(mix_matrix(name, ASTRONAUT)) for name in MIXES} == {
        name: len(outputs) for name, outputs in MIXES.items()
    }


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket"])
def test_principal_components_are_orthonormal_uncorrelated_sorted_and_of_fixed_sign(name):
    image = photo(name, 48)
    matrix = mix_matrix("principal components", image)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3), atol=1e-5, rtol=0)
    spread = torch.cov(matrix @ image[0].flatten(1))
    assert (spread - spread.diagonal().diag()).abs().max() < 1e-5
    assert spread[0, 0] > spread[1, 1] > spread[2, 2]
    assert (matrix[:, 0] > 0).all()
    mirrored = mix_matrix("principal components", image.flip(3))
    torch.testing.assert_close(mirrored, matrix, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mix", ["opponent colours", "principal components"])
def test_the_maps_shown_are_the_1x1_convolution_of_the_photo(mix):
    axes = axes_of(show_mix(ASTRONAUT, mix=mix))
    expected = conv2d(ASTRONAUT, mix_matrix(mix, ASTRONAUT)[:, :, None, None])[0].numpy()
    for name, channel in zip(MIXES[mix], expected, strict=True):
        np.testing.assert_array_equal(shown(axes[f"out {name}"]), channel)
    np.testing.assert_array_equal(shown(axes["matrix"]), mix_matrix(mix, ASTRONAUT).numpy())
    for channel, colour in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(shown(axes[colour]), ASTRONAUT[0, channel].numpy())


def test_sepia_is_shown_in_colour_and_luma_in_grey():
    sepia, luma = (axes_of(show_mix(ASTRONAUT, mix=mix))["output"] for mix in ("sepia", "luma"))
    assert shown(sepia).shape == (48, 48, 3)
    assert shown(luma).shape == (48, 48)


def test_the_sentence_of_a_mix_has_shape_weights_and_spread():
    picture = show_mix(ASTRONAUT, mix="opponent colours")
    assert "3×3 = 9 weights makes 3 channels of 3, and 48×48 stays 48×48" in picture.alt
    assert f"luma {photo('astronaut', 48, channels=1).std():.2f}" in picture.alt


def test_a_weighted_sum_shows_its_three_terms_and_their_sum():
    picture = show_weighted_sum(ASTRONAUT, red_percent=50, green_percent=-25, blue_percent=0)
    axes = axes_of(picture)
    assert [axes[c].get_title() for c in ("red", "green", "blue")] == [
        "0.5 × red",
        "−0.25 × green",
        "0 × blue",
    ]
    assert [axes[c].texts[0].get_text() for c in ("red", "green", "blue")] == ["+", "+", "="]
    expected = 0.5 * ASTRONAUT[0, 0] - 0.25 * ASTRONAUT[0, 1]
    np.testing.assert_allclose(shown(axes["output"]), expected, atol=1e-6)
    assert f"with mean {expected.mean():.2f}" in picture.alt


def test_numbers_have_a_true_minus_sign_and_zero_has_none():
    output = ASTRONAUT[0, 0] - ASTRONAUT[0, 1]
    lies = f"between −{-output.min():.2f} and {output.max():.2f}"
    assert lies in show_weighted_sum(ASTRONAUT).alt
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


EXPLORERS = {
    "mix": (partial(show_mix, ASTRONAUT), {"mix": list(MIXES)}),
    "weights": (
        partial(show_weighted_sum, ASTRONAUT),
        {f"{colour}_percent": range(-100, 101, 200) for colour in ("red", "green", "blue")},
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
    with pytest.raises(ValueError, match="name='sephia' must be one of: luma, sepia"):
        mix_matrix("sephia", ASTRONAUT)
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
