"""The measured field against pokes of every pixel, and against what is known on paper."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec, receptive_field
from convlab.images import photo
from convlab.measure.reach import measure_receptive_field
from convlab.pictures.figures import show_field

EVEN_SAME = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.body(x))


class Concat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Sum(Concat):
    def forward(self, x):
        return sum(branch(x) for branch in self.branches)


def dilated(*rates, channels=1, **options):
    convolutions = [nn.Conv2d(channels, channels, 3, dilation=r, padding="same", **options) for r in rates]
    return nn.Sequential(*convolutions)


def positive(module):
    """Weights that cannot cancel, so that every pixel that is looked at is felt."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_() if name.endswith("bias") else parameter.uniform_(0.5, 1)
    return module.double()


def poked(module, shape, at, channel=slice(None)):
    """Light up each input element alone; which pixels move the output?"""
    channels, height, width = shape
    pokes = torch.eye(channels * height * width, dtype=torch.float64).reshape(-1, *shape)
    with torch.no_grad():
        dark = module(torch.zeros(1, *shape, dtype=torch.float64))
        moved = (module(pokes) - dark)[:, channel, at[0], at[1]].reshape(len(pokes), -1)
    return (moved != 0).any(1).reshape(shape).any(0).numpy()


def felt(module, shape, at, images=30):
    """Where the gradient on images of positive numbers isn't zero, with weights that are positive too."""
    torch.manual_seed(0)
    touched = torch.zeros(shape[1:], dtype=torch.bool)
    for _ in range(images):  # a largest value hands it to one pixel at a time
        image = (torch.rand(1, *shape, dtype=torch.float64) + 0.1).requires_grad_()
        output = module(image.clone())[0, :, at[0], at[1]]
        # Squared too: what is normalised may have a sum that never changes.
        (gradient,) = torch.autograd.grad(output.sum() + output.square().sum(), image)
        touched |= (gradient != 0).any(1)[0]
    return touched.numpy()


@st.composite
def convolutions(draw, keep=False):
    """4 channels in, 4 out; `keep` keeps height and width."""
    kernel = draw(st.sampled_from([1, 2, 3, (1, 3), (3, 2)]))
    dilation, groups = draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 4]))
    if keep or draw(st.booleans()):
        return nn.Conv2d(4, 4, kernel, padding="same", dilation=dilation, groups=groups)
    padding, stride = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    return nn.Conv2d(4, 4, kernel, stride, padding, dilation, groups)


@st.composite
def layers(draw):
    kind = draw(st.sampled_from(["convolution", "residual", "concat", "pool", "up", "shuffle"]))
    if kind == "convolution":
        return nn.Sequential(draw(convolutions()), nn.ReLU())
    if kind == "residual":
        return Residual(nn.Sequential(draw(convolutions(True)), nn.ReLU(), draw(convolutions(True))))
    if kind == "concat":
        return nn.Sequential(
            Concat(draw(convolutions(True)), nn.Identity()),
            nn.Conv2d(8, 4, 1, groups=draw(st.integers(1, 2))),
        )
    if kind == "pool":
        pool = draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))
        return pool(draw(st.integers(2, 3)), draw(st.integers(1, 2)), padding=draw(st.integers(0, 1)))
    if kind == "up":
        return nn.ConvTranspose2d(4, 4, draw(st.integers(2, 4)), 2, draw(st.integers(0, 1)), groups=2)
    return nn.ChannelShuffle(2)


@EVEN_SAME
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(layers(), min_size=1, max_size=3),
    st.floats(0, 0.99),
    st.floats(0, 0.99),
    st.none() | st.integers(0, 3),
)
def test_the_field_is_the_set_of_pixels_whose_poke_is_felt(stack, down, across, channel):
    module, shape = positive(nn.Sequential(*stack)), (4, 9, 10)
    try:
        rows, columns = module(torch.zeros(1, *shape, dtype=torch.float64)).shape[2:]
    except RuntimeError as error:
        assume("size" not in str(error))  # the stack has shrunk its map to less than a kernel
        raise
    at = int(down * rows), int(across * columns)
    expected = poked(module, shape, at, slice(None) if channel is None else channel)
    if not expected.any():
        with pytest.raises(ValueError, match="no input pixel reaches this output"):
            measure_receptive_field(module, shape, at, channel)
        return
    np.testing.assert_array_equal(measure_receptive_field(module, shape, at, channel).support, expected)


@pytest.mark.parametrize(
    ("rates", "touched", "size", "gap"),
    [((2, 2, 2), 49, 13, 2), ((1, 2, 9), 441, 25, 3), ((2, 4, 8), 225, 29, 2), ((1, 2, 5), 289, 17, 1)],
)
def test_the_support_keeps_the_holes_of_a_dilated_stack(rates, touched, size, gap):
    field = measure_receptive_field(dilated(*rates), (1, 41, 41))
    assert field.support.sum() == touched
    assert field.size == (size, size)
    assert field.largest_gap == (gap, gap)
    assert field.coverage == touched / size**2


def test_dead_relus_hide_nothing():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 3))
    nn.init.constant_(net[0].bias, -1e6)
    field = measure_receptive_field(net, (1, 11, 11))
    assert not field.effective.any()
    assert field.support.sum() == 25


