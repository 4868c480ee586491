"""What it takes to train small networks on real textures: layers to compare, networks, patches of photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from convlab.arithmetic import ConvSpec
from convlab.checks import check_one_of, check_sequence, check_whole
from convlab.images import PHOTOS, photo

LAST_SEED = 2**63 - 1


def alternatives(
    in_channels: int, out_channels: int, kernel_size: int = 3, *, dilation: int = 2, groups: int = 4
) -> dict[str, tuple[ConvSpec, ...]]:
    """Six ways from `in_channels` maps to `out_channels` maps of the same size, each as its convolutions.

    The first five are those of the course; the bottleneck (1×1, k×k, 1×1) squeezes the channels to a
    quarter of `out_channels` between two pointwise convolutions. No biases: batch normalization adds one.

    Raises
    ------
    ValueError
        For a value that no convolution can have, or an `out_channels` that 4 doesn't divide.
    """
    out_channels = check_whole("out_channels", out_channels, 1)
    if out_channels % 4:
        raise ValueError(f"out_channels={out_channels} must be a multiple of 4, for the bottleneck")
    few, conv = out_channels // 4, partial(ConvSpec, padding="same", bias=False)
    pointwise = conv(in_channels, out_channels, 1)
    return {
        "ordinary": (conv(in_channels, out_channels, kernel_size),),
        "pointwise": (pointwise,),
        "dilated": (conv(in_channels, out_channels, kernel_size, dilation=dilation),),
        "grouped": (conv(in_channels, out_channels, kernel_size, groups=groups),),
        "separable": (conv(in_channels, in_channels, kernel_size, groups=in_channels), pointwise),
        "bottleneck": (conv(in_channels, few, 1), conv(few, few, kernel_size), conv(few, out_channels, 1)),
    }


def small_network(layer: Sequence[ConvSpec], classes: int, *, depth: int = 3, seed: int = 0) -> nn.Sequential:
    """A stem, `depth` times the same layer, the mean of each map, and a linear classifier, in this order.

    The stem is an ordinary 3×3 convolution of stride 2 on one grey channel. Batch normalization and a ReLU
    follow each convolution. ``network[: 1 + n]`` gives the maps after n layers. The global random state is
    left as it was.

    Parameters
    ----------
    layer : sequence of ConvSpec
        One layer's convolutions, in order; as many channels come out of the last as go into the first.
    classes : int
        Outputs of the classifier.
    depth : int
        How often the layer is repeated, each time with weights of its own.
    seed : int
        Of the initial weights.

    Raises
    ------
    ValueError
        If the layer is empty or changes the number of channels, so that it can't be repeated, or for a
        number of classes or layers that can't be.
    """
    classes, depth = check_whole("classes", classes, 1), check_whole("depth", depth, 0)
    seed, layer = check_whole("seed", seed, 0, LAST_SEED), check_sequence("layer", layer, ConvSpec)
    pairs = zip(layer, [*layer[1:], layer[0]], strict=True)
    if any(spec.out_channels != after.in_channels for spec, after in pairs):
        raise ValueError(f"layer={layer!r} must give as many channels as it takes, to be repeated")
    channels = layer[0].in_channels
    stem = ConvSpec(1, channels, kernel_size=3, stride=2, padding=1, bias=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [_normalized(specs) for specs in ((stem,), *(layer,) * depth)]
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    # In this order of its weights in memory a CPU trains it a quarter sooner.
    return nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)


def _normalized(specs: Sequence[ConvSpec]) -> nn.Sequential:
    modules = [(spec.module(), nn.BatchNorm2d(spec.out_channels), nn.ReLU()) for spec in specs]
    return nn.Sequential(*(module for three in modules for module in three))


@dataclass(frozen=True, eq=False)
class Patches:
    """Square pieces of photos, and the photo that each is from.

    Attributes
    ----------
    images : Tensor, (N, 1, size, size)
        Grey; each scaled to mean 0 and standard deviation 1.
    labels : Tensor of int, (N,)
        Which of the photos.
    corners : Tensor of int, (N, 2)
        Row and column of the first pixel, in the photo.
    """

    images: Tensor
    labels: Tensor
    corners: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def cut_patches(names: Sequence[str], part: str, per_photo: int, *, size: int = 24, seed: int = 0) -> Patches:
    """Patches at random places of the left ("train") or right ("test") of photos.

    Between the two parts lies a strip as wide as a patch, from which nothing is taken.

    Parameters
    ----------
    names : sequence of str
        Of ``convlab.PHOTOS``: the classes.
    part : str
        "train" or "test".
    per_photo : int
        Patches from each photo; some may overlap others of the same part.
    size : int
        Height and width in pixels, at least 2.
    seed : int
        Of the places.

    Raises
    ------
    ValueError
        For an unknown part, no photo, one too small to have a patch in each part, or numbers that can't be.
    """
    names = [check_one_of("names", name, PHOTOS) for name in check_sequence("names", names)]
    part = check_one_of("part", part, ("train", "test"))
    per_photo, size = check_whole("per_photo", per_photo, 1), check_whole("size", size, 2)
    random = torch.Generator().manual_seed(check_whole("seed", seed, 0, LAST_SEED))
    pieces, corners = [], []
    for name in names:
        image = photo(name, channels=1)[0, 0]
        height, width = image.shape
        first = 0 if part == "train" else (width + size + 1) // 2
        last = (width - size) // 2 - size if part == "train" else width - size
        if last < first or height < size:
            raise ValueError(f"size={size} leaves no room for two parts of {name!r}, {height}×{width}")
        rows = torch.randint(0, height - size + 1, (per_photo,), generator=random)
        columns = torch.randint(first, last + 1, (per_photo,), generator=random)
        places = torch.stack([rows, columns], dim=1)
        pieces += [image[row : row + size, column : column + size] for row, column in places.tolist()]
        corners.append(places)
    images = torch.stack(pieces)[:, None]
    spread = images.std(dim=(2, 3), keepdim=True).clamp(min=1e-3)
    images = (images - images.mean(dim=(2, 3), keepdim=True)) / spread
    return Patches(images, torch.arange(len(names)).repeat_interleave(per_photo), torch.cat(corners))
