"""The arithmetic against torch itself: layers, FLOP counter, measured reach."""

import copy
import dataclasses
import pickle
from itertools import pairwise, product
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convlab.arithmetic import ConvSpec, hdc_distances, receptive_field, tap_offsets
from convlab.checks import check_one_of, check_pair, check_sequence, check_whole
from convlab.measure.reach import measure_receptive_field

EVEN_SAME = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
KERNELS = [1, 3, (3, 5), 4, (2, 3)]
STRIDES = [1, 2, (1, 3)]
PADDINGS = [0, 2, (2, 1), "same", "valid"]
DILATIONS = [1, 2, (3, 1)]
GRID = [
    ConvSpec(6, 12, kernel, stride, padding, dilation, groups, bias=groups != 2)
    for kernel, stride, padding, dilation, groups in product(KERNELS, STRIDES, PADDINGS, DILATIONS, [1, 2, 6])
    if padding != "same" or stride == 1
]


@EVEN_SAME
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_a_spec_counts_what_torch_counts(kernel, padding):
    pair = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    amounts = padding if isinstance(padding, str | tuple) else (padding, padding)
    chosen = [spec for spec in GRID if spec.kernel_size == pair and spec.padding == amounts]
    assert len(chosen) >= 9
    for spec in chosen:
        layer = nn.Conv2d(
            6, 12, kernel, spec.stride, padding, spec.dilation, spec.groups, bias=spec.bias, device="meta"
        )
        with FlopCounterMode(display=False) as counter:
            output = layer(torch.empty(1, 6, 15, 12, device="meta"))
        assert spec.output_size((15, 12)) == output.shape[2:]
        assert spec.weight_shape == layer.weight.shape
        assert spec.num_weights == layer.weight.numel()
        assert spec.num_parameters == sum(p.numel() for p in layer.parameters())
        assert 2 * spec.macs((15, 12)) == counter.get_total_flops()


@pytest.mark.parametrize(("kernel", "dilation"), list(product(KERNELS, DILATIONS)))
def test_the_effective_kernel_is_what_torch_takes_off_an_unpadded_input(kernel, dilation):
    output = nn.Conv2d(1, 1, kernel, dilation=dilation)(torch.zeros(1, 1, 20, 20))
    expected = tuple(20 - side + 1 for side in output.shape[2:])
    assert ConvSpec(1, 1, kernel, dilation=dilation).effective_kernel_size == expected


@EVEN_SAME
@pytest.mark.parametrize("spec", GRID[::7], ids=str)
def test_module_is_the_layer_that_the_spec_describes(spec):
    layer = spec.module()
    assert layer.weight.shape == spec.weight_shape
    assert (layer.bias is not None) == spec.bias
    assert layer(torch.zeros(1, 6, 15, 12)).shape == (1, 12, *spec.output_size((15, 12)))