def test_weights_of_zero_and_of_opposite_sign_hide_nothing():
    net = Sum(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))
    net.branches[1].weight.data = -net.branches[0].weight.data
    assert measure_receptive_field(net, (1, 9, 9)).size == (3, 3)
    nn.init.zeros_(net.branches[0].weight)
    nn.init.zeros_(net.branches[1].weight)
    assert measure_receptive_field(net, (1, 9, 9)).size == (3, 3)


@pytest.mark.parametrize("join", [Concat, Sum])
@pytest.mark.parametrize(("first", "touched"), [(1, 25), (3, 33)])
def test_aspp_reaches_far_and_touches_little(join, first, touched):
    rates = [nn.Conv2d(2, 2, 3, padding="same", dilation=rate) for rate in (6, 12, 18)]
    field = measure_receptive_field(join(nn.Conv2d(2, 2, first, padding="same"), *rates), (2, 45, 45))
    assert field.size == (37, 37)
    assert field.support.sum() == touched


def test_one_channel_of_a_concat_sees_its_own_branch_and_the_union_sees_all():
    net = Concat(nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 7, padding=3))
    sizes = [measure_receptive_field(net, (1, 15, 15), channel=c).size for c in (None, 0, 1, 2, 3)]
    assert sizes == [(7, 7), (1, 1), (1, 1), (7, 7), (7, 7)]


def test_the_channels_of_a_group_see_only_their_group():
    one, both = nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 1, 1, bias=False)
    narrow = Concat(nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 5, padding=2))
    apart = nn.Sequential(narrow, one)
    assert measure_receptive_field(apart, (1, 15, 15), channel=0).size == (3, 3)
    assert measure_receptive_field(apart, (1, 15, 15), channel=3).size == (7, 7)
    assert measure_receptive_field(nn.Sequential(narrow, one, both), (1, 15, 15)).size == (7, 7)
    for pool in (nn.MaxPool2d(3, 1), nn.AvgPool2d(3, 1)):
        assert measure_receptive_field(nn.Sequential(narrow, pool), (1, 15, 15), channel=0).size == (3, 3)
    shuffled = nn.Sequential(narrow, nn.ChannelShuffle(2), one)
    assert measure_receptive_field(shuffled, (1, 15, 15), channel=0).size == (7, 7)


@EVEN_SAME
@pytest.mark.parametrize(("kernel", "start"), [(2, 0), (4, -1), (6, -2)])
def test_an_even_kernel_with_same_padding_looks_further_down_than_up(kernel, start):
    field = measure_receptive_field(nn.Conv2d(1, 1, kernel, padding="same"), (1, 15, 15))
    assert field.start == (start, start)
    assert field.size == (kernel, kernel)
    assert field.center == (7.5, 7.5)


def test_the_start_counts_dilation_once():
    field = measure_receptive_field(nn.Conv2d(1, 1, 3, dilation=2, padding=2), (1, 15, 15))
    assert field.start == (-2, -2)
    assert field.size == (5, 5)


def test_a_transposed_convolution_has_a_stride_of_one_half():
    net = positive(nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1))
    field = measure_receptive_field(net, (1, 8, 8), at=(7, 8))
    assert field.stride == (Fraction(1, 2), Fraction(1, 2))
    assert field.size == (2, 2)
    np.testing.assert_array_equal(field.support, poked(net, (1, 8, 8), (7, 8)))


def test_down_and_up_again_gives_a_whole_stride():
    net = nn.Sequential(nn.Conv2d(1, 1, 2, 2), nn.ConvTranspose2d(1, 1, 2, 2))
    field = measure_receptive_field(net, (1, 12, 12))
    assert field.stride == (1, 1)
    assert all(isinstance(step, int) for step in field.stride)
    assert field.size == (2, 2)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def merge_neighbours(x):
    """Every second row and column, in the layout that Swin uses."""
    return x.permute(0, 2, 3, 1)[:, ::2, ::2].permute(0, 3, 1, 2)


OTHER_LAYERS = [
    (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), 1),
    (nn.Conv2d(4, 4, 5, padding=2, padding_mode="replicate"), 1),
    (nn.MaxPool2d(3, 2, dilation=2, ceil_mode=True), 2),
    (nn.AdaptiveAvgPool2d((4, 5)), 2),
    (nn.Upsample(scale_factor=2, mode="bilinear"), Fraction(1, 2)),
    (nn.PixelShuffle(2), Fraction(1, 2)),
    (nn.PixelUnshuffle(2), 2),
    (nn.ConvTranspose2d(4, 4, (3, 2), 2, padding=1, groups=2), Fraction(1, 2)),
    (nn.Sequential(nn.Conv2d(4, 4, 3), nn.GELU()), 1),
    (nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Dropout()), 1),
    (Lambda(lambda x: x[:, 2:, ::2, 1::2] + x[:, :2, ::2, :-1:2]), 2),
    (Lambda(merge_neighbours), 2),
    (Lambda(lambda x: x.transpose(1, 3)[:, ::2, :, :].transpose(-1, 1)[:, :, ::2]), 2),
    (Lambda(lambda x: x.flatten(2).transpose(1, 2).transpose(1, 2).unflatten(2, x.shape[2:])), 1),
    (Lambda(lambda x: F.layer_norm(x.permute(0, 2, 3, 1) + 1, (4,)).permute(0, 3, 1, 2)), 1),
    (Lambda(lambda x: (x + x[:, :1]).softmax(1)), 1),
    (Lambda(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))), 2),
    (Lambda(lambda x: x.roll((1, 2), (2, 3)) + x.flip(3)), 1),
    (Lambda(lambda x: x.mean(3, keepdim=True) + x), 1),
    (Lambda(lambda x: F.avg_pool2d(x, 3, 1, 1).add_(x)), 1),
    (Lambda(lambda x: torch.einsum("bchw,c->bhw", x, torch.ones(4, dtype=x.dtype))[:, None]), 1),
]


