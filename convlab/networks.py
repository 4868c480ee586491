"""Networks that made these convolutions known, each a list of layers.

Built with random weights: what they cost and what they see does not depend on them. A large one
takes no memory when it is built under ``with torch.device("meta")``.
"""

from collections import OrderedDict
from collections.abc import Iterable
from numbers import Real

import torch
from torch import Tensor, nn

from convlab.arithmetic import ConvSpec
from convlab.checks import Pair, check_one_of, check_whole


def _conv(in_channels: int, out_channels: int, kernel_size: int, **options: int) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, then batch norm and ReLU."""
    spec = ConvSpec(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False, **options)
    return nn.Sequential(spec.module(), nn.BatchNorm2d(out_channels), nn.ReLU())


def _network(features: Iterable[nn.Module], pooled: int, classifier: nn.Module) -> nn.Sequential:
    """The features, ``.features``, averaged until they are `pooled` pixels wide, and classified."""
    parts = {"features": nn.Sequential(*features), "pool": nn.AdaptiveAvgPool2d(pooled)}
    return nn.Sequential(OrderedDict(parts, flatten=nn.Flatten(), classifier=classifier))


CLASSES = 1000  # of ImageNet

# Output channels and stride of each of the 13 layers after the first.
_NARROW = (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)
MOBILENET_V1 = (*_NARROW, *((512, 1),) * 5, (1024, 2), (1024, 1))


def _thin(channels: int, width: object) -> int:
    thinned = 0 if isinstance(width, bool) or not isinstance(width, Real) else channels * float(width)
    if not 1 <= thinned <= 10**6:
        raise ValueError(f"width={width!r} must be a number that makes 1 to a million channels of {channels}")
    return int(thinned)


def mobilenet_v1(width: float = 1.0, *, separable: bool = True) -> nn.Sequential:
    """MobileNet v1 on (1, 3, H, W), or its twin with ordinary 3×3 convolutions.

    Parameters
    ----------
    width : float
        Multiplies every number of channels: the paper has 1, 0.75, 0.5 and 0.25; at least 1/32.
    separable : bool
        False puts one ordinary convolution in place of each depthwise and pointwise pair.

    References
    ----------
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017, tables 1, 4, 6 and 7.
    """
    check_one_of("separable", separable, (True, False))
    channels = _thin(32, width)
    layers = [_conv(3, channels, 3, stride=2)]
    for out, stride in MOBILENET_V1:
        before, channels = channels, _thin(out, width)
        if separable:
            layers += _conv(before, before, 3, stride=stride, groups=before), _conv(before, channels, 1)
        else:
            layers.append(_conv(before, channels, 3, stride=stride))
    return _network(layers, 1, nn.Linear(channels, CLASSES))


class _Bottleneck(nn.Module):
    """1×1 down, 3×3 (in groups), 1×1 up, added to what came in."""

    def __init__(self, before: int, inner: int, after: int, groups: int, strides: Pair = (1, 1)) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(before, inner, 1, stride=strides[0]),
            _conv(inner, inner, 3, stride=strides[1], groups=groups),
            _conv(inner, after, 1)[:2],
        )
        fits = max(strides) == 1 and before == after
        self.shortcut = nn.Sequential() if fits else _conv(before, after, 1, stride=max(strides))[:2]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


# Width of the 3×3 for one group of 64, number of blocks, and stride of the first of them.
RESNET_50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def resnet50(
    width: float = 1.0, *, stride_on: str = "3x3", groups: int = 1, width_per_group: int = 64
) -> nn.Sequential:
    """ResNet-50 on (1, 3, H, W), in either of its two conventions.

    Parameters
    ----------
    width : float
        Multiplies every number of channels.
    stride_on : str
        Which convolution of a block halves the map: "1x1" as in the paper, or "3x3" as in most
        code since.
    groups, width_per_group : int
        Of the 3×3 convolutions in the first stage; more than one group makes it a ResNeXt.

    References
    ----------
    He et al., "Deep residual learning for image recognition", 2016, table 1.
    """
    stride_on = check_one_of("stride_on", stride_on, ("1x1", "3x3"))
    width_per_group = check_whole("width_per_group", width_per_group, 1)
    groups = check_whole("groups", groups, 1)
    channels = _thin(64, width)
    layers = [_conv(3, channels, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)]
    for planes, blocks, first_stride in RESNET_50:
        middle = _thin(planes * width_per_group // 64, width) * groups
        out = _thin(4 * planes, width)
        for stride in (first_stride, *(1,) * (blocks - 1)):
            strides = (stride, 1) if stride_on == "1x1" else (1, stride)
            layers.append(_Bottleneck(channels, middle, out, groups, strides))
            channels = out
    return _network(layers, 1, nn.Linear(channels, CLASSES))


def resnext50() -> nn.Sequential:
    """ResNeXt-50 32×4d on (1, 3, H, W): 32 groups, 4 channels each in the first stage.

    References
    ----------
    Xie et al., "Aggregated residual transformations for deep neural networks", 2017, table 1.
    """
    return resnet50(groups=32, width_per_group=4)


# (cardinality, width of a group): five blocks of about 70,000 weights on 256 channels.
RESNEXT_BLOCKS = ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4))


def resnext_block(cardinality: int, width: int) -> nn.Module:
    """One residual block on (1, 256, H, W): `cardinality` groups of `width` channels.

    Parameters
    ----------
    cardinality, width : int
        Groups of the 3×3 convolution, and channels of each.

    References
    ----------
    Xie et al., 2017, table 2.
    """
    inner = check_whole("cardinality", cardinality, 1) * check_whole("width", width, 1)
    return _Bottleneck(256, inner, 256, cardinality)


# Output channels of the 3×3 layers of each stage, and how many there are before the map is halved.
VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vgg16(width: float = 1.0) -> nn.Sequential:
    """VGG-16 on (1, 3, H, W); at the paper's 224×224, the averaging changes nothing.

    Parameters
    ----------
    width : float
        Multiplies every number of channels.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    2015, configuration D.
    """
    features: list[nn.Module] = []
    channels = 3
    for out, layers in VGG_16:
        for _ in range(layers):
            before, channels = channels, _thin(out, width)
            features += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
        features.append(nn.MaxPool2d(2))
    hidden = _thin(4096, width)
    two = nn.Linear(7 * 7 * channels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
    return _network(features, 7, nn.Sequential(*two, nn.Linear(hidden, CLASSES)))


CONTEXT_RATES = (1, 1, 2, 4, 8, 16, 1)


def _dilated(rates: Iterable[int]) -> list[nn.Conv2d]:
    """A 3×3 layer for each rate, on one channel; the size is kept."""
    return [ConvSpec(1, 1, 3, padding="same", dilation=rate).module() for rate in rates]


def context_module() -> nn.Sequential:
    """Seven 3×3 layers at growing rates, then a 1×1, on (1, 1, H, W); the size is kept.

    References
    ----------
    Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", 2016, table 1.
    """
    with_relus = [part for layer in _dilated(CONTEXT_RATES) for part in (layer, nn.ReLU())]
    return nn.Sequential(*with_relus, nn.Conv2d(1, 1, 1))


class _Beside(nn.ModuleList):
    """Branches on the same map, their outputs concatenated."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def aspp() -> nn.Module:
    """DeepLab v3's pyramid of rates on (1, 1, H, W): a 1×1 beside three 3×3, concatenated.

    The branch that averages the whole map is left out, since it sees everything.

    References
    ----------
    Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017.
    """
    return _Beside([nn.Conv2d(1, 1, 1), *_dilated((6, 12, 18))])
