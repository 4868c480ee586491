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
from convlab.checks import check_one_of, check_whole, check_wholes


def _conv(in_channels: int, out_channels: int, kernel_size: int, **options: int) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, then batch norm and ReLU."""
    spec = ConvSpec(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False, **options)
    return nn.Sequential(spec.module(), nn.BatchNorm2d(out_channels), nn.ReLU())


def _network(features: Iterable[nn.Module], channels: int, num_classes: int) -> nn.Sequential:
    """The features, averaged over all positions and classified; ``.features`` is the first part."""
    layers = {
        "features": nn.Sequential(*features),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": nn.Linear(channels, check_whole("num_classes", num_classes, 1)),
    }
    return nn.Sequential(OrderedDict(layers))


# Output channels and stride of each of the 13 layers after the first.
_NARROW = (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)
MOBILENET_V1 = (*_NARROW, *((512, 1),) * 5, (1024, 2), (1024, 1))


def _thin(channels: int, width: object) -> int:
    thinned = 0 if isinstance(width, bool) or not isinstance(width, Real) else channels * float(width)
    if not 1 <= thinned <= 10**6:
        raise ValueError(f"width={width!r} must be a number that makes 1 to a million channels of {channels}")
    return int(thinned)


def mobilenet_v1(width: float = 1.0, *, separable: bool = True, num_classes: int = 1000) -> nn.Sequential:
    """MobileNet v1 on (1, 3, H, W), or its twin with ordinary 3×3 convolutions.

    Parameters
    ----------
    width : float
        Multiplies every number of channels: the paper has 1, 0.75, 0.5 and 0.25; at least 1/32.
    separable : bool
        False puts one ordinary convolution in place of each depthwise and pointwise pair.
    num_classes : int
        Outputs of the classifier.

    References
    ----------
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017, tables 1, 4, 6 and 7.
    """
    check_one_of("separable", separable, (True, False))
    channels = _thin(32, width)
    layers = [_conv(3, channels, 3, stride=2)]
    for out, stride in MOBILENET_V1:
        out_channels = _thin(out, width)
        if separable:
            layers.append(_conv(channels, channels, 3, stride=stride, groups=channels))
            layers.append(_conv(channels, out_channels, 1))
        else:
            layers.append(_conv(channels, out_channels, 3, stride=stride))
        channels = out_channels
    return _network(layers, channels, num_classes)


class _Bottleneck(nn.Module):
    """1×1 down, 3×3 (in groups), 1×1 up, added to what came in."""

    def __init__(
        self, in_channels: int, channels: int, out_channels: int, groups: int, stride: int, stride_on: str
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.body = nn.Sequential(
            _conv(in_channels, channels, 1, stride=first),
            _conv(channels, channels, 3, stride=second, groups=groups),
            _conv(channels, out_channels, 1)[:2],
        )
        self.shortcut: nn.Module = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = _conv(in_channels, out_channels, 1, stride=stride)[:2]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


# Width of the 3×3 for one group of 64, number of blocks, and stride of the first of them.
RESNET_50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def resnet50(
    width: float = 1.0,
    *,
    stride_on: str = "3x3",
    groups: int = 1,
    width_per_group: int = 64,
    num_classes: int = 1000,
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
    num_classes : int
        Outputs of the classifier.

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
            layers.append(_Bottleneck(channels, middle, out, groups, stride, stride_on))
            channels = out
    return _network(layers, channels, num_classes)


def resnext50(num_classes: int = 1000) -> nn.Sequential:
    """ResNeXt-50 32×4d on (1, 3, H, W): 32 groups, 4 channels each in the first stage.

    References
    ----------
    Xie et al., "Aggregated residual transformations for deep neural networks", 2017, table 1.
    """
    return resnet50(groups=32, width_per_group=4, num_classes=num_classes)


# (cardinality, width of a group): five blocks of about 70,000 weights on 256 channels.
RESNEXT_BLOCKS = ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4))


def resnext_block(cardinality: int, width: int, channels: int = 256) -> nn.Module:
    """One residual block on (1, channels, H, W): `cardinality` groups of `width` channels.

    Parameters
    ----------
    cardinality, width : int
        Groups of the 3×3 convolution, and channels of each.
    channels : int
        Of the input and of the output.

    References
    ----------
    Xie et al., 2017, table 2.
    """
    channels = check_whole("channels", channels, 1)
    inner = check_whole("cardinality", cardinality, 1) * check_whole("width", width, 1)
    return _Bottleneck(channels, inner, channels, groups=cardinality, stride=1, stride_on="3x3")


# Output channels of each 3×3 layer; "pool" halves the map.
VGG_16 = (64, 64, "pool", 128, 128, "pool", *(256,) * 3, "pool", *(512,) * 3, "pool", *(512,) * 3, "pool")


def vgg16(width: float = 1.0, *, num_classes: int = 1000) -> nn.Sequential:
    """VGG-16 on (1, 3, 224, 224); ``.features`` takes any size.

    Parameters
    ----------
    width : float
        Multiplies every number of channels.
    num_classes : int
        Outputs of the classifier.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    2015, configuration D.
    """
    features: list[nn.Module] = []
    channels = 3
    for layer in VGG_16:
        if isinstance(layer, str):
            features.append(nn.MaxPool2d(2))
        else:
            out_channels = _thin(layer, width)
            features += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU()]
            channels = out_channels
    hidden, classes = _thin(4096, width), check_whole("num_classes", num_classes, 1)
    classifier = [nn.Linear(7 * 7 * channels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    layers = {
        "features": nn.Sequential(*features),
        "flatten": nn.Flatten(),
        "classifier": nn.Sequential(*classifier, nn.Linear(hidden, classes)),
    }
    return nn.Sequential(OrderedDict(layers))


CONTEXT_RATES = (1, 1, 2, 4, 8, 16, 1)


def context_module(channels: int = 1) -> nn.Sequential:
    """Seven 3×3 layers at growing rates, then a 1×1, on (1, channels, H, W); the size is kept.

    References
    ----------
    Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", 2016, table 1.
    """
    channels = check_whole("channels", channels, 1)
    specs = [ConvSpec(channels, channels, 3, padding="same", dilation=rate) for rate in CONTEXT_RATES]
    with_relus = [part for spec in specs for part in (spec.module(), nn.ReLU())]
    return nn.Sequential(*with_relus, ConvSpec(channels, channels, 1).module())


class _Beside(nn.ModuleList):
    """Branches on the same map, their outputs concatenated."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def aspp(in_channels: int = 1, out_channels: int = 1, rates: Iterable[int] = (6, 12, 18)) -> nn.Module:
    """DeepLab v3's pyramid of rates: a 1×1 beside one 3×3 for each rate, concatenated.

    The branch that averages the whole map is left out, since it sees everything.

    Parameters
    ----------
    in_channels, out_channels : int
        Of each branch: (1, in_channels, H, W) becomes (1, (1 + rates) · out_channels, H, W).
    rates : iterable of int
        Dilation of each 3×3 branch.

    References
    ----------
    Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017.
    """
    rates = check_wholes("rates", rates, 1)
    specs = [ConvSpec(in_channels, out_channels, 3, padding="same", dilation=rate) for rate in rates]
    return _Beside(spec.module() for spec in (ConvSpec(in_channels, out_channels, 1), *specs))