@pytest.mark.parametrize(("module", "stride"), OTHER_LAYERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("at", [(0, 0), (1, 3), (2, 2)])
def test_other_layers_and_plain_tensor_code_are_seen_too(module, stride, at):
    module = positive(module).eval()
    field = measure_receptive_field(module, (4, 8, 10), at)
    np.testing.assert_array_equal(field.support, poked(module, (4, 8, 10), at))
    assert field.stride == (stride, stride)


@pytest.mark.parametrize(
    ("module", "at", "clipped"),
    [
        (nn.ZeroPad2d(1), (0, 3), True),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3)), (0, 3), True),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3)), (1, 3), False),
        (Lambda(lambda x: F.pad(x, (0, 0, 0, 0, 2, 2))), (0, 0), False),
    ],
)
def test_padding_around_the_map_clips_and_padding_of_channels_does_not(module, at, clipped):
    if isinstance(module, nn.ZeroPad2d):
        module = nn.Sequential(module, nn.Conv2d(4, 4, 2))
    assert measure_receptive_field(module, (4, 8, 10), at).clipped == clipped


def write_into_a_part(x):
    canvas = torch.zeros_like(x)
    canvas[..., 1:] = x[..., 1:]
    return canvas


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (write_into_a_part, "writes into a part of a tensor"),
        (lambda x: F.conv2d(torch.ones(1, 1, 9, 9), x), "a kernel that depends on the input"),
        (lambda x: x.fill_(1), "fill cannot be traced"),
        (lambda x: F.batch_norm(x, None, None, x[0, :, 0, 0], training=True), "batch_norm cannot be traced"),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), "bicubic2d cannot be traced"),
        (
            lambda x: F.grid_sample(x, torch.zeros(1, 5, 5, 2), align_corners=False),
            "grid_sampler_2d cannot be traced",
        ),
        (
            lambda x: F.grid_sample(
                torch.ones(1, 1, 5, 5), x.expand(2, -1, -1, -1).permute(1, 2, 3, 0), align_corners=False
            ),
            "grid_s",
        ),
        (lambda x: torch.fft.rfft2(x).real, "_fft_r2c cannot be traced|view_as_real cannot be traced"),
        (lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255), "fake_quantize"),
        (lambda x: x.argmax(2, keepdim=True).float(), "argmax cannot be traced"),
        (lambda x: x.max(2, keepdim=True)[1].float(), "max: its second output"),
        (lambda x: x.gather(2, x.long()), "gather cannot be traced"),
        # Each names an axis, but none looks at all that stands along it.
        (lambda x: x.cumprod(2), "cumprod cannot be traced"),
        (lambda x: x.logcumsumexp(3), "logcumsumexp cannot be traced"),
        (lambda x: x.renorm(2, 2, 1), "renorm cannot be traced"),
        (lambda x: x.topk(2, 3)[0], "topk cannot be traced"),
        (lambda x: torch.linalg.cross(x[:, :, :3], torch.ones(1, 1, 3, 5), dim=2), "cross cannot be traced"),
        (
            lambda x: F.conv1d(x.flatten(2), torch.ones(1, 1, 3), padding=1).unflatten(2, (5, 5)),
            r"convolution on \(1, 1, 25\) cannot be traced",
        ),
        (lambda x: F.max_pool2d(x.expand(2, 1, 5, 5), 2)[:1], r"on \(2, 1, 5, 5\) cannot be traced"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], "its second output cannot be traced"),
    ],
)
def test_what_cannot_be_traced_is_refused_with_the_reason(function, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        measure_receptive_field(Lambda(function), (1, 5, 5))
    assert "does not take" not in str(caught.value)  # the module does: it is we who cannot follow


def write_over_a_part(x):
    y = x * 2
    y[..., 1:] = 0
    return y


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.mean().item(),
        lambda x: x * float(x.mean()),
        lambda x: x * 2 if x.sum() > 0 else x,
        lambda x: x * x.numpy().mean(),
        lambda x: x * np.asarray(x).mean(),
        lambda x: x * sum(x.flatten().tolist()),
        lambda x: x * torch.from_dlpack(x.mean()),
        lambda x: x * torch.tensor([x.mean(), 2.0])[0],
        lambda x: x * torch.as_tensor([x.mean()]),
        lambda x: x * torch.equal(x, x),
    ],
)
def test_numbers_that_leave_torch_are_refused_with_the_name_of_what_takes_them(function):
    names = "(item|numpy|__array__|tolist|is_pinned|__dlpack__|tensor|as_tensor|equal)"
    with pytest.raises(ValueError, match=f"^{names} takes numbers out of torch") as caught:
        measure_receptive_field(Lambda(function), (1, 5, 5))
    assert len(str(caught.value)) < 100


