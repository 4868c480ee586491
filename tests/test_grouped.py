"""Lesson 03: the wires that are drawn are those of the layers, and a poke moves what it must."""

from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from pictures import assert_well_made, axes_of, sentences
from torch import nn
from torch.nn import functional as F  # noqa: N812

from convlab import Explorer, check, kernel, lift, photo, show_connectivity, show_groups, show_poke
from convlab.lessons.grouped import BETWEEN, CHANNELS
from convlab.pictures import palette

SMALL_PHOTO = photo("astronaut", 24)
LEGAL = (1, 2, 3, 4, 6, 12)

PICTURES = {
    "groups": lambda: show_groups(SMALL_PHOTO, groups=4),
    "ordinary": lambda: show_groups(SMALL_PHOTO, groups=1),
    "depthwise": lambda: show_groups(SMALL_PHOTO, groups=12),
    "poke": lambda: show_poke(SMALL_PHOTO, channel=11, groups=2),
    "shuffled": lambda: show_poke(SMALL_PHOTO, groups=4, between=BETWEEN[1]),
    "mixed": lambda: show_poke(SMALL_PHOTO, groups=12, between=BETWEEN[2]),
    "connectivity": lambda: show_connectivity(
        {"diagonal": torch.eye(12), "4 groups": torch.ones(8, 12, 3, 3)}
    ),
}


def group_of(channel, groups):
    return channel // (CHANNELS // groups)


