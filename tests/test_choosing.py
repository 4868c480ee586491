"""The pictures of lesson 05, by their sentences and artists."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from pictures import assert_readable, assert_well_made, axes_of, sentences
from torch import nn
from torch.nn import functional as F  # noqa: N812

from convlab import (
    ConvSpec,
    Explorer,
    alternatives,
    check,
    cost,
    cut_patches,
    filter_bank,
    kernel,
    measure_receptive_field,
    measure_time,
    photo,
    show_features,
    show_five,
    show_learned_kernels,
    show_patches,
    show_training,
    small_network,
)
from convlab.lessons.choosing import FIVE

CAT = photo("cat", 48, channels=1)
NETWORKS = {
    name: small_network(alternatives(8, 8)[name], classes=3).eval() for name in ("ordinary", "bottleneck")
}
PIECES = {"cat": CAT, "moon": photo("moon", 48, channels=1)}
PATCHES = cut_patches(["cat", "moon"], "test", 9)
KERNELS_BEFORE = torch.randn(7, 3, 3, generator=torch.Generator().manual_seed(0))


def training_picture(accuracies=((0.5, 0.7), (0.9, 0.8)), chance=0.25):
    return show_training(
        dict(zip(NETWORKS, accuracies, strict=True)),
        {name: cost(network, (1, 24, 24)) for name, network in NETWORKS.items()},
        chance=chance,
    )


@pytest.fixture(scope="module")
def timings():
    layers = alternatives(8, 8)
    modules = {name: nn.Sequential(*(spec.module() for spec in layers[name])) for name in FIVE}
    return {(8, 3): measure_time(modules, (8, 48, 48), repeats=3, threads=1)}


PICTURES = {
    "five": lambda: show_five(CAT, channels=8),
    "training": lambda: training_picture(),
    "patches": lambda: show_patches(PATCHES, ["cat", "moon"]),
    "kernels": lambda: show_learned_kernels(KERNELS_BEFORE, KERNELS_BEFORE + 1),
    "features": lambda: show_features(NETWORKS, PIECES, piece="moon"),
}


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_well_made(name):
    assert_well_made(PICTURES[name], over=PICTURES["five" if name != "five" else "training"])


def test_a_filter_bank_holds_the_named_kernels_on_the_photo_each_as_strong():
    bank = filter_bank(CAT, 16)
    assert bank.shape == (1, 16, 48, 48)
    assert torch.allclose(bank.std(dim=(2, 3)), torch.ones(1, 16), atol=1e-4)
    wide_blur = F.conv2d(CAT, kernel("box blur", 5)[None, None], padding=2)
    assert torch.allclose(bank[:, 9:10], wide_blur / wide_blur.std(), atol=1e-4)
    assert filter_bank(torch.ones(1, 1, 9, 9), 8).abs().max() < 50
    with pytest.raises(ValueError, match="channels=12 must be a multiple of 8"):
        filter_bank(CAT, 12)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_each_map_is_what_the_module_gives_with_the_named_kernel_as_its_weights(kernel_size):
    picture = show_five(CAT, channels=16, kernel_size=kernel_size, kernel="Laplacian")
    bank, weights = filter_bank(CAT, 16), kernel("Laplacian", kernel_size)
    for name in FIVE:
        layer = nn.Sequential(*(spec.module() for spec in alternatives(16, 16, kernel_size)[name]))
        with torch.no_grad():
            for conv in layer:
                inputs = conv.weight.shape[1]
                conv.weight.copy_((weights if conv.kernel_size[0] > 1 else torch.ones(1, 1)).div(inputs))
            expected = layer(bank)[0, 0]
        shown = axes_of(picture)[name].images[0].get_array()
        np.testing.assert_allclose(shown, expected.numpy(), atol=1e-4)
        reach = measure_receptive_field(layer, (16, 33, 33)).size[0]
        weights_of_name = sum(conv.weight.numel() for conv in layer)
        macs = cost(layer, (16, 48, 48)).macs
        assert (
            f"{name} {weights_of_name:,} weights, {macs:,} multiply-adds, sees {reach}×{reach}" in picture.alt
        )


def test_time_stands_beside_multiply_adds_but_not_in_the_sentence(timings):
    counted, timed = show_five(CAT, channels=8), show_five(CAT, channels=8, timings=timings)
    assert counted.alt == timed.alt
    assert len(axes_of(counted)["bars"].patches) == 5
    assert_readable(timed.figure)
    heights = [bar.get_height() for bar in axes_of(timed)["bars"].patches]
    median = {name: timing.median for name, timing in timings[8, 3].items()}
    assert heights[:5] == pytest.approx([100, 100 / 9, 100, 25, 100 * (1 / 8 + 1 / 9)])
    assert heights[5:] == pytest.approx([100 * median[name] / median["ordinary"] for name in FIVE])
    assert "hatched: time, 1 thread" in axes_of(timed)["bars"].get_xlabel()
    assert "time" not in axes_of(show_five(CAT, channels=16, timings=timings))["bars"].get_xlabel()


def test_training_is_shown_seed_by_seed_with_means_and_prices():
    picture = training_picture()
    accuracy = axes_of(picture)["accuracy"]
    assert [label.get_text() for label in accuracy.get_yticklabels()] == list(NETWORKS)
    dots = [sorted(cloud.get_offsets()[:, 0]) for cloud in accuracy.collections]
    assert np.allclose(dots, [[50, 70], [80, 90]])
    assert texts_of(accuracy) == ["60 %", "85 %", "chance"]
    price = cost(NETWORKS["ordinary"], (1, 24, 24))
    assert texts_of(axes_of(picture)["parameters"])[0] == f" {price.parameters:,}"
    assert axes_of(picture)["multiply-adds"].patches[0].get_width() == price.macs / 1e6


def test_a_lead_is_drawn_with_three_standard_errors_of_its_mean():
    ahead = axes_of(training_picture())["ahead"]
    (left, right), _ = ahead.lines[1].get_data()
    leads = [40, 10]  # points, seed by seed
    assert left == pytest.approx(np.mean(leads) - 3 * np.std(leads, ddof=1) / 2**0.5)
    assert (left + right) / 2 == pytest.approx(ahead.collections[1].get_offsets()[0, 0]) == pytest.approx(25)
    assert ahead.get_xlim()[0] < left < right < ahead.get_xlim()[1]
    assert ahead.get_xlabel() == "over ordinary, ± 3 standard errors"


def test_the_sentence_on_training_holds_what_is_robust():
    assert "2 networks, 2 seeds each, above 2× chance (25%)" in training_picture().alt
    assert "above 1× chance" in training_picture(accuracies=((0.4, 0.4), (0.9, 0.9))).alt
    assert "not all above chance" in training_picture(accuracies=((0.2, 0.2), (0.9, 0.9))).alt
    assert training_picture().alt == training_picture(accuracies=((0.6, 0.8), (0.7, 0.6))).alt


def test_training_needs_the_same_networks_and_as_many_seeds_of_each():
    price = cost(NETWORKS["ordinary"], (1, 24, 24))
    for accuracies in ({"a": [1.0, 1.0]}, {"b": [1.0]}, {"b": [1.0, 1.0], "c": [1.0]}):
        with pytest.raises(ValueError, match="need costs of the same networks, and at least two seeds"):
            show_training(accuracies, dict.fromkeys(set(accuracies) - {"a"} or "b", price), chance=0.5)


def test_kernels_are_shown_before_and_after_each_to_its_own_scale():
    picture = PICTURES["kernels"]()
    before, after = (axes.images[0].get_array().filled(np.nan) for axes in picture.figure.axes)
    expected = KERNELS_BEFORE[0] / KERNELS_BEFORE[0].abs().max()
    np.testing.assert_allclose(before[:3, :3], expected, atol=1e-6)
    assert np.nanmax(np.abs(after)) == pytest.approx(1)
    assert "7 kernels of 3×3 before and after training; 7 of them" in picture.alt
    assert "0 of them" in show_learned_kernels(KERNELS_BEFORE, KERNELS_BEFORE).alt
    with pytest.raises(ValueError, match=r"before=\(7, 3, 3\) and after=\(2, 3, 3\)"):
        show_learned_kernels(KERNELS_BEFORE, KERNELS_BEFORE[:2])


@pytest.mark.parametrize("layer", [0, 3])
def test_features_are_those_of_the_networks(layer):
    picture = show_features(NETWORKS, PIECES, piece="moon", layer=layer)
    image = (PIECES["moon"] - PIECES["moon"].mean()) / PIECES["moon"].std()
    first = NETWORKS["bottleneck"][: 1 + layer](image)[0, 0].detach().numpy()
    shown = axes_of(picture)["bottleneck"].images[0].get_array()[:24, :24]
    np.testing.assert_allclose(shown, first / max(first.max(), 1e-9), atol=1e-5)
    with pytest.raises(ValueError, match="piece='sun' must be one of: cat, moon"):
        show_features(NETWORKS, PIECES, piece="sun")


def test_patches_are_shown_by_photo():
    shown = axes_of(PICTURES["patches"]())["moon"].images[0].get_array()
    np.testing.assert_array_equal(shown[:24, :24], PATCHES.images[9, 0].numpy())


def test_no_state_of_the_explorers_is_an_error():
    choices = {"channels": (8, 16), "kernel_size": (3, 5), "kernel": ("Sobel x", "sharpen")}
    assert len(set(sentences(partial(show_five, CAT), choices))) == 8
    features = {"piece": list(PIECES), "layer": range(4)}
    assert len(set(sentences(partial(show_features, NETWORKS, PIECES), features))) == 8


def test_an_explorer_follows_its_controls(timings):
    five = Explorer(partial(show_five, CAT, timings=timings), channels=(8, 16))
    assert "8 to 8 channels" in five.set(channels=8).sentence


def same_price(channels, kernel_size):
    area, width = kernel_size**2, 8
    while (area + width + 8) * (width + 8) <= area * channels**2:
        width += 8
    return width


WIDTHS = {
    "the pointwise half alone": (lambda c, k: k * c // 8 * 8, "✗ Wrong for 12 channels, 5×5", "Both halves"),
    "a number that no width is": (
        lambda c, k: int(((k**4 + 4 * (k * c) ** 2) ** 0.5 - k**2) / 2),
        "✗ Right for 12 channels, 5×5. Wrong for 20 channels, 3×3",
        "a multiple of 8",
    ),
    "one step too far": (lambda c, k: same_price(c, k) + 8, "✗ Wrong for 12 channels, 5×5", "Stop before"),
    "a number as text": (lambda c, k: str(same_price(c, k)), "✗ Wrong for 12 channels", "yours '48'"),
    "a fixed share": (
        lambda c, k: 8 * int(0.9 * c * k / 8),
        "✗ Right for 12 channels, 5×5; 20 channels, 3×3; 32 channels, 5×5. Wrong for 64 channels, 3×3",
        "target 184, yours 168. The more channels, the less the first half weighs",
    ),
    "always 3×3": (
        lambda c, k: same_price(c, 3) * (k == 3) or {12: 48, 32: 152}[c],
        "✗ Right for 12 channels, 5×5; 20 channels, 3×3; 64 channels, 3×3. Wrong for 32 channels, 5×5",
        "k is not always 3",
    ),
}


@pytest.mark.parametrize("slip", WIDTHS)
def test_a_width_that_is_wrong_is_told_why(slip):
    answer, begins, hint = WIDTHS[slip]
    said = check("05/width", answer).said
    assert said.startswith(begins)
    assert hint in said
    assert check("05/width", same_price).right


def separable(*rates, kernel_size=3):
    pairs = [alternatives(64, 64, kernel_size, dilation=rate) for rate in rates]
    return [
        spec
        for pair in pairs
        for spec in (
            replace(pair["separable"][0], dilation=pair["dilated"][0].dilation),
            pair["separable"][1],
        )
    ]


BODIES = {
    "channels that do not fit": (
        [ConvSpec(64, 32, 1)],
        "the shape of the output: target (64, 56, 56), yours (32",
    ),
    "no padding": ([ConvSpec(64, 64, 3)], "yours (64, 54, 54)"),
    "one channel with a wide view": (
        [ConvSpec(64, 1, 1), ConvSpec(1, 1, 15, padding="same"), ConvSpec(1, 64, 1)],
        "the narrowest layer: target at least 16 channels, yours a layer with 1. No layer",
    ),
    "groups that never meet": (
        separable(1, 2, 4)[::2],
        "the pairs of input and output channels that meet: target 4096, yours 64",
    ),
    "too narrow a view": (separable(1, 2), "the view: target at least 15 pixels across, yours 7, 8 too few"),
    "holes": (separable(2, 2, 4), "the share of pixels in view that is touched: target 1.0, yours 0.28"),
    "a rate wider than the row before": (separable(1, 2, 8), "no rate may be larger than the row seen"),
    "too expensive": (
        [ConvSpec(64, 64, 15, padding="same")],
        "the price: target at most 60,000,000 multiply-adds, yours 2,",
    ),
}


@pytest.mark.parametrize("slip", BODIES)
def test_a_body_is_told_which_need_it_fails_and_by_how_much(slip):
    answer, said = BODIES[slip]
    assert said in check("05/budget", answer).said


@pytest.mark.parametrize("body", [separable(1, 2, 4), separable(4, 1, 2), separable(1, kernel_size=15)])
def test_there_is_more_than_one_body_within_the_budget(body):
    assert check("05/budget", body).right