def test_numbers_that_are_none_of_the_image_may_leave_torch():
    def forward(x):
        scale = torch.ones(3).mean()
        return x * scale.item() * float(scale.numpy()) * x.shape[2] * float(
            torch.tensor([2.0])
        ) + torch.as_tensor(x)

    assert measure_receptive_field(Lambda(forward), (1, 5, 6)).size == (1, 1)
    assert measure_receptive_field(Lambda(lambda x: x * x.mean().data), (1, 5, 6)).everywhere


UNKNOWN = [
    (lambda x: x[:, :, torch.arange(0, 5, 2)], "index rearranges positions", (1, 1)),
    (lambda x: x[..., :4].unflatten(3, (2, 2)).mean(3), "mean rearranges positions", (1, 3)),
    (
        lambda x: F.avg_pool2d(x[..., :4], 2) + x[..., :2, :2],
        "add joins branches of different strides",
        (3, 3),
    ),
    (
        lambda x: F.conv2d(x, torch.ones(1, 1, 1, 1).to(x), stride=(2, 1)).transpose(2, 3),
        "not those of the image",
        (1, 1),
    ),
    (
        lambda x: x[..., 1:, 1:].reshape(-1, 1, 2, 2, 2, 2).transpose(3, 4).reshape(-1, 1, 4, 4),
        "rearranges positions",
        (1, 1),
    ),
    (lambda x: F.avg_pool2d((x + x.transpose(2, 3)), 1), "add joins branches", (1, 2)),
]


@pytest.mark.parametrize(("function", "reason", "size"), UNKNOWN)
def test_a_stride_that_is_not_known_is_missed_only_by_who_asks_for_it(function, reason, size):
    field = measure_receptive_field(Lambda(function), (1, 5, 5), at=(1, 1))
    np.testing.assert_array_equal(field.support, poked(Lambda(function), (1, 5, 5), (1, 1)))
    for name in ("stride", "start"):
        with pytest.raises(ValueError, match=reason):
            getattr(field, name)


class Pyramid(nn.Module):
    """The coarse map is brought to the size of the fine one and added, as Lin et al. (2017) do."""

    def __init__(self):
        super().__init__()
        self.coarse = nn.Conv2d(1, 1, 3, stride=2, padding=1)
        self.fine = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        coarse = self.coarse(x)
        return {"fine": self.fine(x) + F.interpolate(coarse, x.shape[2:]), "coarse": [coarse]}


@pytest.mark.parametrize("shape", [(1, 33, 33), (1, 17, 20)], ids=str)
def test_a_feature_pyramid_on_an_odd_size_has_a_field_and_no_stride(shape):
    net = positive(Pyramid())
    at = shape[1] // 2, shape[2] // 2
    field = measure_receptive_field(net, shape, output="fine")
    np.testing.assert_array_equal(field.support, poked(Lambda(lambda x: net(x)["fine"]), shape, at))
    with pytest.raises(ValueError, match="different strides"):
        _ = field.stride
    assert measure_receptive_field(net, (1, 32, 32), output="fine").stride == (1, 1)


class Many(nn.Module):
    def __init__(self, give):
        super().__init__()
        self.near, self.far, self.give = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 5), give

    def forward(self, x):
        return self.give(self.near(x), self.far(x))


@pytest.mark.parametrize(
    ("give", "near", "far"),
    [
        (lambda near, far: (near, far), 0, 1),
        (lambda near, far: {"out": near, "aux": far}, "out", "aux"),
        (lambda near, far: [near, {"maps": (None, far)}], "0", "1.maps.1"),
    ],
)
def test_one_of_several_outputs_is_chosen_by_name_or_place(give, near, far):
    net = Many(give)
    assert measure_receptive_field(net, (1, 9, 11), output=near).size == (1, 1)
    field = measure_receptive_field(net, (1, 9, 11), output=far)
    assert field.size == (5, 5)
    np.testing.assert_array_equal(field.effective > 0, field.support)
    with pytest.raises(ValueError, match=f"several outputs: choose one with output=, of: {near}, {far}"):
        measure_receptive_field(net, (1, 9, 11))
    with pytest.raises(ValueError, match=f"output='2' must be one of: {near}, {far}"):
        measure_receptive_field(net, (1, 9, 11), output=2)


def test_an_only_output_need_not_be_named_and_no_output_is_named_in_words():
    assert measure_receptive_field(Many(lambda _, far: {"out": far, "loss": None}), (1, 9, 11)).size == (5, 5)
    for nothing in (None, {}, {"loss": 3.0}):
        with pytest.raises(ValueError, match=f"the module gives {type(nothing).__name__}, not a map"):
            measure_receptive_field(Many(lambda *_, nothing=nothing: nothing), (1, 9, 11))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 1, 3, 5))

    def forward(self, x):
        return F.conv2d(x, self.weight, stride=(1, 2), dilation=(2, 1))


def test_a_convolution_written_in_forward_is_seen():
    field = measure_receptive_field(Functional(), (1, 21, 21))
    assert field.size == (5, 5)
    assert field.support.sum() == 3 * 5
    assert field.stride == (1, 2)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, stride=2, padding=1)

    def forward(self, x):
        return self.layer(self.layer(x))


