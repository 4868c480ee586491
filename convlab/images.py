"""Photos as tensors: those that scikit-image ships, and a reader's own."""

import warnings
from contextlib import nullcontext, suppress
from functools import cache
from importlib.resources import files
from io import BytesIO
from os import PathLike

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from convlab.checks import Pair, check_one_of, check_pair
from convlab.kernels import COLOUR_KERNELS

PHOTOS = tuple("astronaut brick camera cat coffee coins grass gravel moon rocket".split())
FILES = {"cat": "chelsea.png", "rocket": "rocket.jpg"}  # the others' bear their names
Photo = Tensor | np.ndarray | Image.Image | str | PathLike[str] | bytes  # what `as_photo` takes
COLOURS = ("red", "green", "blue")  # the channels of a colour photo, in their order
MOST_PIXELS = 512  # along the longer side of a photo for which no size is given
ROUNDING = 1e-4  # by which its numbers may leave [0, 1]


@cache
def _original(name: str) -> Image.Image:
    # Opened as a file: skimage.data would load scipy and more, 30 MB of a small kernel's memory.
    path = files("skimage") / "data" / FILES.get(name, f"{name}.png")
    with path.open("rb") as file, Image.open(file) as picture:
        return picture.convert("RGB")


def photo(name: str, size: int | Pair | None = None, *, channels: int = 3) -> Tensor:
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
    original = _original(check_one_of("name", name, PHOTOS))
    picture = original.convert({1: "L", 3: "RGB"}[check_one_of("channels", channels, (1, 3))])
    return as_photo(picture, (picture.height, picture.width) if size is None else size, channels=channels)


def as_photo(image: Photo, size: int | Pair | None = None, *, channels: int | None = None) -> Tensor:
    """A photo of one's own as a tensor of shape (1, channels, height, width), float32 in [0, 1].

    Every ``show_…`` takes its photo this way, so each takes all that this takes. The result is on the
    CPU, without gradient, and shares no memory with what was given.

    Parameters
    ----------
    image : tensor, ndarray, PIL image, path or bytes
        Tensors and arrays are (H, W), (C, H, W), (1, C, H, W) or (H, W, C), with 1, 3 or 4 channels. Where
        two of them fit, channels come first. uint8 and uint16 are divided by their largest number,
        booleans are black and white, floats must be from 0 to 1. Alpha is dropped; a file or PIL
        image is turned upright as its EXIF data says.
    size : int or (int, int), optional
        Height and width in pixels. The largest middle part of that shape is shrunk to it; without
        a size the whole photo is shrunk until no side is longer than 512.
    channels : int, optional
        3 for red, green and blue, which repeats a grey photo; 1 for luma (ITU-R BT.601); 1 for a
        grey photo and 3 for one in colour unless given.

    Raises
    ------
    ValueError
        For anything that is not one photo, with its type, shape and range, or for a size or number of
        channels that no photo can have.
    """
    if channels is not None:
        channels = check_one_of("channels", channels, (1, 3))
    pixels = _checked(_numbers(image))
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    # A channel at a time, and as floats only when it is small: a large photo might not fit in memory.
    found = np.stack([_fit(plane, size) for plane in pixels], dtype=np.float32)
    if channels == 1 and len(found) == 3:
        found = np.tensordot(np.array(COLOUR_KERNELS["luma"], np.float32), found, 1)[None]
    np.clip(np.divide(found, white, out=found), 0, 1, out=found)
    return torch.from_numpy(found)[None].expand(1, channels or -1, -1, -1).contiguous()


def _numbers(image: Photo) -> np.ndarray:
    """The numbers of a picture as they are; of a file or PIL image channels first, upright, without alpha."""
    if isinstance(image, np.ndarray):
        return np.asarray(image)  # no masked array or matrix, which have rules of their own
    if not isinstance(image, (Tensor, Image.Image, str, PathLike, bytes)):
        raise ValueError(
            f"image={image!r} must be a tensor, an array, a PIL image, or a file's path or bytes"
        )
    try:
        if isinstance(image, Tensor):
            image = image.detach().cpu()
            return (image.float() if image.is_floating_point() else image).numpy()  # it lacks bfloat16
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = BytesIO(image) if isinstance(image, bytes) else image
            with nullcontext(file) if isinstance(file, Image.Image) else Image.open(file) as picture:
                picture.load()
            with suppress(Exception):  # the EXIF data of a whole photo may be damaged
                picture = ImageOps.exif_transpose(picture)
            if not picture.mode.startswith(("I", "F")):  # which hold more than 8 bits
                picture = picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
            numbers = np.moveaxis(np.atleast_3d(np.asarray(picture)), 2, 0)
    except Exception as error:
        what = f"a file of {len(image):,} bytes" if isinstance(image, bytes) else repr(image)
        why = str(error).partition(" <_io")[0]  # an address in memory tells nobody anything
        raise ValueError(f"image={what} can't be read as a photo: {why}") from error
    # Older Pillows open a PNG of 16 bits as one of 32.
    narrow = picture.mode == "I" and (numbers.astype(np.uint16) == numbers).all()
    return numbers.astype(np.uint16) if narrow else numbers


def _checked(image: np.ndarray) -> np.ndarray:
    """The numbers of one photo as (1, H, W) or (3, H, W): uint8, uint16 or floats from 0 to 1."""
    pixels = image[0] if image.ndim == 4 and len(image) == 1 else image
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim == 3 and len(pixels) not in (1, 3, 4):
        pixels = np.moveaxis(pixels, 2, 0)
    if why := _objection(pixels):
        span = f" from {image.min():g} to {image.max():g}" if image.size and image.dtype.kind in "iuf" else ""
        raise ValueError(f"image: {image.dtype} of shape {image.shape}{span} must be {why}")
    return pixels[:3].astype(np.uint8) * 255 if image.dtype == bool else pixels[:3]


def _objection(pixels: np.ndarray) -> str:
    """What the numbers of a photo, channels first, must be and are not."""
    if not pixels.size or pixels.ndim != 3 or len(pixels) not in (1, 3, 4):
        return "one photo: (H, W), (C, H, W), (1, C, H, W) or (H, W, C), with 1, 3 or 4 channels"
    if pixels.dtype.kind == "f":
        inside = pixels.min() >= -ROUNDING and pixels.max() <= 1 + ROUNDING
        return "" if inside else "from 0 to 1: divide numbers up to 255 by 255"
    return "" if pixels.dtype.str[1:] in ("b1", "u1", "u2") else "uint8, uint16 or floats"


def _fit(plane: np.ndarray, size: int | Pair | None) -> np.ndarray:
    """The middle of one channel, shrunk to the size."""
    if size is None:
        scale = max(*plane.shape, MOST_PIXELS) / MOST_PIXELS
        height, width = (max(1, round(side / scale)) for side in plane.shape)
    else:
        height, width = check_pair("size", size, 1)
    if plane.shape == (height, width):
        return plane
    picture = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
    return np.array(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