@EVEN_SAME
@pytest.mark.parametrize(("kernel", "dilation"), [(2, 1), (4, 1), (3, 2), ((2, 5), (3, 1)), ((4, 2), 1)])
def test_same_padding_puts_the_extra_zero_at_the_bottom_right(kernel, dilation):
    spec = ConvSpec(1, 1, kernel, padding="same", dilation=dilation, bias=False)
    (top, bottom), (left, right) = spec.padding_amounts
    layer, image = spec.module(), torch.rand(1, 1, 9, 8)
    padded = nn.functional.pad(image, (left, right, top, bottom))
    by_hand = nn.functional.conv2d(padded, layer.weight, dilation=spec.dilation)
    torch.testing.assert_close(layer(image), by_hand)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": 3}, "groups=3 must divide in_channels=64"),
        ({"groups": 64}, "groups=64 must divide out_channels=32"),
        ({"groups": 0}, "groups=0"),
        ({"in_channels": 0}, "in_channels=0"),
        ({"out_channels": -1}, "out_channels=-1"),
        ({"in_channels": True}, "in_channels=True"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"kernel_size": 3.0}, "kernel_size=3.0"),
        ({"kernel_size": True}, "kernel_size=True"),
        ({"kernel_size": (3, 0)}, "kernel_size=0"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size=(3, 3, 3)"),
        ({"kernel_size": "3"}, "kernel_size='3'"),
        ({"kernel_size": None}, "kernel_size=None"),
        ({"stride": 0}, "stride=0"),
        ({"stride": 1.5}, "stride=1.5"),
        ({"stride": 2, "padding": "same"}, 'padding="same" needs stride=1, not stride=(2, 2)'),
        ({"dilation": 0}, "dilation=0"),
        ({"padding": -1}, "padding=-1"),
        ({"padding": (1, 1, 1)}, "padding=(1, 1, 1)"),
        ({"padding": "full"}, "padding='full'"),
        ({"padding": False}, "padding=False"),
        ({"bias": 1}, "bias=1"),
    ],
    ids=str,
)
def test_a_refused_value_is_named_in_the_message(arguments, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        ConvSpec(**{"in_channels": 64, "out_channels": 32, "kernel_size": 3} | arguments)
    assert words in str(caught.value)


def holds(value, declared):
    """Whether a value is exactly of the declared type, to the last part of a tuple."""
    if get_origin(declared) is UnionType:
        return any(holds(value, choice) for choice in get_args(declared))
    if get_origin(declared) is tuple:
        parts = get_args(declared)
        return type(value) is tuple and len(value) == len(parts) and all(map(holds, value, parts))
    return type(value) is declared


GIVEN = [
    ((6, 12, 3), {}),
    ((6, 12, (3, 5)), {"stride": 2, "padding": (1, 2), "groups": 3, "bias": False}),
    ((6, 12, 3), {"padding": "same", "dilation": [1, 2]}),
    ((np.int64(6), np.uint8(12), np.array([3, 5])), {"stride": np.int32(2), "groups": np.int64(2)}),
    ((torch.tensor(6), 12, torch.Size([3, 5])), {"padding": torch.tensor([1, 2]), "dilation": np.array(2)}),
    ((6, 12, torch.zeros(3, 5).shape), {"padding": np.str_("valid")}),
]


@pytest.mark.parametrize(("arguments", "options"), GIVEN, ids=str)
def test_a_spec_holds_what_its_types_declare(arguments, options):
    spec = ConvSpec(*arguments, **options)
    declared = get_type_hints(ConvSpec)
    assert list(declared) == [field.name for field in dataclasses.fields(ConvSpec)]
    for name, kind in declared.items():
        assert holds(getattr(spec, name), kind), (name, getattr(spec, name))
    assert spec.module()(torch.zeros(1, 6, 19, 19)).shape == (1, 12, *spec.output_size(19))


@pytest.mark.parametrize(("arguments", "options"), GIVEN, ids=str)
def test_a_spec_is_a_value_that_can_be_copied_compared_and_kept(arguments, options):
    spec = ConvSpec(*arguments, **options)
    for other in (
        copy.copy(spec),
        copy.deepcopy(spec),
        pickle.loads(pickle.dumps(spec)),
        dataclasses.replace(spec),
        eval(repr(spec), {"ConvSpec": ConvSpec}),
        ConvSpec(**dataclasses.asdict(spec)),
    ):
        assert other == spec
        assert hash(other) == hash(spec)
        assert repr(other) == repr(spec)
    wider = dataclasses.replace(spec, out_channels=24, kernel_size=7)
    assert (wider.out_channels, wider.kernel_size, wider.padding) == (24, (7, 7), spec.padding)
    assert wider != spec
    assert len({spec, wider, copy.copy(spec)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.stride = 3
    with pytest.raises(ValueError, match="groups=5 must divide in_channels=6"):
        dataclasses.replace(spec, groups=5)


@pytest.mark.parametrize("size", [4, (4, 9), (9, 4)])
def test_an_input_smaller_than_the_kernel_is_refused_with_both_sizes(size):
    spec = ConvSpec(1, 1, 3, dilation=2)
    with pytest.raises(ValueError, match="is smaller than the effective kernel 5×5"):
        spec.output_size(size)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        spec.module()(torch.zeros(1, 1, *(size if isinstance(size, tuple) else (size, size))))


@pytest.mark.parametrize("size", [0, -3, 7.0, True, (7, 7, 7)])
def test_an_input_size_that_no_image_has_is_refused(size):
    with pytest.raises(ValueError, match="input_size="):
        ConvSpec(1, 1, 1).output_size(size)


@pytest.mark.parametrize(("dilation", "effective", "output"), [(1, 3, 5), (2, 5, 3), (3, 7, 1)])
def test_the_figures_for_dilation_in_the_course_hold(dilation, effective, output):
    spec = ConvSpec(1, 1, 3, dilation=dilation)
    assert spec.effective_kernel_size == (effective, effective)
    assert spec.output_size(7) == (output, output)
    assert spec.num_weights == 9


def test_the_context_module_of_yu_and_koltun_doubles_its_reach():
    rates = [1, 1, 2, 4, 8, 16, 1]
    stack = [ConvSpec(1, 1, 3, dilation=rate, padding=rate) for rate in rates] + [ConvSpec(1, 1, 1)]
    sizes = [field.size for field in receptive_field(stack)]
    assert sizes == [(n, n) for n in (3, 5, 9, 17, 33, 65, 67, 67)]


def test_a_stack_without_layers_has_no_field():
    with pytest.raises(ValueError, match=r"specs=\[\] must be a sequence of at least one"):
        receptive_field([])


@st.composite
def stacks(draw):
    def either(values):
        return draw(st.one_of(values, st.tuples(values, values)))

    specs = []
    for _ in range(draw(st.integers(1, 3))):
        stride = either(st.integers(1, 2))
        same = draw(st.booleans())
        specs.append(
            ConvSpec(
                4,
                4,
                either(st.integers(1, 4)),
                1 if same else stride,
                "same" if same else either(st.integers(0, 3)),
                either(st.integers(1, 3)),
                draw(st.sampled_from([1, 2, 4])),
            )
        )
    return specs


@EVEN_SAME
@settings(max_examples=60, deadline=None, derandomize=True)
@given(stacks())
@example([ConvSpec(4, 4, (4, 3), 2, 1), ConvSpec(4, 4, (2, 4), padding="same", dilation=(3, 1), groups=2)])
def test_the_computed_field_of_a_stack_is_the_measured_one(specs):
    computed = receptive_field(specs)[-1]
    sides = zip(computed.size, computed.stride, strict=True)
    room = tuple(size + 4 * stride for size, stride in sides)
    measured = measure_receptive_field(nn.Sequential(*[s.module() for s in specs]), (4, *room))
    assert measured.size == computed.size
    assert measured.stride == computed.stride


@pytest.mark.parametrize(
    ("rates", "touched", "reach"),
    [((1, 2, 5), 17, 17), ((1, 2, 9), 21, 25), ((2, 4, 8), 15, 29), ((2, 2, 2), 7, 13)],
)
def test_the_pixels_touched_along_an_axis_are_those_of_the_course(rates, touched, reach):
    offsets = tap_offsets(rates)
    assert (len(offsets), offsets[0], offsets[-1]) == (touched, 0, reach - 1)


@pytest.mark.parametrize(("rates", "kernel"), [((1, 2, 5), 3), ((2, 4, 8), 3), ((1, 3), 2), ((3, 2), 5)])
def test_tap_offsets_are_the_pixels_with_a_gradient(rates, kernel):
    line = torch.zeros(1, 1, 40, requires_grad=True)
    output = line
    for rate in rates:
        output = nn.functional.conv1d(output, torch.ones(1, 1, kernel), dilation=rate)
    output[0, 0, 0].backward()
    assert tap_offsets(rates, kernel) == tuple(line.grad[0, 0].nonzero().flatten().tolist())


def test_the_offsets_of_forty_layers_come_at_once():
    assert tap_offsets([1] * 40) == tuple(range(81))
    assert tap_offsets([2] * 40, 2) == tuple(range(0, 82, 2))
    assert tap_offsets([1, 2, 5] * 13 + [1]) == tuple(range(13 * 16 + 3))


def test_rates_may_be_any_sequence_of_whole_numbers():
    expected = tap_offsets([1, 2, 5]), hdc_distances([1, 2, 5])
    for rates in ((1, 2, 5), np.array([1, 2, 5]), torch.tensor([1, 2, 5]), (rate for rate in (1, 2, 5))):
        kept = list(rates)
        assert (tap_offsets(iter(kept)), hdc_distances(iter(kept))) == expected
    assert tap_offsets(np.array([1, 2, 5]), np.int64(3)) == expected[0]


@pytest.mark.parametrize(
    ("rates", "distances"),
    [
        ((1, 2, 5), (1, 2, 5)),
        ((1, 2, 9), (3, 5, 9)),
        ((2, 4, 8), (2, 4, 8)),
        ((2, 2, 2), (2, 2, 2)),
        ((4,), (4,)),
        ((5, 2, 1), (7, 3, 1)),
    ],
)
def test_hdc_distances_follow_the_recursion_of_the_paper(rates, distances):
    assert hdc_distances(rates) == distances


def test_the_first_hdc_distance_is_the_largest_gap_when_rates_do_not_decrease():
    stacks = [r for n in (1, 2, 3, 4) for r in product(range(1, 10), repeat=n) if list(r) == sorted(r)]
    assert len(stacks) > 700
    for rates in stacks:
        taps = tap_offsets(rates)
        gap = max(b - a for a, b in pairwise(taps))
        assert hdc_distances(rates)[0] == gap, rates


@pytest.mark.parametrize("function", [tap_offsets, hdc_distances])
@pytest.mark.parametrize("rates", [[], [0], [1, -2], [1.5], [True], "123", 3, {1: 2}, [[1]]], ids=str)
def test_rates_that_no_layer_has_are_refused(function, rates):
    with pytest.raises(ValueError, match="rates"):
        function(rates)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ordinary", ConvSpec(4, 8, 3)),
        ("ordinary", ConvSpec(1, 8, 3, groups=1)),
        ("pointwise", ConvSpec(4, 8, 1, dilation=3)),
        ("dilated", ConvSpec(4, 8, 3, dilation=(1, 2))),
        ("grouped", ConvSpec(4, 8, 1, groups=2)),
        ("depthwise", ConvSpec(4, 8, 3, dilation=2, groups=4)),
    ],
)
def test_a_convolution_knows_what_it_is_called(kind, spec):
    assert spec.kind == kind


@pytest.mark.parametrize("value", [-1, 4, True, 2.0, "2", None])
def test_a_number_out_of_range_is_refused_with_its_name(value):
    with pytest.raises(ValueError, match=f"depth={value!r} must be a whole number"):
        check_whole("depth", value, 1, 3)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)], ids=repr)
