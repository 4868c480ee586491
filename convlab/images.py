"""Real photos as tensors, from the files that scikit-image ships."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convlab.checks import check_pair

PHOTOS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "moon": "moon.png",
    "rocket": "rocket.jpg",
}
COLOURS = ("red", "green", "blue")  # the channels of a colour photo, in their order


@cache
def _original(name: str) -> Image.Image:
    # Opened as a file: skimage.data would load scipy and more, 30 MB of a small kernel's memory.
    folder = Path(find_spec("skimage").submodule_search_locations[0], "data")
    with Image.open(folder / PHOTOS[name]) as picture:
        return picture.convert("RGB")


def photo(name: str, size: int | tuple[int, int] | None = None, *, channels: int = 3) -> Tensor:
    """A photo as a tensor of shape (1, channels, height, width), float32 in [0, 1].

    Parameters
    ----------
    name : str
        One of ``PHOTOS``. scikit-image's docstrings give source and licence of each.
    size : int or (int, int), optional
        Height and width in pixels. The largest middle part of that shape is shrunk to it; without
        a size the whole photo comes as it is.
    channels : int
        3 for red, green and blue; 1 for luma (ITU-R BT.601).

    Raises
    ------
    ValueError
        For an unknown name, or a size or number of channels that no photo can have.
    """
    if name not in PHOTOS:
        raise ValueError(f"name={name!r} must be one of: {', '.join(PHOTOS)}")
    if isinstance(channels, bool) or channels not in (1, 3):
        raise ValueError(f"channels={channels!r} must be 1 (luma) or 3 (red, green, blue)")
    picture = _original(name).convert("L" if channels == 1 else "RGB")
    if size is not None:
        picture = _fit(picture, *check_pair("size", size, 1))
    pixels = torch.from_numpy(np.array(picture)).reshape(*reversed(picture.size), channels)
    return pixels.permute(2, 0, 1)[None].to(torch.float32).div(255).contiguous()


def as_photo(image, size=None, *, channels=None):
    if size is not None and tuple(image.shape[-2:]) != tuple(size):
        import torch.nn.functional as F

        image = F.interpolate(image, tuple(size))
    if channels == 1 and image.shape[1] == 3:
        image = (image * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    if channels == 3 and image.shape[1] == 1:
        image = image.expand(1, 3, -1, -1)
    return image


def check_photo(image: Tensor, channels: int) -> Tensor:
    """The image, if it is one photo (1, channels, H, W).

    Raises
    ------
    ValueError
        With the shape that the image has, and the one that it must have.
    """
    if image.ndim != 4 or image.shape[:2] != (1, channels) or not image.numel():
        what = {1: "one grey photo", 3: "one colour photo"}[channels]
        raise ValueError(f"image of shape {tuple(image.shape)} must be {what} (1, {channels}, H, W)")
    return image


def _fit(picture: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(picture.width / width, picture.height / height)
    left = (picture.width - width * scale) / 2
    top = (picture.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
