"""Costs: torch's own counter and the arithmetic are the oracles."""

import copy
from itertools import product

import pytest
import torch
from torch import nn
from torch.ao.nn.quantized import dynamic
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations, prune
from torch.utils.flop_counter import FlopCounterMode

from convlab import ConvSpec, cost
from convlab.measure import costs


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


@pytest.mark.parametrize(
    "shape", [(3, 8), (2, 3, 8, 8), (1, 1, 3, 8, 8), (), 8, (3, 0, 8), "3×8×8", (3, 8.0, 8)], ids=repr
)
def test_a_bad_shape_is_refused_with_its_value(shape):
    with pytest.raises(ValueError, match="input_shape="):
        cost(nn.Conv2d(3, 4, 3), shape)


def test_a_shape_of_five_numbers_is_refused_although_the_module_would_take_it():
    with pytest.raises(ValueError, match=r"input_shape=\(1, 1, 3, 8, 8\) must be"):
        cost(nn.ReLU(), (1, 1, 3, 8, 8))


def test_a_shape_that_the_module_does_not_take_is_refused():
    with pytest.raises(ValueError, match=r"does not take input_shape=\(5, 8, 8\)"):
        cost(nn.Conv2d(3, 4, 3), (5, 8, 8))


class Calling(nn.Module):
    """Any function of the image, with modules, parameters and buffers of its own."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def parameter(*shape):
    return nn.Parameter(torch.randn(shape))


def nested(layer):
    return parametrizations.spectral_norm(parametrizations.weight_norm(layer))


def maps(way):
    return lambda layer: parametrizations.orthogonal(layer, orthogonal_map=way)


PARAMETRIZED = {
    "spectral_norm": parametrizations.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "both": nested,
    "orthogonal, exp": maps("matrix_exp"),
    "orthogonal, cayley": maps("cayley"),
    "orthogonal, householder": maps("householder"),
    "spectral_norm of old": nn.utils.spectral_norm,
    "pruned": lambda layer: prune.random_unstructured(layer, "weight", 0.5),
    "pruned twice": lambda layer: prune.ln_structured(
        prune.random_unstructured(layer, "weight", 0.5), "weight", 0.5, n=2, dim=0
    ),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", PARAMETRIZED)
@pytest.mark.parametrize(
    "layer", [lambda: nn.Conv2d(3, 8, 3), lambda: nn.Linear(11, 11)], ids=["conv", "linear"]
)
def test_a_layer_whose_weights_are_computed_costs_what_it_does_without(layer, way, training):
    module, plain = PARAMETRIZED[way](layer()).train(training), cost(layer(), (3, 10, 11))
    found = cost(module, (3, 10, 11))
    assert (found.macs, found.weights, found.bytes) == (plain.macs, plain.weights, plain.bytes)
    assert [each.kind for each in found.layers] == [each.kind for each in plain.layers]
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert found.parameters == sum(each.parameters for each in found.layers)


def test_spectral_norm_in_training_counts_no_power_iteration():
    module = parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)).train()
    assert cost(module, (3, 10, 10)).macs == 8 * 8 * 8 * 27 == 13_824


def test_a_computed_kernel_on_the_meta_device_has_weights_too():
    with torch.device("meta"):
        module = parametrizations.weight_norm(nn.Conv2d(4, 8, 3, groups=2))
    assert cost(module, (4, 9, 7)).weights == 8 * 2 * 9


def test_a_computed_kernel_that_is_used_twice_weighs_once():
    conv = parametrizations.weight_norm(nn.Conv2d(3, 3, 3, padding=1))
    first, *_, last = cost(nn.Sequential(conv, nn.ReLU(), conv), (3, 9, 7)).layers
    assert (first.weights, last.weights) == (81, 0)
    assert first.macs == last.macs == 81 * 63


SHARED = parameter(5, 4, 3, 3, 3)
WEIGHTS = {
    "two slices": (lambda m, x: F.conv2d(x, m.p[1]) + F.conv2d(x, m.p[3]), 2 * 108, 2 * 4860),
    "one slice twice": (lambda m, x: F.conv2d(x, m.p[1]) + F.conv2d(x, m.p[1]), 108, 2 * 4860),
    "copies of two slices": (
        lambda m, x: F.conv2d(x, m.p[1] * 2) + F.conv2d(x, m.p[3] * 2),
        2 * 108,
        2 * 4860,
    ),
    "the whole and its transpose": (lambda m, x: m.q @ (m.q.t() @ x[0]), 77, 2 * 1617),
    "one matrix for each channel": (lambda m, x: m.q.t() @ x, 77, 1617),
    "one matrix twice, cast": (lambda m, x: m.q.double().t() @ (m.q.double() @ x.double().mT), 77, 2 * 2541),
    "a kernel made of a small one": (
        lambda m, x: F.conv2d(x, torch.kron(m.p[0], torch.ones(2, 2))),
        4 * 108,
        432 * 12,
    ),
    "a kernel made of a large one": (
        lambda m, x: F.conv2d(x, m.p.sum(0) @ m.q[:3, :5]),
        4 * 3 * 3 * 5,
        180 * 27,
    ),
    "a kernel in a buffer": (lambda m, x: F.conv2d(x, m.b), 24, 24 * 60),
    "a kernel with a constant in it": (lambda m, x: F.conv2d(x, m.b + torch.ones(2, 2)), 24, 24 * 60),
    "a kernel made of the image": (
        lambda m, x: F.conv2d(x, x[:, :, :2, :2] * m.p[0, :1, :, :2, :2]),
        0,
        12 * 60,
    ),
    "a term that is added": (lambda m, x: torch.addmm(m.t, x[0, 0], x[0, 1].t()), 0, 11 * 11 * 7),
    "a mask of attention": (
        lambda m, x: F.scaled_dot_product_attention(x, x, x, attn_mask=m.t[None]),
        0,
        2 * 3 * 11 * 11 * 7,
    ),
    "a canvas": (lambda m, x: F.conv2d(canvas(torch.zeros(1, 3, 11, 7), x), m.p[0]), 108, 4860),
    "a canvas in a buffer": (lambda m, x: F.conv2d(canvas(m.c, x), m.p[0]), 108, 4860),
}


def canvas(empty, x):
    empty.view(3, 11, 7)[:, :11, :7] += x[0]
    return empty


@pytest.mark.parametrize("way", WEIGHTS)
def test_weights_are_what_multiplies_and_comes_of_parameters_or_buffers(way):
    function, weights, macs = WEIGHTS[way]
    state = {"q": parameter(11, 7), "t": parameter(11, 11), "b": torch.ones(2, 3, 2, 2)}
    module = Calling(function, p=SHARED, c=torch.zeros(1, 3, 11, 7), **state)
    found = cost(module, (3, 11, 7))
    assert (found.weights, found.macs) == (weights, macs)
    assert not module.c.any()


def test_kernels_keep_their_weights_where_the_memory_was_the_images_before():
    def convolved(m, x):
        for kernel in m.kernels:
            x.abs()
            x = F.conv2d(x, kernel * 2)
        return x

    module = Calling(convolved, kernels=nn.ParameterList(parameter(3, 3, 1, 1) for _ in range(30)))
    assert cost(module, (3, 5, 7)).weights == 30 * 9


def test_attention_to_something_else_weighs_its_matrices_where_they_multiply():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    module = Calling(lambda m, x: m.a(x.flatten(2).mT, *[x[..., :3].flatten(2).mT] * 2)[0], a=attention)
    found = cost(module, (8, 5, 4))
    assert [each.weights for each in found.layers if each.weights] == [64, 2 * 64, 64]


def test_what_comes_of_parameters_alone_is_not_listed_but_its_parameters_count():
    module = Calling(lambda m, x: x @ (m.p @ m.p).tanh(), p=parameter(7, 7))
    layer, *others = cost(module, (3, 5, 7)).layers
    assert [other.kind for other in others] == ["unsafe view"]
    assert (layer.macs, layer.weights, layer.parameters) == (3 * 5 * 7 * 7, 49, 49)


PRODUCTS = {
    "addmv": (lambda m, x: torch.addmv(x[0, 0, :, 0], x[0, 0], x[0, 1, 0]), 5 * 7),
    "addbmm": (lambda m, x: torch.addbmm(x[0, 0, :, :5], x[0], x[0].mT), 3 * 5 * 5 * 7),
    "dot": (lambda m, x: torch.dot(x[0, 0, 0], x[0, 1, 0]), 7),
    "vdot": (lambda m, x: torch.vdot(x[0, 0, 0], x[0, 1, 0]), 7),
    "mv": (lambda m, x: torch.mv(x[0, 0], x[0, 1, 0]), 5 * 7),
    "addr": (lambda m, x: torch.addr(x[0, 0], x[0, 0, :, 0], x[0, 0, 0]), 5 * 7),
    "addmm_": (lambda m, x: x[0, 0, :, :5].addmm_(x[0, 1], x[0, 2].t()), 5 * 5 * 7),
    "baddbmm_": (lambda m, x: x[0, :, :, :5].baddbmm_(x[0], x[0].mT), 3 * 5 * 5 * 7),
    "addmv_": (lambda m, x: x[0, 0, :, 0].addmv_(x[0, 1], x[0, 2, 0]), 5 * 7),
    "einsum of vectors": (lambda m, x: torch.einsum("i,i->", x[0, 0, 0], x[0, 1, 0]), 7),
    "activated": (
        lambda m, x: torch.ops.aten._addmm_activation(x[0, 0, 0, :5], x[0, 1], x[0, 2].t()),
        5 * 5 * 7,
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_that_torch_does_not_count_is_counted(name):
    function, macs = PRODUCTS[name]
    found = cost(Calling(function), (3, 5, 7))
    assert (found.macs, found.uncounted) == (macs, ())


RECURRENT = [
    (kind, {"num_layers": layers, "bidirectional": both, "bias": bias, **more})
    for kind, layers, both, bias in product((nn.LSTM, nn.GRU, nn.RNN), (1, 2), (False, True), (False, True))
    for more in ({}, {"proj_size": 2}, {"batch_first": True})
    if kind is nn.LSTM or "proj_size" not in more
]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(("kind", "options"), RECURRENT)
def test_recurrent_layers_cost_what_their_matrix_products_do(kind, options):
    module = kind(7, 4, **options).eval()
    with FlopCounterMode(display=False) as counter:  # torch does it product by product in double precision
        copy.deepcopy(module).double()(torch.zeros(1, 5, 7).double())
    found = cost(module, (5, 7))
    assert 2 * found.macs == counter.get_total_flops()
    assert found.weights == sum(p.numel() for p in module.parameters() if p.dim() > 1)
    assert found.uncounted == ()


def test_a_recurrent_layer_is_called_so_in_the_table():
    assert list(cost(nn.LSTM(7, 4), (5, 7)).kinds) == ["recurrent"]


def test_a_recurrent_layer_on_a_gpu_is_counted_by_the_matrices_in_its_list():
    matrices = [torch.zeros(16, 7), torch.zeros(16, 4), torch.zeros(16), torch.zeros(16)]
    flops = costs._FLOPS["_cudnn_rnn"]
    assert flops(torch.zeros(5, 2, 7), matrices, 4, None, out_val=None) == 2 * 5 * 2 * 16 * (7 + 4)


UNCOUNTED = {
    "trilinear": lambda: Calling(lambda m, x: m.b(x, x), b=nn.Bilinear(7, 7, 2)),
    "quantized linear dynamic": lambda: dynamic.Linear(7, 5),
    "quantized conv2d dynamic": lambda: dynamic.Conv2d(3, 4, 3),
    "quantized lstm": lambda: Calling(lambda m, x: m.l(x[0]), l=dynamic.LSTM(7, 4)),
    "fft r2c": lambda: Calling(lambda m, x: torch.fft.rfft(x)),
    "cdist forward": lambda: Calling(lambda m, x: torch.cdist(x, x)),
    "cholesky inverse": lambda: Calling(lambda m, x: torch.cholesky_inverse(x[0, :, :3, :3] + torch.eye(3))),
    "linalg svd": lambda: Calling(lambda m, x: torch.linalg.svd(x)),
    "sparse addmm": lambda: Calling(lambda m, x: torch.sparse.mm(torch.eye(5).to_sparse(), x[0, 0])),
    "strange anything": lambda: Calling(lambda m, x: anything(x)),
}


@torch.library.custom_op("strange::anything", mutates_args=())
def anything(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, on quantised layers
@pytest.mark.parametrize("kind", UNCOUNTED)
def test_what_may_multiply_but_is_not_counted_is_listed(kind):
    found = cost(nn.Sequential(nn.Conv2d(3, 3, 1), UNCOUNTED[kind]()), (3, 5, 7))
    assert found.macs == 9 * 5 * 7
    assert found.uncounted == (kind,)
    _, first, second, *_ = repr(found).splitlines()
    assert first.startswith("0 ")
    assert second.startswith(f"1 uncounted  {kind} ")
    assert f"<td>1 uncounted</td><td>{kind}</td>" in found._repr_html_()


ORDINARY = {
    "norms": nn.Sequential(nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm(6)),
    "activations": nn.Sequential(
        nn.ReLU(), nn.GELU(), nn.PReLU(), nn.SiLU(), nn.Hardswish(), nn.Softmax(1), nn.GLU(1)
    ),
    "pools": nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2, 1), nn.AdaptiveAvgPool2d(2), nn.LPPool2d(2, 2)),
    "resizing": nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(scale_factor=2, mode="bicubic"),
        nn.PixelShuffle(2),
    ),
    "pads": nn.Sequential(
        nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.CircularPad2d(1), nn.ZeroPad2d(1)
    ),
    "others": Calling(lambda m, x: F.normalize(x.lgamma().float().sort(1)[0].cumsum(1)) * x.norm() + x.std()),
    "unfolded": nn.Sequential(nn.Unfold(2), nn.Fold((8, 6), 2), nn.Dropout(), nn.Flatten()),
    "sampled": Calling(lambda m, x: F.grid_sample(x, F.affine_grid(torch.eye(2, 3)[None], (1, 4, 5, 5)))),
    "a constant": Calling(lambda m, x: x[..., :4] * torch.fft.rfft(torch.ones(8, 6)).real),
    "every layer that counts": nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.ConvTranspose2d(8, 4, 3), nn.Linear(6, 6)
    ),
    "attention": nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(48, 2, 7)),
}


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.filterwarnings("ignore:Default grid_sample:UserWarning")
def test_what_is_counted_or_does_not_multiply_is_not_listed(name):
    assert cost(ORDINARY[name].train(), (4, 8, 6)).uncounted == ()


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d(5), nn.BatchNorm2d(5, track_running_stats=False)])
def test_a_batch_norm_after_pooling_costs_the_same_in_training(norm, size):
    branch = nn.Sequential(
        nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(size), norm, nn.Dropout(), nn.Conv2d(5, 2, 1)
    )
    before = {name: value.clone() for name, value in branch.state_dict().items()}
    training, check = cost(branch.train(), (3, 6, 7)), F._verify_batch_size
    assert all(module.training for module in branch.modules())
    assert all(torch.equal(value, before[name]) for name, value in branch.state_dict().items())
    wanted = (3 * 5 * 6 * 7 + 2 * 5 * size[0] * size[1], 25, 15 + 5 + 10 + 10 + 2)
    assert (training.macs, training.weights, training.parameters) == wanted
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        check([1, 5, 1, 1])


def test_what_is_called_with_no_image_has_its_checks_back_although_the_count_failed():
    with pytest.raises(ValueError, match="does not take"):
        cost(nn.Conv2d(3, 4, 3), (5, 8, 8))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


SHAPES = {
    (6,): nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)),
    (4, 9): nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
    (4, 9, 1): nn.Conv2d(4, 6, (3, 1)),
    (4, 9, 7, 5): nn.Sequential(
        nn.Conv3d(4, 6, (1, 2, 3), groups=2), nn.BatchNorm3d(6), nn.ConvTranspose3d(6, 3, 2)
    ),
    (1, 9, 7, 5): nn.Sequential(nn.Conv3d(1, 6, (1, 2, 3)), nn.BatchNorm3d(6), nn.MaxPool3d(2)),
    (1, 1, 7, 5): nn.Conv2d(1, 2, 3),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_no_image_is_counted_too(shape, device):
    module = SHAPES[shape]
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(shape if shape == (1, 1, 7, 5) else (1, *shape)))
    found = cost(copy.deepcopy(module).to(device), shape)
    assert 2 * found.macs == counter.get_total_flops()
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert found.weights == sum(p.numel() for p in module.parameters() if p.dim() > 1)


def test_four_numbers_of_which_the_first_is_1_are_an_image_where_they_can_be():
    assert cost(nn.ReLU(), (1, 3, 8, 9)).layers[0].output_shape == (1, 3, 8, 9)
    assert cost(nn.Conv3d(1, 2, 3), (1, 3, 8, 9)).macs == 2 * 27 * 6 * 7
    with pytest.raises(ValueError, match=r"input_shape=\(1, 5, 8, 9\): .* 5 channels instead"):
        cost(nn.Conv2d(3, 4, 3), (1, 5, 8, 9))


@pytest.mark.parametrize("module", [nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())])
def test_an_image_without_its_channels_is_no_sequence(module):
    with pytest.raises(ValueError, match=r"input_shape=\(8, 9\) must be \(C, H, W\)"):
        cost(module, (8, 9))


def test_a_sequence_may_be_made_an_image_by_the_module_itself():
    module = Calling(lambda m, x: m.conv(x.unsqueeze(1)), conv=nn.Conv2d(1, 2, 3))
    assert cost(module, (8, 9)).macs == 18 * 6 * 7
