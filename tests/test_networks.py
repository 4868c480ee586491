"""Every figure of the papers that the lessons name, to the last digit."""

from itertools import product
from math import sqrt

import pytest
import torch
from torch import nn

from convlab import (
    ConvSpec,
    aspp,
    context_module,
    cost,
    measure_receptive_field,
    mobilenet_v1,
    receptive_field,
    resnet50,
    resnext50,
    resnext_block,
    vgg16,
)
from convlab.networks import CONTEXT_RATES, RESNEXT_BLOCKS


def on_meta(build, **options):
    with torch.device("meta"):
        return build(**options)


@pytest.mark.parametrize(
    ("build", "options", "macs", "parameters"),
    [
        (mobilenet_v1, {}, 568_740_352, 4_231_976),
        (mobilenet_v1, {"separable": False}, 4_867_293_184, 29_294_088),
        (resnet50, {"stride_on": "3x3"}, 4_089_184_256, 25_557_032),
        (resnet50, {"stride_on": "1x1"}, 3_857_973_248, 25_557_032),
        (resnext50, {}, 4_230_479_872, 25_028_904),
        (vgg16, {}, 15_470_264_320, 138_357_544),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_network_costs_what_its_paper_says(build, options, macs, parameters):
    found = cost(on_meta(build, **options), (3, 224, 224))
    assert found.macs == macs
    assert found.parameters == parameters


@pytest.mark.parametrize(
    ("width", "millions", "parameters"),
    [(0.75, 325.40, 2_585_560), (0.5, 149.50, 1_331_592), (0.25, 41.03, 470_072)],
)
def test_mobilenet_at_the_widths_of_its_table_6(width, millions, parameters):
    found = cost(on_meta(mobilenet_v1, width=width), (3, 224, 224))
    assert round(found.macs / 1e6, 2) == millions
    assert found.parameters == parameters


@pytest.mark.parametrize(("resolution", "millions"), [(192, 418.12), (160, 290.68), (128, 186.40)])
def test_mobilenet_at_the_resolutions_of_its_table_7(resolution, millions):
    found = cost(on_meta(mobilenet_v1), (3, resolution, resolution))
    assert round(found.macs / 1e6, 2) == millions


def test_the_five_blocks_of_resnext_weigh_about_the_same():
    weights = [cost(resnext_block(*block), (256, 14, 14)).weights for block in RESNEXT_BLOCKS]
    assert dict(zip(RESNEXT_BLOCKS, weights, strict=True)) == {
        (1, 64): 69_632,
        (2, 40): 69_760,
        (4, 24): 69_888,
        (8, 14): 71_456,
        (32, 4): 70_144,
    }


@pytest.mark.parametrize(
    ("build", "options", "size"),
    [
        (vgg16, {}, 212),
        (mobilenet_v1, {}, 315),
        (mobilenet_v1, {"width": 1 / 16}, 315),
        (vgg16, {"width": 1 / 16}, 212),
        (resnet50, {"width": 1 / 16, "stride_on": "1x1"}, 483),
        (resnet50, {"stride_on": "1x1"}, 483),
        (resnet50, {"stride_on": "3x3"}, 427),
        (resnext50, {}, 427),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_network_sees_what_araujo_et_al_computed(build, options, size):
    network = on_meta(build, **options)
    found = measure_receptive_field(network.features, (3, 2 * size // 32 * 32, 2 * size // 32 * 32))
    assert found.size == (size, size)
    assert found.stride == (32, 32)
    assert found.coverage == 1


def test_the_context_module_grows_as_in_its_table_1():
    layers = context_module()
    convolutions = [number for number, layer in enumerate(layers, 1) if isinstance(layer, nn.Conv2d)]
    fields = [measure_receptive_field(layers[:number], (1, 71, 71)) for number in convolutions]
    assert [field.size[0] for field in fields] == [3, 5, 9, 17, 33, 65, 67, 67]
    assert all(field.coverage == 1 for field in fields)
    specs = [ConvSpec(1, 1, 3, dilation=rate) for rate in CONTEXT_RATES] + [ConvSpec(1, 1, 1)]
    assert [field.size for field in receptive_field(specs)] == [field.size for field in fields]


def test_aspp_reaches_37_pixels_and_touches_25():
    found = measure_receptive_field(aspp(), (1, 61, 61))
    assert found.size == (37, 37)
    assert found.support.sum() == 25


@pytest.mark.parametrize(("layers", "kernel_size"), [(5, 3), (10, 3), (20, 3), (40, 3), (5, 5), (10, 5)])
def test_the_effective_field_of_averages_is_as_wide_as_luo_et_al_say(layers, kernel_size):
    stack = nn.Sequential(*(nn.Conv2d(1, 1, kernel_size, bias=False) for _ in range(layers)))
    stack.requires_grad_(False)
    for layer in stack:
        layer.weight.fill_(1 / kernel_size**2)
    side = layers * (kernel_size - 1) + 9
    found = measure_receptive_field(stack, (1, side, side))
    expected = sqrt(layers * (kernel_size**2 - 1) / 12)
    assert found.deviation == pytest.approx((expected, expected), rel=1e-3)


def test_output_sizes_follow_all_relationships_of_dumoulin_and_visin():
    """Convolution (1 to 6, 15), pooling (7) and transposed convolution (8 to 14), against torch."""
    settings = 0
    for i, k, s, p, d in product((4, 5, 6, 7, 8, 11, 12), range(1, 6), range(1, 5), range(4), (1, 2, 3)):
        reach = k + (k - 1) * (d - 1)
        if i + 2 * p < reach:
            continue
        image = torch.zeros(1, 1, i, i)
        size = (i + 2 * p - reach) // s + 1
        options = {"stride": s, "padding": p, "dilation": d}
        assert nn.Conv2d(1, 1, k, **options)(image).shape[2:] == (size, size)
        assert ConvSpec(1, 1, k, **options).output_size(i) == (size, size)
        if d == 1 and p <= k // 2:
            assert nn.MaxPool2d(k, s, p)(image).shape[2:] == (size, size)
            assert nn.AvgPool2d(k, s, p)(image).shape[2:] == (size, size)
        # The transposed convolution takes the output back to the input, given what the floor dropped.
        rest = (i + 2 * p - reach) % s
        if rest < max(s, d):
            back = nn.ConvTranspose2d(1, 1, k, output_padding=rest, **options)
            assert back(torch.zeros(1, 1, size, size)).shape[2:] == (i, i)
            assert i == s * (size - 1) + rest + reach - 2 * p
        settings += 1
    assert settings > 1_400


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: resnet50(stride_on="2x2"), "stride_on='2x2'"),
        (lambda: resnet50(0.01), r"width=0\.01"),
        (lambda: mobilenet_v1(0.01), r"width=0\.01"),
        (lambda: vgg16("a"), "width='a'"),
        (lambda: resnet50(width_per_group=0), "width_per_group=0"),
        (lambda: resnext_block(2, 0), "width=0"),
    ],
)
def test_bad_options_are_refused_with_their_value(build, message):
    with pytest.raises(ValueError, match=message):
        build()
