"""What a reader may get wrong: each is refused by a sentence of ours, with the name that the reader wrote."""

import traceback
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import convlab
from convlab import (
    ask,
    filter_bank,
    lift,
    quiz,
    show_beside,
    show_bottleneck,
    show_channel_sum,
    show_collapse,
    show_colour_target,
    show_connectivity,
    show_cost,
    show_cost_ratio,
    show_costs,
    show_depth,
    show_dilation,
    show_field,
    show_five,
    show_gallery,
    show_groups,
    show_kernels,
    show_learned_kernels,
    show_maps,
    show_mix,
    show_patches,
    show_poke,
    show_rates,
    show_reach,
    show_separable_fit,
    show_steps,
    show_target,
    show_two_steps,
    show_weighted_sum,
    show_window,
)
from convlab.arithmetic import ConvSpec, hdc_distances, receptive_field, tap_offsets
from convlab.images import as_photo, photo
from convlab.kernels import kernel, named_kernel
from convlab.measure.costs import cost
from convlab.measure.reach import measure_receptive_field
from convlab.measure.timing import measure_time
from convlab.networks import mobilenet_v1, resnet50, resnext_block, vgg16
from convlab.training import alternatives, cut_patches, small_network

HOUSE = Path(convlab.__file__).parent
SPEC = ConvSpec(4, 4, 3, padding="same")
CONV = nn.Conv2d(1, 2, 3)
NAN = float("nan")
GREY = photo("cat", 13, channels=1)
FIELD = measure_receptive_field(CONV, (1, 13, 13))
PRICE = cost(CONV, (1, 9, 9))


def specs(**options):
    return lambda: ConvSpec(**{"in_channels": 4, "out_channels": 8, "kernel_size": 3} | options)