def test_a_layer_that_is_called_twice_counts_twice():
    field = measure_receptive_field(Twice(), (1, 31, 31))
    assert (field.size, field.stride, field.start) == ((7, 7), (4, 4), (-3, -3))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_module_is_left_as_it_was(training, frozen):
    layers = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Conv2d(4, 1, 3)
    net = nn.Sequential(*layers).train(training).requires_grad_(not frozen)
    net[1].eval()
    net[1].train(training)
    net[0].register_forward_hook(lambda *_: None)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before, random, rng = (
        copy.deepcopy(net.state_dict()),
        torch.random.get_rng_state(),
        np.random.get_state()[1],
    )
    hooks, identities = dict(net[0]._forward_hooks), [id(p) for p in net.parameters()]

    field = measure_receptive_field(net, (2, 15, 15))
    assert field.size == (5, 5)
    assert field.effective.shape == (15, 15)

    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(after[name].equal(before[name]) for name in before)
    assert [id(p) for p in net.parameters()] == identities
    assert all(module.training == training for module in net.modules())
    assert all(p.requires_grad != frozen for p in net.parameters())
    assert net[0].weight.grad.eq(1).all()
    assert [p.grad is None for p in net.parameters()] == [False, *[True] * 5]
    assert dict(net[0]._forward_hooks) == hooks
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net[1:])
    assert torch.random.get_rng_state().equal(random)
    assert (np.random.get_state()[1] == rng).all()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (nn.Flatten(), {}, "not a map"),
        (nn.Conv2d(1, 1, 7, padding=3), {}, "does not fit in the 6×6 input"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 5, padding=2)),
            {},
            "larger input_shape",
        ),
        (nn.Conv2d(1, 1, 3), {"at": (4, 0)}, "at=(4, 0) is not a position of the 4×4 output"),
        (nn.Conv2d(1, 1, 3), {"at": (0, -1)}, "at=-1 must be a whole number of at least 0"),
        (nn.Conv2d(1, 1, 3), {"at": (1, 1, 1)}, "at=(1, 1, 1)"),
        (nn.Conv2d(1, 2, 3), {"channel": 2}, "channel=2 must be a whole number from 0 to 1"),
        (nn.Conv2d(1, 2, 3), {"channel": -1}, "channel=-1"),
    ],
    ids=str,
)
def test_a_field_that_is_not_there_is_refused_with_the_reason(module, options, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        measure_receptive_field(module, (1, 6, 6), **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("shape", [(6, 6), (2, 1, 6, 6), (1, 0, 6), (1, 6.0, 6)], ids=str)
def test_an_input_shape_that_is_not_one_image_is_refused(shape):
    with pytest.raises(ValueError, match="input_shape="):
        measure_receptive_field(nn.Conv2d(1, 1, 3), shape)


def test_near_a_border_the_field_is_what_is_left_of_it():
    field = measure_receptive_field(nn.Conv2d(1, 1, 5, padding=2), (1, 9, 9), at=(0, 4))
    assert (field.clipped, field.size) == (True, (3, 5))
    assert not measure_receptive_field(nn.Conv2d(1, 1, 5, padding=2), (1, 9, 9)).clipped


def test_the_batch_axis_may_be_given_or_left_out():
    supports = [measure_receptive_field(nn.Conv2d(3, 1, 3), s).support for s in ((3, 9, 8), (1, 3, 9, 8))]
    assert supports[0].shape == (9, 8)
    np.testing.assert_array_equal(*supports)


@pytest.mark.parametrize("rates", [(1, 1), (2, 2), (1, 2, 9)], ids=str)
def test_the_effective_field_is_zero_exactly_outside_the_support(rates):
    field = measure_receptive_field(positive(dilated(*rates, channels=2, groups=2)), (2, 31, 31))
    np.testing.assert_array_equal(field.effective > 0, field.support)


def bottleneck(channels, width, stride):
    body = nn.Sequential(
        *(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
        *(nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
        *(nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)),
    )
    if channels == 4 * width and stride == 1:
        return Residual(body)
    shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
    return Residual(body, nn.Sequential(*shortcut))


def test_a_resnet_stage_sees_what_its_longest_path_sees():
    stage = nn.Sequential(bottleneck(8, 4, 2), bottleneck(16, 4, 1), bottleneck(16, 4, 1))
    field = measure_receptive_field(stage, (8, 27, 27))
    path = receptive_field([ConvSpec(8, 4, 3, 2, 1), ConvSpec(4, 4, 3, 1, 1), ConvSpec(4, 4, 3, 1, 1)])[-1]
    assert field.size == path.size == (11, 11)
    assert field.stride == path.stride == (2, 2)
    assert field.start == (-5, -5)
    assert field.coverage == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"input_shape": 9}, "input_shape=9"),
        ({"input_shape": (1, 3, 3)}, r"does not take input_shape=\(1, 3, 3\)"),
        ({"input_shape": (2, 9, 9)}, r"does not take input_shape=\(2, 9, 9\)"),
        ({"input_shape": (1, 9, 9), "at": 3}, "at=3"),
        ({"input_shape": (1, 9, 9), "at": (1.0, 2)}, r"at=1\.0"),
        ({"input_shape": (1, 9, 9), "at": (True, 1)}, "at=True"),
        ({"input_shape": (1, 9, 9), "channel": True}, "channel=True"),
    ],
)
def test_a_question_that_makes_no_sense_is_named(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        measure_receptive_field(nn.Conv2d(1, 2, 7), **arguments)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_numbers_of_any_kind_are_followed_along_lines(kind):
    norm = nn.LayerNorm(9, dtype=kind)
    field = measure_receptive_field(nn.Sequential(norm, nn.Conv2d(1, 1, 3, dtype=kind)), (1, 8, 9))
    assert field.size == (3, 9)
    counts = Lambda(lambda x: x * (x > 0).sum(2, keepdim=True))
    assert measure_receptive_field(counts, (1, 8, 9)).size == (8, 1)


def test_a_module_without_memory_has_a_field_and_no_effective_one():
    with torch.device("meta"):
        module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
        norm = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm(7))
    field = measure_receptive_field(module, (1, 9, 9))
    assert field.size == (5, 5)
    assert measure_receptive_field(norm, (1, 9, 9)).size == (3, 9)
    with pytest.raises(ValueError, match="meta device"):
        _ = field.effective


