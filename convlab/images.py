"""Real photos as tensors, from the files that scikit-image ships."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PHOTOS = {
    "astronaut": "astronaut",
    "brick": "brick",
    "camera": "camera",
    "cat": "chelsea",
    "coffee": "coffee",
    "coins": "coins",
    "grass": "grass",
    "gravel": "gravel",
    "moon": "moon",
    "rocket": "rocket",
}


@cache
def _original(name: str) -> Image.Image:
    from skimage import data

    return Image.fromarray(getattr(data, PHOTOS[name])()).convert("RGB")


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
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r} must be 1 (luma) or 3 (red, green, blue)")
    picture = _original(name).convert("L" if channels == 1 else "RGB")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise ValueError(f"size={size!r} must be at least 1 pixel high and wide")
        picture = _fit(picture, height, width)
    pixels = torch.from_numpy(np.array(picture)).reshape(*reversed(picture.size), channels)
    return pixels.permute(2, 0, 1)[None].to(torch.float32).div(255).contiguous()


def _fit(picture: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(picture.width / width, picture.height / height)
    left = (picture.width - width * scale) / 2
    top = (picture.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