# What is called, and what the message must say: the name of the parameter and the value, or its part that
# is wrong. Without names for the rows: pytest takes the words.
BAD = [
    # images
    (lambda: photo("dog"), "name='dog' must be one of: astronaut"),
    (lambda: photo(None), "name=None"),
    (lambda: photo(["cat"]), "name=['cat']"),
    (lambda: photo("cat", "64"), "size='64'"),
    (lambda: photo("cat", 64.0), "size=64.0"),
    (lambda: photo("cat", (64, -1)), "size=-1"),
    (lambda: photo("cat", [64]), "size=[64] must be one number or a pair"),
    (lambda: photo("cat", {"height": 3, "width": 4}), "size={'height': 3, 'width': 4}"),
    (lambda: photo("cat", 8, channels=2), "channels=2 must be one of: 1, 3"),
    (lambda: photo("cat", 8, channels=None), "channels=None"),
    (lambda: photo("cat", 8, channels=True), "channels=True"),
    (lambda: as_photo(None), "image=None must be a tensor"),
    (lambda: as_photo([[0.5, 0.5]]), "image=[[0.5, 0.5]] must be a tensor"),
    (lambda: as_photo("nowhere/cat.png"), "image='nowhere/cat.png' can't be read as a photo"),
    (lambda: as_photo(torch.full((9, 9), 255.0)), "image: float32 of shape (9, 9) from 255 to 255"),
    (lambda: as_photo(np.full((9, 9), NAN)), "image: float64 of shape (9, 9) from nan to nan"),
    (lambda: as_photo(np.zeros((9, 9), int)), "image: int64 of shape (9, 9) from 0 to 0 must be uint8"),
    (lambda: as_photo(torch.zeros(2, 3, 9, 9)), "image: float32 of shape (2, 3, 9, 9)"),
    (lambda: as_photo(torch.zeros(3, 0, 9)), "image: float32 of shape (3, 0, 9) must be one photo"),
    (lambda: as_photo(torch.zeros(9, 9), (3, 0)), "size=0"),
    (lambda: as_photo(torch.zeros(9, 9), channels="L"), "channels='L'"),
    (lambda: as_photo(torch.zeros(9, 9), channels=np.array([1, 3])), "channels=array([1, 3])"),
    # kernels
    (lambda: kernel("blurr"), "name='blurr' must be one of: identity"),
    (lambda: kernel(3), "name=3"),
    (lambda: kernel({}), "name={}"),
    (lambda: kernel("emboss", 4), "size=4 must be an odd whole number of at least 3"),
    (lambda: kernel("emboss", 1), "size=1"),
    (lambda: kernel("emboss", (3, 3)), "size=(3, 3)"),
    (lambda: kernel("emboss", np.float64(3)), f"size={np.float64(3)!r}"),
    (lambda: named_kernel("blurr"), "kernel='blurr' must be one of: identity"),
    (lambda: named_kernel("blurr", name="red"), "red='blurr'"),
    (lambda: named_kernel("emboss", 4), "kernel_size=4 must be an odd"),
    # arithmetic
    (specs(in_channels="4"), "in_channels='4'"),
    (specs(in_channels=np.float64(3)), f"in_channels={np.float64(3)!r} must be a whole number"),
    (specs(in_channels=NAN), "in_channels=nan"),
    (specs(out_channels=None), "out_channels=None"),
    (specs(out_channels=-8), "out_channels=-8"),
    (specs(kernel_size="3x3"), "kernel_size='3x3'"),
    (specs(kernel_size=np.array([[3, 3], [3, 3]])), "kernel_size=[3, 3]"),
    (specs(kernel_size=(3, 3, 3)), "kernel_size=(3, 3, 3)"),
    (specs(kernel_size={3, 5}), "kernel_size={3, 5}"),
    (specs(kernel_size=(side for side in (3, 3))), "kernel_size=<generator"),
    (specs(stride=True), "stride=True"),
    (specs(stride=[]), "stride=[]"),
    (specs(stride=torch.tensor([1.0, 2.0])), "stride=1.0"),
    (specs(stride=2, padding="same"), 'padding="same" needs stride=1, not stride=(2, 2)'),
    (specs(padding="full"), "padding='full'"),
    (specs(padding=None), "padding=None"),
    (specs(padding=-1), "padding=-1"),
    (specs(dilation=1.5), "dilation=1.5"),
    (specs(groups=3), "groups=3 must divide in_channels=4"),
    (specs(groups=0), "groups=0"),
    (specs(bias="no"), "bias='no' must be one of: True, False"),
    (specs(bias=None), "bias=None"),
    (lambda: SPEC.output_size("32"), "input_size='32'"),
    (lambda: SPEC.output_size((32, None)), "input_size=None"),
    (lambda: SPEC.macs(0), "input_size=0"),
    (
        lambda: ConvSpec(1, 1, 5).macs(3),
        "input 3×3 (3×3 with padding) is smaller than the effective kernel 5×5",
    ),
    (lambda: receptive_field([]), "specs=[] must be a sequence of at least one"),
    (lambda: receptive_field([1, 2]), "specs[0]=1 must be of type ConvSpec"),
    (lambda: receptive_field(SPEC), "specs=ConvSpec(in_c"),
    (lambda: receptive_field({"a": SPEC}), "specs={'a': ConvSpec("),
    (lambda: receptive_field(None), "specs=None"),
    (lambda: receptive_field([SPEC, SPEC.module()]), "specs[1]=Conv2d("),
    (lambda: tap_offsets("123"), "rates='123' must be a sequence"),
    (lambda: tap_offsets(()), "rates=()"),
    (lambda: tap_offsets((1, 0)), "rates=0"),
    (lambda: tap_offsets((1, NAN)), "rates=nan"),
    (lambda: tap_offsets(2), "rates=2"),
    (lambda: tap_offsets((1, 2), "3"), "kernel_size='3'"),
    (lambda: tap_offsets((1, 2), 0), "kernel_size=0"),
    (lambda: hdc_distances("123"), "rates='123'"),
    (lambda: hdc_distances(iter([])), "rates=<list_it"),
    (lambda: hdc_distances([(1, 2)]), "rates=(1, 2)"),
    (lambda: hdc_distances(np.array(5)), "rates=array(5)"),
    # measuring
    (lambda: cost(SPEC, (4, 9, 9)), "module=ConvSpec("),
    (lambda: cost(None, (4, 9, 9)), "module=None must be a complete nn.Module"),
    (lambda: cost(nn.Conv2d, (4, 9, 9)), "module=<class"),
    (lambda: cost(CONV, (9, 9)), "input_shape=(9, 9) must be (C, H, W) or (1, C, H, W)"),
    (lambda: cost(CONV, "1×9×9"), "input_shape='1×9×9'"),
    (lambda: cost(CONV, (2, 1, 9, 9)), "input_shape=(2, 1, 9, 9)"),
    (lambda: cost(CONV, (1, 9, 0)), "input_shape=0"),
    (lambda: cost(CONV, (1, 9, 9.0)), "input_shape=9.0"),
    (lambda: cost(CONV, None), "input_shape=None"),
    (lambda: cost(CONV, (3, 9, 9)), "does not take input_shape=(3, 9, 9)"),
    (lambda: cost(nn.LazyConv2d(2, 3), (3, 9, 9)), "module=LazyConv2d("),
    (lambda: measure_receptive_field(SPEC, (4, 9, 9)), "module=ConvSpec("),
    (lambda: measure_receptive_field([CONV], (1, 9, 9)), "module=[Conv2d("),
    (lambda: measure_receptive_field(CONV, 9), "input_shape=9"),
    (lambda: measure_receptive_field(CONV, (1, 2, 2)), "does not take input_shape=(1, 2, 2)"),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), at=3), "at=3"),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), at="33"), "at='33'"),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), at=(7, 0)), "at=(7, 0) is not a position of the 7×7"),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), at=(3, NAN)), "at=nan"),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), at=(1, 1, 1)), "at=(1, 1, 1)"),
    (
        lambda: measure_receptive_field(CONV, (1, 9, 9), channel=2),
        "channel=2 must be a whole number from 0 to 1",
    ),
    (lambda: measure_receptive_field(CONV, (1, 9, 9), channel="0"), "channel='0'"),
    (lambda: measure_receptive_field(nn.Flatten(), (1, 9, 9)), "the module gives (1, 81), not a map"),
    (lambda: measure_time([CONV], (1, 9, 9)), "modules=[Conv2d("),
    (lambda: measure_time({}, (1, 9, 9)), "modules={}"),
    (lambda: measure_time({"it": SPEC}, (4, 9, 9)), "modules['it']: module=ConvSpec("),
    (lambda: measure_time({"it": CONV}, (3, 9, 9)), "modules['it']: the module does not take input_shape=(3"),
    (lambda: measure_time({"it": CONV}, "1×9×9"), "input_shape='1×9×9'"),
    (
        lambda: measure_time({"it": CONV}, (1, 9, 9), repeats=2),
        "repeats=2 must be a whole number of at least 3",
    ),
    (lambda: measure_time({"it": CONV}, (1, 9, 9), repeats="5"), "repeats='5'"),
    (lambda: measure_time({"it": CONV}, (1, 9, 9), threads=0), "threads=0"),
    (lambda: measure_time({"it": CONV}, (1, 9, 9), threads=1.0), "threads=1.0"),
    # networks
    (lambda: mobilenet_v1("x"), "width='x'"),
    (lambda: mobilenet_v1(0), "width=0 must be a number that makes 1 to a million channels of 32"),
    (lambda: mobilenet_v1(NAN), "width=nan"),
    (lambda: mobilenet_v1(True), "width=True"),
    (lambda: mobilenet_v1(1 / 32, separable="yes"), "separable='yes'"),
    (lambda: resnet50(float("inf")), "width=inf"),
    (lambda: resnet50(-1), "width=-1"),
    (lambda: vgg16(1e300), "width=1e+300"),
    (lambda: resnet50([1]), "width=[1]"),
    (lambda: resnet50(1 / 16, stride_on="2x2"), "stride_on='2x2' must be one of: 1x1, 3x3"),
    (lambda: resnet50(1 / 16, stride_on=1), "stride_on=1"),
    (lambda: resnet50(1 / 16, groups=0.5), "groups=0.5"),
    (lambda: resnet50(1 / 16, width_per_group=None), "width_per_group=None"),
    (lambda: resnext_block("2", 4), "cardinality='2'"),
    (lambda: resnext_block(2, 0), "width=0"),
    (lambda: vgg16(None), "width=None"),
    # training
    (lambda: alternatives(0, 4), "in_channels=0"),
    (lambda: alternatives(4, 6), "out_channels=6 must be a multiple of 4"),
    (lambda: alternatives(4, None), "out_channels=None"),
    (lambda: alternatives(4, 4, "3"), "kernel_size='3'"),
    (lambda: alternatives(4, 4, dilation=0), "dilation=0"),
    (lambda: alternatives(6, 4), "groups=4 must divide in_channels=6"),
    (lambda: small_network(SPEC, 2), "layer=ConvSpec("),
    (lambda: small_network([], 2), "layer=[]"),
    (lambda: small_network([SPEC.module()], 2), "layer[0]=Conv2d("),
    (lambda: small_network([SPEC, ConvSpec(8, 4, 1)], 2), "must give as many channels as it takes"),
    (lambda: small_network([ConvSpec(4, 8, 3)], 2), "layer=[ConvSpec(in_channels=4"),
    (lambda: small_network([SPEC], 0), "classes=0"),
    (lambda: small_network([SPEC], 2, depth=-1), "depth=-1"),
    (lambda: small_network([SPEC], 2, seed="0"), "seed='0'"),
    (lambda: small_network([SPEC], 2, seed=2**70), f"seed={2**70}"),
    (lambda: cut_patches("cat", "train", 1), "names='cat' must be a sequence"),
    (lambda: cut_patches([], "train", 1), "names=[]"),
    (lambda: cut_patches(["cat", "dog"], "train", 1), "names='dog' must be one of: astronaut"),
    (lambda: cut_patches(["cat"], "both", 1), "part='both' must be one of: train, test"),
    (lambda: cut_patches(["cat"], ["test"], 1), "part=['test']"),
    (lambda: cut_patches(["cat"], "train", 0), "per_photo=0"),
    (lambda: cut_patches(["cat"], "train", 1, size=1), "size=1 must be a whole number of at least 2"),
    (lambda: cut_patches(["cat"], "train", 1, size=200.0), "size=200.0"),
    (lambda: cut_patches(["cat"], "train", 1, size=900), "size=900 leaves no room"),
    (lambda: cut_patches(["cat"], "train", 1, seed=-1), "seed=-1"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_bad_input_is_refused_with_its_name_and_value(call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert words in str(caught.value)
    assert Path(caught.traceback[-1].path).is_relative_to(HOUSE), "the message is of another library"


def weightless(build):
    """The same network in no memory: some of what is tried makes it large."""

    @wraps(build)
    def built(**options):
        with torch.device("meta"):
            return build(**options)

    return built


# Each public function with arguments that work, of which one at a time is replaced by each of ODD.
WORKING = [
    (photo, {"name": "cat", "size": 8, "channels": 3}),
    (as_photo, {"image": torch.rand(9, 9), "size": 8, "channels": 3}),
    (kernel, {"name": "emboss", "size": 3}),
    (ConvSpec, {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "stride": 1}),
    (ConvSpec, {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "padding": 0, "dilation": 1}),
    (ConvSpec, {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "groups": 1, "bias": True}),
    (SPEC.macs, {"input_size": 9}),
    (receptive_field, {"specs": [SPEC]}),
    (tap_offsets, {"rates": (1, 2), "kernel_size": 3}),
    (hdc_distances, {"rates": (1, 2)}),
    (cost, {"module": CONV, "input_shape": (1, 9, 9)}),
    (measure_receptive_field, {"module": CONV, "input_shape": (1, 9, 9), "at": (1, 1), "channel": 0}),
    (measure_time, {"modules": {"it": nn.Identity()}, "input_shape": (1, 2, 2), "repeats": 3}),
    (weightless(mobilenet_v1), {"width": 1 / 32, "separable": True}),
    (weightless(resnet50), {"width": 1 / 64, "stride_on": "3x3"}),
    (resnext_block, {"cardinality": 2, "width": 2}),
    (weightless(vgg16), {"width": 1 / 64}),
    (alternatives, {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "dilation": 2, "groups": 4}),
    (small_network, {"layer": [SPEC], "classes": 2, "depth": 1, "seed": 0}),
    (cut_patches, {"names": ["cat"], "part": "train", "per_photo": 1, "size": 8, "seed": 0}),
    (filter_bank, {"image": GREY, "channels": 8}),
    (lift, {"image": GREY}),
    (show_maps, {"maps": {"a": GREY}}),
    (show_kernels, {"kernel": torch.ones(3, 5), "dilations": (1, 2)}),
    (show_field, {"image": GREY, "field": FIELD}),
    (show_cost, {"cost": PRICE}),
    (show_costs, {"specs": {"a": SPEC}, "input_size": 9}),
    (show_window, {"image": GREY, "row": 1, "column": 1, "kernel": "emboss", "stride": 1}),
    (show_gallery, {"image": GREY, "kernels": ["emboss"]}),
    (
        show_channel_sum,
        {"image": GREY, "filters": {"a": torch.ones(3, 3, 3)}, "filter": "a", "without": "red"},
    ),
    (show_target, {"image": GREY, "target": "edge", "kernel": "emboss"}),
    (show_steps, {"image": GREY, "kernel_size": 3, "stride": 1, "padding": 1}),
    (show_reach, {"image": GREY, "depth": 1, "kernel_size": 3}),
    (show_mix, {"image": GREY, "mix": "luma"}),
    (show_colour_target, {"image": GREY, "target": "stronger colours", "matrix": "nothing"}),
    (show_weighted_sum, {"image": GREY, "red_percent": 1, "green_percent": 2, "blue_percent": 3}),
    (show_collapse, {"image": GREY, "between": "ReLU", "middle": 2}),
    (show_bottleneck, {"middle": 8, "kernel_size": 3, "channels": 16, "input_size": 9}),
    (show_dilation, {"image": GREY, "dilation": 1, "kernel_size": 3, "padding": "same", "kernel": "emboss"}),
    (show_rates, {"image": GREY, "rates": (1, 2), "kernel_size": 3}),
    (show_depth, {"image": GREY, "depth": 2, "kernel_size": 3}),
    (show_groups, {"image": GREY, "groups": 3}),
    (show_connectivity, {"matrices": {"a": torch.eye(3)}}),
    (show_poke, {"image": GREY, "channel": 1, "groups": 3, "between": "nothing"}),
    (show_two_steps, {"image": GREY, "red": "emboss", "green": "emboss", "stride": 1, "output": 0}),
    (show_cost_ratio, {"kernel_size": 3, "out_channels": 8, "in_channels": 8}),
    (show_separable_fit, {"image": GREY, "kernels": "random", "depth_multiplier": 1, "output": 0}),
    (show_five, {"image": GREY, "channels": 8, "kernel_size": 3, "kernel": "emboss"}),
    (show_patches, {"patches": cut_patches(["cat"], "train", 9), "names": ["cat"]}),
    (show_learned_kernels, {"before": torch.ones(2, 3, 3), "after": torch.ones(2, 3, 3)}),
    (show_beside, {"target": GREY, "yours": GREY}),
    (ask, {"name": "02/span"}),
    (quiz, {"lesson": "02"}),
]
ODD = [
    *(None, True, 0, -1, 2.5, NAN, float("inf"), 1j, "", "3", "cat", b"3", (), [1, 2], ["a"], [None]),
    *({}, {1: 2}, {"a": SPEC}, {1, 2}, range(3), object(), int, SPEC, [SPEC], nn.ReLU, nn.Sequential()),
    *(np.float64(3), np.array(3), np.array([1, 2]), np.array([]), np.zeros((2, 2)), np.array(["a", "b"])),
    *(torch.tensor([1, 2]), torch.zeros(2, 2), torch.zeros(0), torch.float32, lambda x: x, slice(None)),
]


@pytest.mark.parametrize(
    ("function", "arguments"), WORKING, ids=lambda value: getattr(value, "__name__", None)
)
def test_whatever_is_given_works_or_is_refused_by_a_sentence_of_ours(function, arguments):
    function(**arguments)
    refusals = [
        (name, error)
        for name in arguments
        for odd in ODD
        if (error := refusal(function, arguments | {name: odd})) is not None
    ]
    assert len(refusals) > len(ODD) * len(arguments) / 2
    for name, error in refusals:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        assert name in str(error)
        assert Path(frame.f_code.co_filename).is_relative_to(HOUSE), error


def refusal(function, arguments):
    try:
        function(**arguments)
    except ValueError as error:
        return error
    return None