def reached_by_rule(channel, groups, between):
    """Output channels that two grouped layers carry a channel to, from the rule alone."""
    each = CHANNELS // groups
    after_first = [c for c in range(CHANNELS) if group_of(c, groups) == group_of(channel, groups)]
    if between == "channel shuffle":
        after_first = [c % each * groups + c // each for c in after_first]
    elif between == "1×1 convolution":
        after_first = range(CHANNELS)
    groups_reached = {group_of(c, groups) for c in after_first}
    return {c for c in range(CHANNELS) if group_of(c, groups) in groups_reached}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_made(name):
    assert_well_made(PICTURES[name], over=PICTURES["poke" if name != "poke" else "groups"])


def test_drawing_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    PICTURES["groups"]()
    PICTURES["mixed"]()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_photo_is_lifted_to_twelve_channels_of_equal_strength():
    channels = lift(SMALL_PHOTO)
    assert channels.shape == (1, 12, 24, 24)
    torch.testing.assert_close(channels.mean((0, 2, 3)), torch.zeros(12), atol=1e-5, rtol=0)
    torch.testing.assert_close(channels.std((2, 3))[0], torch.ones(12))
    correlation = torch.corrcoef(channels[0].flatten(1)) - torch.eye(12)
    assert correlation.abs().max() < 0.999  # no channel twice
    tilted = torch.zeros(1, 3, 24, 24)
    tilted[..., 12:] = 1  # one vertical edge: slopes across answer to it, slopes down do not
    tilted[..., 0, 0] = 1
    across, down = (lift(tilted)[0, channel, 8:16].abs().max() for channel in (4, 6))
    assert across > 1 > 10 * down


def test_channels_without_contrast_are_zero():
    assert not lift(photo("moon", 24))[0, 1:4].isnan().any()  # a grey photo has no opponent colours
    torch.testing.assert_close(
        lift(torch.full((1, 3, 9, 9), 0.3)), torch.zeros(1, 12, 9, 9), atol=0.01, rtol=0
    )


@pytest.mark.parametrize("groups", LEGAL)
def test_cost_and_wires_are_those_of_the_layer(groups):
    picture = show_groups(SMALL_PHOTO, groups=groups)
    axes = axes_of(picture)
    layer = nn.Conv2d(12, 12, 3, padding=1, groups=groups, bias=False)
    weights = [bar.get_width() for bar in axes["weights"].patches]
    assert weights == [1296, layer.weight.numel()]
    macs = [bar.get_width() for bar in axes["multiply-adds"].patches]
    assert macs == [1296 * 24 * 24, layer.weight.numel() * 24 * 24]
    kind = {1: "ordinary", 12: "depthwise"}.get(groups, "grouped")
    assert f"({kind})" in picture.alt
    assert f"{144 // groups} of 144 wires, {1296 // groups:,} weights" in picture.alt

    wires = axes["wires"].collections[0]
    assert tuple(wires.get_color()[0])[:3] == to_rgba(palette.of_kind(kind))[:3]
    drawn = {(int(top[0]), int(bottom[0])) for top, bottom in wires.get_segments()}
    matrix = np.asarray(axes[f"groups={groups}"].images[0].get_array())
    assert drawn == {(source, output) for output, source in np.argwhere(matrix)}
    assert drawn == {
        (i, o) for i in range(12) for o in range(12) if group_of(i, groups) == group_of(o, groups)
    }


def test_the_outputs_shown_are_a_grouped_convolution_of_the_channels():
    shown = {
        groups: np.asarray(axes_of(show_groups(SMALL_PHOTO, groups=groups))["outputs"].images[0].get_array())
        for groups in (1, 4, 12)
    }
    assert len({row.tobytes() for row in shown.values()}) == len(shown)
    blur = kernel("Gaussian blur").repeat(12, 1, 1, 1)
    depthwise = F.conv2d(lift(SMALL_PHOTO), blur, padding=1, groups=12)[0]
    for channel in range(12):
        tile = shown[12][:, 24 * channel + 1 : 24 * channel + 23].astype(float)
        alike = np.corrcoef(tile.ravel(), depthwise[channel, :, 1:-1].flatten())[0, 1]
        assert alike > 0.97, channel


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("groups", [1, 3, 4, 6])
def test_a_poke_moves_what_the_rule_says_and_nothing_else(groups, between):
    channel = 7
    picture = show_poke(SMALL_PHOTO, channel=channel, groups=groups, between=between)
    reached = reached_by_rule(channel, groups, between)
    listed = ", ".join(map(str, sorted(reached)))
    assert f"moves {12 // groups} of 12 channels after the first layer" in picture.alt
    assert picture.alt.endswith(f"{len(reached)} of 12 outputs at the end ({listed}).")
    # The last row of dots and the row of changes tell the same.
    faces = axes_of(picture)["wires"].collections[-1].get_facecolors()
    filled = {c for c, face in enumerate(faces) if tuple(face) == to_rgba(palette.KERNEL)}
    assert filled == reached
    tiles = np.asarray(axes_of(picture)["outputs"].images[0].get_array()).reshape(24, 12, 24)
    assert {c for c in range(12) if tiles[:, c, 1:-1].std() > 0} == reached


@pytest.mark.parametrize("groups", LEGAL)
def test_after_a_shuffle_min_of_all_and_the_group_squared_is_reached(groups):
    each = 12 // groups
    assert len(reached_by_rule(7, groups, "channel shuffle")) == min(12, each**2)


def test_wires_of_what_moved_are_strong_and_those_of_a_shuffle_a_permutation():
    axes = axes_of(show_poke(SMALL_PHOTO, channel=4, groups=3, between="channel shuffle"))["wires"]
    faint, strong = (lines.get_segments() for lines in axes.collections[:2])
    assert len(faint) + len(strong) == 48 + 12 + 48
    assert len(strong) == 4 + 4 + 4 * 4
    shuffled = [(int(a[0]), int(b[0])) for a, b in [*faint, *strong] if a[1] == 2]
    expected = nn.ChannelShuffle(3)(torch.arange(12.0).reshape(1, 12, 1, 1)).flatten()
    assert {output: source for source, output in shuffled} == dict(enumerate(expected.int().tolist()))


def test_connectivity_is_read_from_the_kernel_itself():
    assert "1 of 1" in show_connectivity({"learned": nn.Linear(1, 1).weight}).alt
    block = torch.zeros(4, 8, 3, 3)
    block[:2, :4], block[2:, 4:, 1, 1] = 0.5, -1e-9
    picture = show_connectivity({"two groups": block, "all": torch.ones(4, 8)})
    assert "two groups, 16 of 32; all, 32 of 32" in picture.alt
    shown = axes_of(picture)["two groups"].images[0].get_array()
    np.testing.assert_array_equal(shown, np.kron(np.eye(2), np.ones((2, 4))))


EXPLORERS = {
    "groups": (partial(show_groups, SMALL_PHOTO), {"groups": LEGAL}),
    "poke": (
        partial(show_poke, SMALL_PHOTO),
        {"channel": (0, 11), "groups": (1, 12), "between": BETWEEN[:2]},
    ),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_no_state_that_a_control_can_reach_is_an_error(name):
    found = sentences(*EXPLORERS[name])
    assert len(set(found)) == len(found)


def test_one_slider_goes_from_ordinary_to_depthwise():
    explorer = Explorer(partial(show_groups, SMALL_PHOTO), groups=LEGAL)
    (slider,) = explorer.controls
    assert slider["kind"] == "range"
    assert "(ordinary)" in explorer.set(groups=1).sentence
    assert "(depthwise)" in explorer.set(groups=12).sentence
    with pytest.raises(ValueError, match="groups=5 is not offered"):
        explorer.set(groups=5)


def test_what_cannot_be_is_refused_with_its_name_and_value():
    with pytest.raises(ValueError, match="groups=5 must divide in_channels=12"):
        show_groups(SMALL_PHOTO, groups=5)
    with pytest.raises(ValueError, match="groups=8 must divide in_channels=12"):
        show_poke(SMALL_PHOTO, groups=8)
    with pytest.raises(ValueError, match="channel=12 must be a whole number from 0 to 11"):
        show_poke(SMALL_PHOTO, channel=12)
    with pytest.raises(ValueError, match="between='ReLU' must be one of: nothing"):
        show_poke(SMALL_PHOTO, between="ReLU")
    with pytest.raises(ValueError, match=r"'a' has shape \(3,\)"):
        show_connectivity({"a": torch.ones(3)})
    with pytest.raises(ValueError, match=r"matrices=\{\} must be"):
        show_connectivity({})


# What a reader writes


def split(x, weight, groups):
    pairs = zip(x.chunk(groups, 1), weight.chunk(groups), strict=True)
    return torch.cat([F.conv2d(*pair) for pair in pairs], 1)


def all_filters_on_each_piece(x, weight, groups):
    return torch.cat([F.conv2d(piece, weight) for piece in x.chunk(groups, 1)], 1)


def pieces_of_a_size(x, weight, groups):
    pairs = zip(x.split(groups, 1), weight.split(groups), strict=True)
    return torch.cat([F.conv2d(*pair) for pair in pairs], 1)


def every_so_many(x, weight, groups):
    outputs = [F.conv2d(x[:, g::groups], weight[g::groups]) for g in range(groups)]
    return torch.cat(outputs, 1)


def as_many_filters_as_channels(x, weight, groups):
    each = x.shape[1] // groups
    own = [slice(g * each, g * each + each) for g in range(groups)]
    return torch.cat([F.conv2d(x[:, part], weight[part]) for part in own], 1)


def one_at_a_time(x, weight, groups):
    if groups == x.shape[1]:
        return torch.cat([F.conv2d(x[:, g], weight[g : g + 1]) for g in range(groups)], 1)
    return split(x, weight, groups)


def cut_off(x, weight, groups):
    return split(x, weight.data, groups)


def padded(x, weight, groups):
    return F.conv2d(x, weight, groups=groups, padding=1)


def uncut_zeros(x, weight, groups):
    return torch.zeros_like(split(x, weight, groups))


def in_a_list(x, weight, groups):
    return [F.conv2d(*pair) for pair in zip(x.chunk(groups, 1), weight.chunk(groups), strict=True)]


def of_twelve(x, weight, groups):
    each, own = 12 // groups, len(weight) // groups
    parts = [(x[:, g * each : (g + 1) * each], weight[g * own : (g + 1) * own]) for g in range(groups)]
    return torch.cat([F.conv2d(*pair) for pair in parts], 1)


def with_layers(x, weight, groups):
    layers = [nn.Conv2d(w.shape[1], len(w), 3, bias=False) for w in weight.chunk(groups)]
    for layer, own in zip(layers, weight.chunk(groups), strict=True):
        layer.weight.data = own
    pieces = zip(layers, x.chunk(groups, 1), strict=True)
    return torch.cat([layer(piece) for layer, piece in pieces], 1)


def shuffle(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def other_order(x, groups):
    return shuffle(x, x.shape[1] // groups)


def one_photo(x, groups):
    _, c, h, w = x.shape
    return x.reshape(groups, -1, h, w).transpose(0, 1).reshape(1, c, h, w)


def five_axes(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2)


def half_channels(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c / groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def viewed(x, groups):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).view(n, c, h, w)


def always_three(x, groups):
    return shuffle(x, 3)


def rows_swapped(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(2, 3).reshape(n, c, h, w)


def conv(groups):
    return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=groups)


def layers(count):
    def stack(groups):
        parts = [part for _ in range(count) for part in (nn.ChannelShuffle(groups), conv(groups))]
        return nn.Sequential(*parts[1:])

    return stack


def with_one_ordinary(groups):
    return nn.Sequential(conv(groups), conv(1), conv(groups))


def mended_with(part):
    return lambda groups: nn.Sequential(*layers(4)(groups), part)


class Mean(nn.Module):
    def forward(self, x):
        return x + x.mean(1, keepdim=True)


def fixed_shuffle(groups):
    parts = [part for _ in range(4) for part in (nn.ChannelShuffle(3), conv(groups))]
    return nn.Sequential(*parts[1:])


def shuffled_too_late(groups):
    return nn.Sequential(conv(groups), conv(groups), nn.ChannelShuffle(groups))


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("split", split),
        ("split", lambda x, weight, groups: F.conv2d(x, weight, groups=groups)),
        ("shuffle", shuffle),
        ("shuffle", F.channel_shuffle),
        ("mend", layers(4)),
        ("mend", layers(5)),
    ],
)
def test_a_right_solution_is_right_in_every_case(task, answer):
    assert check(f"03/{task}", answer).right


@pytest.mark.parametrize(
    ("task", "answer", "case", "hint"),
    [
        ("split", all_filters_on_each_piece, "2 groups", "Each piece of x meets only its own filters"),
        ("split", pieces_of_a_size, "one group", "x.split(groups, dim=1) gives pieces of that size"),
        ("split", every_so_many, "2 groups", "pieces of neighbours"),
        ("split", padded, "one group", "If the shape is another: don't pad"),
        ("split", in_a_list, "one group", "put the maps together in one tensor"),
        ("split", uncut_zeros, "one group", "If only the numbers differ"),
        ("split", as_many_filters_as_channels, "24 filters for 8 channels", "the other from weight.shape[0]"),
        ("split", of_twelve, "24 filters for 8 channels", "take one number from x.shape[1]"),
        ("split", one_at_a_time, "as many groups as channels", "Keep its axis"),
        (
            "split",
            lambda x, *others: split(x[:1], *others),
            "two photos at once",
            "Leave its first axis whole",
        ),
        ("split", cut_off, "learning the weights (their gradients: section 3)", "no .data"),
        ("split", with_layers, "learning the weights (their gradients: section 3)", "no new nn.Conv2d"),
        (
            "split",
            lambda x, *others: split(x.detach(), *others),
            "learning before this layer (the gradients of x)",
            "layers before this one could not learn",
        ),
        ("shuffle", lambda x, groups: x, "9 channels in 3 groups", "were not swapped"),
        ("shuffle", rows_swapped, "9 channels in 3 groups", "leave height and width where they are"),
        ("shuffle", other_order, "12 channels in 3 groups", "first the groups, then the places"),
        ("shuffle", five_axes, "9 channels in 3 groups", "make four axes again at the end"),
        ("shuffle", half_channels, "9 channels in 3 groups", "c // groups, not c / groups"),
        ("shuffle", viewed, "9 channels in 3 groups", "reshape works where view doesn't"),
        ("shuffle", always_three, "2 groups", "Take the number of groups from groups"),
        ("shuffle", one_photo, "two photos at once", "Keep the first axis"),
        ("mend", conv, "3 groups", "A shuffle must stand between two convolutions"),
        ("mend", shuffled_too_late, "3 groups", "behind the last it connects nothing"),
        ("mend", layers(2), "4 groups", "What does a third layer reach"),
        ("mend", layers(3), "6 groups", "doubles what is reached"),
        ("mend", with_one_ordinary, "its parts", "yours also Conv2d with groups=1"),
        ("mend", mended_with(nn.GroupNorm(1, 12)), "its parts", "yours also GroupNorm. "),
        (
            "mend",
            mended_with(nn.ConvTranspose2d(12, 12, 1)),
            "its parts",
            "also ConvTranspose2d with groups=1",
        ),
        ("mend", mended_with(Mean()), "its parts", "yours also Mean. "),
        ("mend", fixed_shuffle, "its parts", "yours also ChannelShuffle with groups=3"),
        ("mend", lambda groups: [*layers(4)(groups)], "its parts", "yours also list. Put only"),
    ],
)
def test_a_wrong_solution_gets_the_hint_that_fits(task, answer, case, hint):
    verdict = check(f"03/{task}", answer)
    assert verdict.right is False
    assert f"Wrong for {case}: " in verdict.said
    assert hint in verdict.said


def test_a_stack_that_reaches_too_little_is_shown_beside_the_target():
    assert "apart" in check("03/mend", layers(3)).picture.alt
    assert check("03/shuffle", other_order).picture is not None