def test_weights_of_zero_have_no_spread():
    module = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(module.weight)
    with pytest.raises(ValueError, match="zero at every pixel"):
        _ = measure_receptive_field(module, (1, 9, 9)).deviation


class Doubled(nn.Module):
    def forward(self, x):
        return torch.cat([x, x], 1)


class Square(nn.Module):
    """Each output looks along its row and down its column, through one tensor used as both factors."""

    def forward(self, x):
        plane = x[0, 0]
        return torch.addmm(plane.roll((3, 3), (0, 1)), plane, plane)[None, None]


def test_one_tensor_used_twice_by_an_operation_is_followed_both_ways():
    assert measure_receptive_field(Doubled(), (1, 9, 9)).size == (1, 1)
    expected = np.zeros((9, 9), bool)
    expected[4, :] = expected[:, 4] = expected[1, 1] = True
    np.testing.assert_array_equal(measure_receptive_field(Square(), (1, 9, 9), at=(4, 4)).support, expected)


class Scaled(nn.Module):
    """Squeeze-and-excitation (Hu et al., 2018): a number for each channel, multiplied back."""

    def __init__(self, squeeze):
        super().__init__()
        self.squeeze, self.mix = squeeze, nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return x * self.mix(self.squeeze(x).reshape(1, 4, 1, 1)).sigmoid()


class Across(nn.Module):
    """Each position asks all of them (Wang et al., 2018)."""

    def forward(self, x):
        flat = x.flatten(2)
        return x + (flat @ (flat.mT @ flat / 9).softmax(-1).mT).view(x.shape)


class Pooled(nn.Module):
    """The image pooling branch of DeepLab v3."""

    def __init__(self):
        super().__init__()
        self.near, self.far = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        far = F.interpolate(self.far(F.adaptive_avg_pool2d(x, 1)), x.shape[2:], mode="bilinear")
        return torch.cat([self.near(x), far], 1)


EVERYWHERE = {
    "mean": Scaled(lambda x: x.mean((2, 3))),
    "means one by one": Scaled(lambda x: x.mean(2, keepdim=True).mean(3, keepdim=True)),
    "pool": Scaled(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "pool as large as the map": Scaled(lambda x: F.avg_pool2d(x, x.shape[2:])),
    "largest": Scaled(lambda x: x.amax((2, 3))),
    "largest of pool": Scaled(lambda x: F.adaptive_max_pool2d(x, 1)),
    "flat": Scaled(lambda x: x.flatten(2).mean(2)),
    "one number": Lambda(lambda x: x / x.std()),
    "response": Lambda(lambda x: x * x.norm(dim=(2, 3), keepdim=True)),
    "group norm": nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.GroupNorm(2, 4)),
    "instance norm": nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, stride=2), nn.InstanceNorm2d(4)),
    "instance norm in training": nn.InstanceNorm2d(4, track_running_stats=True),
    "batch norm that keeps nothing": nn.BatchNorm2d(4, track_running_stats=False).eval(),
    "layer norm of all": Lambda(lambda x: F.layer_norm(x, x.shape[1:])),
    "attention": Across(),
    "channels asked": Lambda(lambda x: (x.flatten(2) @ x.flatten(2).mT @ x.flatten(2)).view(x.shape)),
    "DeepLab": Pooled(),
    "transform": Lambda(lambda x: torch.fft.fft2(x).abs()),
}


@pytest.mark.parametrize("shape", [(4, 9, 10), (4, 5, 13)], ids=str)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_mixes_all_positions_sees_all_of_any_image_from_everywhere(name, shape):
    module = EVERYWHERE[name]
    for at in (None, (0, 0), (2, 1)):
        field = measure_receptive_field(positive(module), shape, at)
        assert field.everywhere
        assert field.stride == ((2, 2) if name == "instance norm" else (1, 1))
        assert field.support.shape == shape[1:]
        assert field.support.all()
        assert "everywhere=True" in repr(field)
    assert felt(module, shape, (2, 1), 300 if "largest" in name else 1).all()


@pytest.mark.parametrize(
    "pool",
    [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), Lambda(lambda x: x.mean(2, True).amax(3, True))],
    ids=["mean", "largest", "one by one"],
)
def test_a_global_pool_sees_all_and_has_no_neighbours_to_be_a_step_from(pool):
    field = measure_receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), pool), (1, 6, 7))
    assert (field.everywhere, field.size, field.stride, field.start) == (True, (6, 7), (0, 0), (0, 0))


