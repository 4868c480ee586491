"""Costs: torch's own counter and the arithmetic are the oracles."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from convlab import ConvSpec, cost


class FromForward(nn.Module):
    """Convolves without any layer of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=1)


class Twice(nn.Module):
    """One module called twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(torch.relu(self.conv(x)))


SPECS = [
    ConvSpec(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
    for in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias in product(
        (2, 6), (4, 6), (1, (2, 3)), (1, 2), (0, 2), (1, 2), (1, 2), (True, False)
    )
] + [ConvSpec(3, 5, k, padding="same", dilation=d) for k in (1, 2, 3, 4) for d in (1, 2)]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_cost_and_arithmetic_agree(spec):
    found = cost(spec.module(), (spec.in_channels, 9, 11))
    assert found.parameters == spec.num_parameters
    assert found.weights == spec.num_weights
    assert found.macs == spec.macs((9, 11))
    layer = next(layer for layer in found.layers if layer.macs)
    assert layer.output_shape == (1, spec.out_channels, *spec.output_size((9, 11)))
    assert layer.kind == spec.kind


def test_bytes_are_those_of_inputs_parameters_and_outputs():
    found = cost(nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10))
    assert found.bytes == 4 * (3 * 100 + 3 * 8 * 9 + 8 + 8 * 100)
    assert found.intensity == found.macs / found.bytes
    half = cost(nn.Conv2d(3, 8, 3, padding=1).bfloat16(), (3, 10, 10))
    assert 2 * half.bytes == found.bytes


MODULES = {
    "F.conv2d in forward": FromForward(),
    "one module twice": Twice(),
    "transposed": nn.ConvTranspose2d(3, 4, 3, stride=2),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(3 * 144, 7)),
    "linear at each pixel": nn.Sequential(nn.Flatten(2), nn.Linear(144, 7)),
    "conv1d": nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3)),
    "no multiplication": nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
    "nothing": nn.Identity(),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", MODULES)
def test_multiply_adds_are_half_of_what_torch_counts(name, device):
    module = MODULES[name]
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 3, 12, 12))
    found = cost(module if device == "cpu" else module.to(device), (3, 12, 12))
    MODULES[name] = module.to_empty(device="cpu")
    assert 2 * found.macs == counter.get_total_flops()
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert sum(layer.parameters for layer in found.layers) == found.parameters


class Attention(nn.Module):
    """Self-attention over the pixels of a map."""

    def __init__(self, need_weights):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens, need_weights=self.need_weights)[0]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_attention_is_counted_however_torch_does_it(need_weights, training):
    fast = torch.backends.mha.get_fastpath_enabled()
    found = cost(Attention(need_weights).train(training), (8, 16, 16))
    tokens, channels = 256, 8
    projections = 4 * tokens * channels * channels
    assert found.macs == projections + 2 * tokens * tokens * channels
    assert found.weights == 4 * channels * channels
    assert torch.backends.mha.get_fastpath_enabled() == fast


class Matrices(nn.Module):
    """Products of matrices and vectors in all the ways that torch writes them."""

    def forward(self, x):
        a, b, c = x[0]
        product = torch.addmm(a, b, c) + a @ (b @ c[0])
        return torch.einsum("bij,bjk->bik", x[0], x[0]) + torch.mm(a, b, out=torch.empty_like(c)) + product


def test_products_of_matrices_are_counted_however_they_are_written():
    n = 12
    assert cost(Matrices(), (3, n, n)).macs == n**3 + 2 * n**2 + 3 * n**3 + n**3


def test_weights_count_although_something_else_uses_them_first():
    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x):
            return F.conv2d(x, self.weight / self.weight.norm()) * self.weight.abs().mean()

    assert cost(Normalised(), (3, 9, 9)).weights == 4 * 3 * 9


def test_kinds_are_named_for_what_is_no_ordinary_convolution_too():
    module = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    kinds = [layer.kind for layer in cost(module, (3, 8, 8)).layers]
    assert kinds == ["transposed", "batch norm", "max pool2d", "linear"]


def test_the_table_keeps_every_row_of_one_that_is_called_thrice():
    conv = nn.Conv2d(3, 3, 1)
    assert len(repr(cost(nn.Sequential(conv, conv, conv), (3, 4, 4))).splitlines()) == 1 + 3 + 1


def test_a_module_on_meta_may_change_its_buffers():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.register_buffer("seen", torch.zeros(4))

        def forward(self, x):
            self.seen += 1
            return self.conv(x)

    with torch.device("meta"):
        module = Counting()
    assert cost(module, (3, 5, 5)).macs == 3 * 4 * 25


def test_the_image_has_fractions_although_the_first_buffer_has_none():
    class Permuting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("order", torch.tensor([2, 1, 0]))

        def forward(self, x):
            return F.interpolate(x[:, self.order], scale_factor=2, mode="bilinear")

    assert cost(Permuting(), (3, 4, 4)).layers[-1].output_shape == (1, 3, 8, 8)


def test_what_moves_nothing_has_no_intensity():
    assert cost(nn.Identity(), (3, 4, 4)).intensity == 0


def test_a_module_called_twice_works_twice_and_weighs_once():
    found = cost(Twice(), (3, 12, 12))
    first, _, second = found.layers
    assert (first.name, second.name) == ("conv", "conv")
    assert first.macs == second.macs > 0
    assert (first.weights, second.weights) == (81, 0)


def test_parameters_that_are_never_used_count_in_all_alone():
    module = FromForward()
    module.spare = nn.Linear(5, 5)
    found = cost(module, (3, 6, 6))
    assert found.parameters == sum(layer.parameters for layer in found.layers) + 30


def test_layers_are_named_as_in_the_module():
    body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()))
    found = cost(body, (3, 8, 8))
    assert [layer.name for layer in found.layers] == ["0", "1.0", "1.1"]
    assert set(found.kinds) == {"pointwise", "depthwise"}
    assert found.kinds["depthwise"].macs == found.layers[1].macs


def test_the_table_holds_each_layer_and_the_sum():
    found = cost(nn.Sequential(nn.Conv2d(3, 40, 3), nn.ReLU(), nn.Conv2d(40, 2, 1)), (3, 8, 8))
    lines = repr(found).splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "0", "2", "1", "in"]
    assert "40×6×6" in lines[1]
    assert lines[-1].split()[-2:] == [f"{found.macs:,}", f"{found.bytes:,}"]
    html = found._repr_html_()
    assert html.count("<tr>") == len(lines)
    assert f"<b>{found.macs:,}</b>" in html


def test_the_table_shows_a_name_as_it_is_and_not_as_html():
    module = nn.Module()
    module.forward = lambda x: getattr(module, "<b>&")(x)
    module.add_module("<b>&", nn.Conv2d(3, 4, 1))
    html = cost(module, (3, 8, 8))._repr_html_()
    assert "<td>&lt;b&gt;&amp;</td>" in html
    assert "<b>&" not in html


def test_a_long_table_is_summed_up_by_kind():
    layers = [nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 4, 1)] * 10
    lines = repr(cost(nn.Sequential(*layers), (4, 8, 8))).splitlines()
    assert [line.split("  ")[:2] for line in lines[1:3]] == [
        ["10 layers", "depthwise"],
        ["10 layers", "pointwise"],
    ]
    assert lines[3].startswith("in all")


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    cost(module, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("shape", [(3, 8), (2, 3, 8, 8), (3, 0, 8), "3×8×8", (3, 8.0, 8)])
def test_a_bad_shape_is_refused_with_its_value(shape):
    with pytest.raises(ValueError, match="input_shape="):
        cost(nn.Conv2d(3, 4, 3), shape)


def test_a_shape_that_the_module_does_not_take_is_refused():
    with pytest.raises(ValueError, match=r"does not take input_shape=\(5, 8, 8\)"):
        cost(nn.Conv2d(3, 4, 3), (5, 8, 8))