def test_a_whole_number_comes_back_as_an_int_whoever_made_it(value):
    found = check_whole("depth", value, 1)
    assert (type(found), found) == (int, 3)
    assert check_pair("size", value, 1) == (3, 3)


def test_an_odd_number_is_asked_for_in_words():
    assert check_whole("kernel_size", 5, 3, odd=True) == 5
    for value in (1, 4, 3.0):
        with pytest.raises(
            ValueError, match=f"kernel_size={value} must be an odd whole number of at least 3"
        ):
            check_whole("kernel_size", value, 3, odd=True)


@pytest.mark.parametrize("value", [{3: 4, 5: 6}, {3, 4}, "34", [3, 4, 5], np.ones((2, 2)), [[3, 4], [5, 6]]])
def test_what_is_no_pair_is_refused_with_its_name(value):
    with pytest.raises(ValueError, match=r"^stride="):
        check_pair("stride", value, 1)


def test_a_choice_is_what_it_is_equal_to():
    for value in ("same", np.str_("same"), np.array(["same"])[0]):
        assert type(check_one_of("padding", value, ("same", "valid"))) is str
    assert type(check_one_of("channels", np.int64(3), (1, 3))) is int
    assert check_one_of("bias", True, (True, False)) is True
    assert check_one_of("between", None, (None, 2)) is None


@pytest.mark.parametrize(
    "value", [True, "1", None, [1], {}, np.array([1, 3]), torch.tensor([1, 3])], ids=repr
)
def test_what_is_no_choice_is_refused_with_all_choices(value):
    with pytest.raises(ValueError, match=r"(?s)^channels=.* must be one of: 1, 3$"):
        check_one_of("channels", value, (1, 3))


def test_one_is_not_true():
    for value in (1, np.int64(0), "True"):
        with pytest.raises(ValueError, match="must be one of: True, False"):
            check_one_of("bias", value, (True, False))


@pytest.mark.parametrize(
    "values", ["cat", [], {}, {"cat": 1}, 3, None, iter(())], ids=lambda value: type(value).__name__
)
def test_what_is_no_sequence_is_refused_with_its_name(values):
    with pytest.raises(ValueError, match=r"^names=.* must be a sequence of at least one"):
        check_sequence("names", values)


def test_a_sequence_is_of_one_kind():
    assert check_sequence("names", ("cat", "moon"), str) == ["cat", "moon"]
    assert check_sequence("numbers", np.array([2, 3])) == [2, 3]
    with pytest.raises(ValueError, match=r"names\[1\]=2 must be of type str"):
        check_sequence("names", ["cat", 2], str)