def test_a_picture_of_a_field_says_that_all_positions_are_mixed():
    mixed, plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2)), nn.Conv2d(1, 2, 3)
    said = [
        show_field(photo("cat", 12), measure_receptive_field(net, (1, 12, 12))).alt for net in (mixed, plain)
    ]
    assert "sees 144 of 144 (100%): all positions are mixed, and so it would at any size." in said[0]
    assert "mixed" not in said[1]


@pytest.mark.parametrize(
    ("module", "at"),
    [
        (nn.Conv2d(1, 1, 21, padding=10), (4, 4)),
        (nn.Sequential(nn.Conv2d(1, 1, 8), nn.Upsample(scale_factor=2)), (1, 1)),
        (nn.Sequential(nn.Conv2d(1, 1, 8), nn.AdaptiveAvgPool2d(3)), (1, 1)),
        (nn.AvgPool2d(8), (0, 0)),
        (Lambda(lambda x: F.conv2d(x.softmax(2), torch.ones(1, 1, 1, 21), padding=(0, 10))), (4, 4)),
        (Lambda(lambda x: x.mean(2, True) + F.avg_pool2d(x, 15, 1, 7) + x.mean(3, True)), (4, 4)),
    ],
)
def test_a_plain_field_that_fills_the_image_is_not_everywhere(module, at):
    field = measure_receptive_field(module, (1, 8, 8), at)
    assert field.support.all()
    assert not field.everywhere


@pytest.mark.parametrize(
    ("function", "touched"),
    [
        (lambda x: x[:, :, :3, :4].mean((2, 3), keepdim=True), 12),
        (lambda x: F.group_norm(x[:, :, ::2, ::2], 1), 20),
        (lambda x: x + x.mean(3, keepdim=True), 9),
    ],
)
def test_what_mixes_only_a_part_is_not_everywhere(function, touched):
    field = measure_receptive_field(Lambda(function), (1, 8, 9))
    assert (field.support.sum(), field.everywhere) == (touched, False)


def test_a_group_norm_mixes_the_channels_of_a_group():
    one_of_four = Lambda(lambda x: torch.cat([x, torch.zeros(1, 3, 6, 7)], 1))
    net = nn.Sequential(one_of_four, nn.GroupNorm(2, 4))
    assert measure_receptive_field(net, (1, 6, 7), channel=1).everywhere
    with pytest.raises(ValueError, match="no input pixel"):
        measure_receptive_field(net, (1, 6, 7), channel=2)


@pytest.mark.parametrize("training", [True, False])
def test_statistics_that_the_module_keeps_mix_nothing(training):
    for norm in (nn.BatchNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True).eval()):
        norm = norm.train(training) if isinstance(norm, nn.BatchNorm2d) else norm
        assert measure_receptive_field(nn.Sequential(nn.Conv2d(2, 4, 3), norm), (2, 7, 8)).size == (3, 3)


LINES = [
    (
        lambda x: x * torch.cat([x.mean(1, True), x.amax(1, True), x.max(1, True)[0], x.min(1, True)[0]], 1),
        (1, 1),
    ),
    (lambda x: x * F.avg_pool2d(x, (x.shape[2], 1)), (8, 1)),
    (lambda x: x.log_softmax(1), (1, 1)),
    (lambda x: x.log_softmax(2), (8, 1)),
    (lambda x: F.normalize(x), (1, 1)),
    (lambda x: F.normalize(x, p=float("inf"), dim=-1), (1, 10)),
    (lambda x: x / x.var(1, keepdim=True), (1, 1)),
    (lambda x: x - x.std(3)[..., None], (1, 10)),
    (lambda x: torch.stack(torch.var_mean(x, (1, 3), keepdim=True)).sum(0) * x, (1, 10)),
    (lambda x: x * x.logsumexp((1, 2), keepdim=True), (8, 1)),
    (lambda x: x * x.prod(1, keepdim=True), (1, 1)),
    (lambda x: x * x.median(1, keepdim=True)[0], (1, 1)),
    (lambda x: F.rms_norm(x, x.shape[3:]), (1, 10)),
    (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2), (1, 1)),
]


@pytest.mark.parametrize(("function", "size"), LINES)
@pytest.mark.parametrize("at", [(0, 0), (2, 5)])
def test_what_reduces_or_normalises_along_an_axis_looks_at_all_of_a_line(function, size, at):
    field = measure_receptive_field(Lambda(function), (4, 8, 10), at)
    np.testing.assert_array_equal(field.support, felt(Lambda(function), (4, 8, 10), at))
    assert (field.size, field.stride) == (size, (1, 1))


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), ((3, 2), (1, 2), 1), (3, 2, 2), (5, 1, 1)]
)
@pytest.mark.parametrize(
    "after", [nn.Identity(), nn.MaxPool2d(2), nn.Upsample(scale_factor=1.7, mode="bilinear")]
)
@pytest.mark.parametrize("at", [(0, 0), (1, 2), (1, 1)])
def test_pokes_and_gradient_agree_on_what_wraps_round_mirrors_and_resizes(
    mode, kernel, stride, dilation, after, at
):
    padding = (2, 1) if kernel == 5 else 1
    first = nn.Conv2d(1, 2, kernel, stride, padding, dilation, padding_mode=mode)
    net, shape = positive(nn.Sequential(first, after)), (1, 11, 13)
    support = measure_receptive_field(net, shape, at).support
    np.testing.assert_array_equal(
        support, felt(net, shape, at, 300 if isinstance(after, nn.MaxPool2d) else 1)
    )
    np.testing.assert_array_equal(support, poked(net, shape, at))


