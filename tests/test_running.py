"""What cost, reach and time have in common: they run a module, quietly, and leave all else as it was."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from convlab import ConvSpec, cost, measure_receptive_field, measure_time
from convlab.measure.running import image_shape

MEASURES = {
    "cost": cost,
    "field": measure_receptive_field,
    "effective field": lambda module, shape: measure_receptive_field(module, shape).effective,
    "time": lambda module, shape: measure_time({"it": module}, shape, repeats=3),
}


@pytest.fixture
def every_time():
    """Torch warns of each thing once in the life of a process, unless told otherwise."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("every_time")
@pytest.mark.parametrize("measure", MEASURES)
def test_torchs_note_on_even_kernels_does_not_reach_the_reader(measure):
    module = ConvSpec(2, 2, 4, padding="same").module()
    with pytest.warns(UserWarning, match="even kernel lengths"):
        module(torch.zeros(1, 2, 15, 15))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MEASURES[measure](module, (2, 15, 15))


class Warns(nn.Module):
    def forward(self, x):
        warnings.warn("of its own", UserWarning, stacklevel=1)
        return x * 2


@pytest.mark.parametrize("measure", MEASURES)
def test_what_the_module_itself_warns_of_does(measure):
    with pytest.warns(UserWarning, match="of its own"):
        MEASURES[measure](Warns(), (2, 15, 15))


@pytest.mark.parametrize(
    "shape",
    [(3, 8, 9), [1, 3, 8, 9], torch.Size([3, 8, 9]), np.array([3, 8, 9]), torch.zeros(1, 3, 8, 9).shape],
    ids=repr,
)
def test_the_shape_of_an_image_is_any_sequence_of_whole_numbers(shape):
    found = image_shape(shape)
    assert found == (1, 3, 8, 9)
    assert all(type(side) is int for side in found)


def test_positions_and_channels_may_be_numpys():
    at, channel = np.array([2, 3]), np.int64(1)
    found = measure_receptive_field(nn.Conv2d(1, 2, 3), np.array([1, 9, 9]), at, channel)
    assert found.at == (2, 3)
    assert type(found.at[0]) is int
    np.testing.assert_array_equal(
        found.support, measure_receptive_field(nn.Conv2d(1, 2, 3), (1, 9, 9), (2, 3), 1).support
    )


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Wrong(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("measure", ["cost", "field", "time"])
@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(5, 2),
        nn.Embedding(3, 4),
        nn.LSTM(3, 4),
        nn.MultiheadAttention(8, 2),
        nn.Module(),
        nn.ModuleList([nn.ReLU()]),
        Two(),
        *(Wrong(kind("of its own")) for kind in (IndexError, AttributeError, AssertionError, ValueError)),
    ],
    ids=lambda module: getattr(module, "error", module).__class__.__name__,
)
def test_a_module_that_takes_no_image_is_refused_in_words(measure, module):
    with pytest.raises(ValueError, match=r"the module does not take input_shape=\(3, 9, 9\)"):
        MEASURES[measure](module, (3, 9, 9))


@pytest.mark.parametrize("measure", ["cost", "field", "time"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ConvSpec(1, 1, 3), "must be a complete nn.Module; spec.module() makes one of a ConvSpec"),
        (nn.ReLU, "must be a complete nn.Module"),
        (torch.relu, "must be a complete nn.Module"),
        (None, "module=None must be a complete nn.Module"),
        (nn.LazyConv2d(4, 3), "its lazy layers never ran, so run it once, module(image)"),
        (
            nn.Sequential(nn.LazyBatchNorm2d(affine=False)),
            "module=Sequential(…) must be a complete nn.Module: its",
        ),
    ],
    ids=["spec", "class", "function", "None", "lazy", "lazy buffers"],
)
def test_what_is_no_module_yet_is_refused_with_what_to_do(measure, given, words):
    with pytest.raises(ValueError, match="module") as caught:
        MEASURES[measure](given, (3, 9, 9))
    assert words in str(caught.value)


class OnMeta(nn.Module):
    """With a tensor that no one can tell from outside."""

    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(3, 1, 1, device="meta")

    def forward(self, x):
        return x - self.mean


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 9, 7))


@pytest.mark.parametrize("measure", ["cost", "field", "time"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: nn.DataParallel(nn.Conv2d(3, 4, 3)), "it is a wrapper: give what it wraps, module.module"),
        (scripted, "it is scripted: give the module that it was made from"),
        (Two, "it takes more than one tensor: wrap it in a module that takes one image"),
        (lambda: nn.Sequential(nn.Bilinear(7, 7, 2)), "it takes more than one tensor: wrap it"),
        (
            lambda: nn.Conv2d(3, 4, 3, dtype=torch.complex64),
            "its numbers are complex: wrap it in a module that",
        ),
        (lambda: nn.Linear(7, 2, dtype=torch.complex64), "its numbers are complex: wrap it in a module that"),
        (OnMeta, "a tensor on the meta device is neither parameter nor buffer: build the module on another"),
    ],
    ids=["wrapped", "scripted", "two", "two inside", "complex", "complex linear", "meta"],
)
def test_what_cannot_run_as_it_is_is_refused_with_what_to_do(measure, given, words):
    with pytest.raises(ValueError, match=r"the module does not take input_shape=\(3, 9, 7\): ") as caught:
        MEASURES[measure](given(), (3, 9, 7))
    assert str(caught.value).partition("): ")[2].startswith(words)


def test_what_is_to_do_helps():
    lazy = nn.LazyConv2d(4, 3)
    lazy(torch.zeros(1, 3, 9, 7))
    complex_conv = nn.Conv2d(3, 4, 3, dtype=torch.complex64)
    found = [
        cost(module, (3, 9, 7)).weights
        for module in (lazy, nn.DataParallel(lazy).module, Wrapped(complex_conv, lambda x: (x.cfloat(),)))
    ]
    assert found[:2] == [108, 108]
    assert cost(Wrapped(nn.Bilinear(7, 7, 2), lambda x: (x, x)), (3, 9, 7)).weights == 98


class Wrapped(nn.Module):
    def __init__(self, module, given):
        super().__init__()
        self.module, self.given = module, given

    def forward(self, x):
        return self.module(*self.given(x))


def test_a_module_in_memory_is_measured_where_new_tensors_have_none():
    module = nn.Conv2d(3, 4, 3)
    with torch.device("meta"):
        assert cost(module, (3, 9, 7)).macs == 108 * 7 * 5
