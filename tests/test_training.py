"""The networks and patches that lesson 05 trains on."""

import pytest
import torch
from torch import nn

from convlab import alternatives, cost, cut_patches, measure_receptive_field, photo, small_network

TEXTURES = ["brick", "coins", "cat"]


@pytest.mark.parametrize(("channels", "filters", "kernel_size"), [(8, 8, 3), (8, 12, 5), (16, 4, 1)])
def test_all_alternatives_give_maps_of_the_same_shape(channels, filters, kernel_size):
    for specs in alternatives(channels, filters, kernel_size).values():
        layer = nn.Sequential(*(spec.module() for spec in specs))
        assert layer(torch.zeros(1, channels, 9, 10)).shape == (1, filters, 9, 10)


def test_the_alternatives_are_what_their_names_say():
    layers = alternatives(64, 128, dilation=3, groups=8)
    kinds = {name: [spec.kind for spec in specs] for name, specs in layers.items()}
    assert kinds == {
        "ordinary": ["ordinary"],
        "pointwise": ["pointwise"],
        "dilated": ["dilated"],
        "grouped": ["grouped"],
        "separable": ["depthwise", "pointwise"],
        "bottleneck": ["pointwise", "ordinary", "pointwise"],
    }
    assert layers["dilated"][0].dilation == (3, 3)
    assert layers["grouped"][0].groups == 8
    weights = {name: sum(spec.num_weights for spec in specs) for name, specs in layers.items()}
    assert weights["ordinary"] == weights["dilated"] == 73_728
    assert weights["separable"] == 8_768
    assert sum(spec.num_weights for spec in alternatives(256, 256)["bottleneck"]) == 69_632


def test_what_cannot_be_is_refused_with_its_value():
    with pytest.raises(ValueError, match="out_channels=6"):
        alternatives(4, 6)
    with pytest.raises(ValueError, match="groups=4 must divide in_channels=3"):
        alternatives(3, 4)
    with pytest.raises(ValueError, match="must give as many channels as it takes"):
        small_network(alternatives(4, 8)["ordinary"], classes=2)
    with pytest.raises(ValueError, match=r"layer=\(\) must be a sequence of at least one"):
        small_network((), classes=2)
    with pytest.raises(ValueError, match="out_channels='8' must be a whole number"):
        alternatives(4, "8")
    with pytest.raises(ValueError, match="classes=0"):
        small_network(alternatives(4, 4)["ordinary"], classes=0)
    with pytest.raises(ValueError, match="depth=-1"):
        small_network(alternatives(4, 4)["ordinary"], classes=2, depth=-1)
    with pytest.raises(ValueError, match=r"names=\[\] must be a sequence"):
        cut_patches([], "train", 1)
    with pytest.raises(ValueError, match="per_photo=0"):
        cut_patches(TEXTURES, "train", 0)
    with pytest.raises(ValueError, match="size=1 must be a whole number of at least 2"):
        cut_patches(TEXTURES, "train", 1, size=1)
    with pytest.raises(ValueError, match="part='left'"):
        cut_patches(TEXTURES, "left", 1)
    with pytest.raises(ValueError, match="size=200 leaves no room for two parts of 'coins', 303×384"):
        cut_patches(["coins"], "train", 1, size=200)


@pytest.mark.parametrize("name", alternatives(8, 8))
def test_a_small_network_classifies_and_its_layers_can_be_taken_off(name):
    network = small_network(alternatives(8, 8)[name], classes=5, depth=2)
    images = torch.zeros(3, 1, 24, 24)
    assert network(images).shape == (3, 5)
    assert [network[: 1 + layer](images).shape for layer in range(3)] == [(3, 8, 12, 12)] * 3
    reach = {"pointwise": 3, "dilated": 19}.get(name, 11)
    assert measure_receptive_field(network[:3], (1, 49, 49)).size == (reach, reach)


def test_a_small_network_costs_its_layers_stem_and_classifier():
    layer = alternatives(8, 8)["separable"]
    price = cost(small_network(layer, classes=5, depth=2), (1, 24, 24))
    assert price.macs == 12 * 12 * 9 * 8 + 2 * sum(spec.macs(12) for spec in layer) + 8 * 5
    norms = 2 * 8 * (1 + 2 * len(layer))
    assert price.parameters == 9 * 8 + 2 * sum(spec.num_weights for spec in layer) + norms + 8 * 5 + 5


def test_a_seed_fixes_the_weights_and_leaves_the_global_state_alone():
    layer = alternatives(4, 4)["ordinary"]
    state = torch.get_rng_state()
    one, same, other = (small_network(layer, classes=2, seed=seed).state_dict() for seed in (1, 1, 2))
    cut_patches(TEXTURES, "train", 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["0.0.weight"], other["0.0.weight"])
    assert not torch.equal(one["1.0.weight"], one["2.0.weight"])  # each layer has weights of its own


@pytest.mark.parametrize("size", [24, 25])
def test_patches_are_pieces_of_their_photo_without_light_and_contrast(size):
    patches = cut_patches(TEXTURES, "test", 4, size=size)
    assert patches.images.shape == (len(patches), 1, size, size) == (12, 1, size, size)
    assert patches.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for image, label, (row, column) in zip(
        patches.images, patches.labels, patches.corners.tolist(), strict=True
    ):
        piece = photo(TEXTURES[label], channels=1)[0, 0, row : row + size, column : column + size]
        assert torch.allclose(image[0], (piece - piece.mean()) / piece.std().clamp(min=1e-3), atol=1e-4)


@pytest.mark.parametrize("size", [24, 25])
def test_train_and_test_are_a_patch_apart_and_use_all_of_their_parts(size):
    for name in TEXTURES:
        train, test = (cut_patches([name], part, 3000, size=size).corners for part in ("train", "test"))
        height, width = photo(name, channels=1).shape[2:]
        gap = test[:, 1].min() - (train[:, 1].max() + size)
        assert size <= gap <= size + 8
        assert train[:, 1].min() <= 8
        assert test[:, 1].max() >= width - size - 8
        for corners in (train, test):
            assert corners[:, 0].min() >= 0
            assert corners[:, 0].max() <= height - size


def test_a_flat_patch_stays_finite(monkeypatch):
    monkeypatch.setattr("convlab.training.photo", lambda name, channels: torch.ones(1, 1, 60, 100))
    assert (cut_patches(["moon"], "train", 2).images == 0).all()


def test_another_seed_takes_other_places():
    one, same, other = (cut_patches(["moon"], "train", 5, seed=seed).corners for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