def even(module):
    """All weights alike: the middle of the gradient is where an output stands."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_() if name.endswith("bias") else parameter.fill_(1)
    return module.double()


def up(mode="bilinear", **options):
    return nn.Upsample(mode=mode, **options)


@pytest.mark.parametrize(
    ("layers", "shape", "stride", "every"),
    [
        ([nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 5, dilation=2)], (41, 49), (2, 2), (1, 1)),
        ([nn.AvgPool2d(3, (2, 1)), nn.Conv2d(1, 1, (2, 3))], (33, 20), (2, 1), (1, 1)),
        ([nn.Conv2d(1, 1, 3, 2), nn.ConvTranspose2d(1, 1, 4, 2)], (33, 31), (1, 1), (2, 2)),
        ([up(scale_factor=1.7)], (20, 31), (Fraction(10, 17), Fraction(10, 17)), (1, 1)),
        ([up("nearest", scale_factor=1.7)], (40, 41), (Fraction(10, 17), Fraction(10, 17)), (17, 17)),
        (
            [up("nearest-exact", scale_factor=(1.7, 2.5))],
            (40, 41),
            (Fraction(10, 17), Fraction(2, 5)),
            (17, 5),
        ),
        (
            [up(scale_factor=0.6, recompute_scale_factor=True)],
            (33, 20),
            (Fraction(33, 19), Fraction(5, 3)),
            (1, 1),
        ),
        ([up(size=(15, 17))], (8, 10), (Fraction(8, 15), Fraction(10, 17)), (1, 1)),
        ([up(size=(15, 17), align_corners=True)], (8, 10), (Fraction(1, 2), Fraction(9, 16)), (1, 1)),
        ([up(scale_factor=1.7, align_corners=True)], (8, 20), (Fraction(7, 12), Fraction(19, 33)), (1, 1)),
        ([nn.Conv2d(1, 1, 3, 2, 1), up(size=(33, 41), align_corners=True)], (33, 41), (1, 1), (1, 1)),
        ([nn.Conv2d(1, 1, 3, 3), up(size=(20, 29))], (30, 60), (Fraction(3, 2), Fraction(60, 29)), (1, 1)),
        ([nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3), nn.PixelShuffle(2)], (30, 34), (1, 1), (2, 2)),
        ([nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular")], (30, 34), (1, 1), (1, 1)),
    ],
)
def test_the_middles_of_neighbouring_outputs_lie_one_stride_apart(layers, shape, stride, every):
    net = even(nn.Sequential(*layers))
    rows, columns = net(torch.zeros(1, 1, *shape, dtype=torch.float64)).shape[2:]
    start = rows // 3, columns // 3

    def middle(row, column):
        field = measure_receptive_field(net, (1, *shape), (row, column))
        assert field.stride == stride
        felt = field.effective / field.effective.sum()
        return [np.arange(side) @ felt.sum(axis) for axis, side in ((1, shape[0]), (0, shape[1]))]

    origin, below = middle(*start), middle(start[0] + every[0], start[1])
    beside = middle(start[0], start[1] + every[1])
    np.testing.assert_allclose(below[0] - origin[0], every[0] * float(stride[0]), rtol=1e-4)
    np.testing.assert_allclose(beside[1] - origin[1], every[1] * float(stride[1]), rtol=1e-4)


def test_down_and_up_again_between_aligned_corners_is_a_step_of_one():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), up(size=(33, 33), align_corners=True))
    fields = [measure_receptive_field(net, (1, 33, 33), (at, at)) for at in (8, 16, 22)]
    assert [(field.stride, field.start, field.size) for field in fields] == [((1, 1), (-1, -1), (3, 3))] * 3


class AddsToItsImage(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        x += self.layer(x)
        return x


@pytest.mark.parametrize(
    ("over", "beside"),
    [
        (
            nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 1, 3)),
            nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 3)),
        ),
        (AddsToItsImage(nn.Conv2d(1, 1, 3, padding=1)), Sum(nn.Identity(), nn.Conv2d(1, 1, 3, padding=1))),
        (
            AddsToItsImage(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid(), nn.ReLU(inplace=True))),
            Sum(nn.Identity(), nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())),
        ),
    ],
)
def test_a_module_that_writes_over_its_image_has_the_gradient_of_one_that_does_not(over, beside):
    for (_, into), (_, value) in zip(over.named_parameters(), beside.named_parameters(), strict=True):
        into.data = value.data
    fields = [measure_receptive_field(net, (1, 13, 14)) for net in (over, beside)]
    np.testing.assert_allclose(*(field.effective for field in fields), rtol=1e-6)
    assert fields[0].effective.any()
    assert fields[0].deviation == pytest.approx(fields[1].deviation)
    assert show_field(photo("cat", 14)[..., :13, :], fields[0]).alt


def test_what_is_written_over_is_not_seen():
    def forward(x):
        return x.flip(3).copy_(x)

    assert measure_receptive_field(Lambda(forward), (1, 5, 8), (1, 1)).support.sum() == 1
    with pytest.raises(ValueError, match=r"(fill|copy)_ writes into a part"):
        measure_receptive_field(Lambda(write_over_a_part), (1, 5, 8))
