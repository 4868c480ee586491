"""Named kernels, each built from what it means rather than copied as numbers."""

from functools import reduce

import torch
from torch import Tensor

from convlab.checks import check_one_of, check_whole


def _convolve(first: Tensor, second: Tensor) -> Tensor:
    """One-dimensional convolution of two short kernels (the kernel of doing one after the other)."""
    padded = torch.nn.functional.pad(first, (len(second) - 1,) * 2)
    return padded.unfold(0, len(second), 1) @ second.flip(0)


def _binomial(size: int) -> Tensor:
    """A row of Pascal's triangle: repeated averaging of neighbours, the integer bell curve."""
    return reduce(_convolve, [torch.ones(2)] * (size - 1), torch.ones(1))


def identity(size: int) -> Tensor:
    """Looks at the middle pixel only."""
    return torch.nn.functional.pad(torch.ones(1, 1), (size // 2,) * 4)


def box_blur(size: int) -> Tensor:
    """The mean of all pixels under the kernel."""
    return torch.full((size, size), 1 / size**2)


def gaussian_blur(size: int) -> Tensor:
    """A mean that trusts near pixels more; standard deviation of size / 5 pixels."""
    offsets = torch.arange(size) - (size - 1) / 2
    bell = torch.exp(-(offsets**2) / (2 * (size / 5) ** 2))
    bell = bell / bell.sum()
    return torch.outer(bell, bell)


def sharpen(size: int) -> Tensor:
    """The pixel plus what a blur would take away from it."""
    return 2 * identity(size) - gaussian_blur(size)


def sobel_x(size: int) -> Tensor:
    """Right minus left, averaged along the vertical: answers to vertical edges (Sobel, 1968)."""
    slope = _convolve(_binomial(size - 2), torch.tensor([-1.0, 0.0, 1.0]))
    return torch.outer(_binomial(size), slope)


def laplacian(size: int) -> Tensor:
    """Second difference across plus second difference down: the neighbours minus the middle."""
    inner = _binomial(size - 2)
    bend = _convolve(inner, torch.tensor([1.0, -2.0, 1.0]))
    across = torch.outer(torch.nn.functional.pad(inner, (1, 1)), bend)
    return across + across.T


def emboss(size: int) -> Tensor:
    """The pixel plus the slope along the diagonal, as if lit from the bottom right."""
    offsets = torch.arange(size) - (size - 1) / 2
    return identity(size) + offsets[:, None] + offsets[None, :]


KERNELS = {
    "identity": identity,
    "box blur": box_blur,
    "Gaussian blur": gaussian_blur,
    "sharpen": sharpen,
    "Sobel x": sobel_x,
    "Sobel y": lambda size: sobel_x(size).T,  # below minus above: answers to horizontal edges
    "Laplacian": laplacian,
    "emboss": emboss,
}

# 1×1 kernels on red, green and blue. Luma, how bright each looks: ITU-R BT.601 (2011), section 2.5.1;
# two opponent colours, yellow being red and green together: Hurvich and Jameson, 1957.
COLOUR_KERNELS = {
    "luma": (0.299, 0.587, 0.114),
    "red − green": (1.0, -1.0, 0.0),
    "blue − yellow": (-0.5, -0.5, 1.0),
    "red alone": (1.0, 0.0, 0.0),
}


def kernel(name: str, size: int = 3) -> Tensor:
    """The named kernel as a tensor of shape (size, size).

    Parameters
    ----------
    name : str
        One of ``KERNELS``.
    size : int
        Height and width in pixels: odd and at least 3.

    Raises
    ------
    ValueError
        For an unknown name, or a size without a middle.
    """
    return KERNELS[check_one_of("name", name, KERNELS)](check_whole("size", size, 3, odd=True))


def named_kernel(kernel: str | Tensor, kernel_size: int = 3, *, name: str = "kernel") -> Tensor:
    """:func:`kernel` for callers that call these two `kernel`, or the given `name`, and `kernel_size`.

    Numbers of one's own are taken too, and brought to the size round their middle: cut, or with zeros.
    """
    size = check_whole("kernel_size", kernel_size, 3, odd=True)
    if not isinstance(kernel, Tensor):
        return KERNELS[check_one_of(name, kernel, KERNELS)](size)
    side = kernel.shape[-1] if kernel.dim() == 2 else 0
    if kernel.shape != (side, side) or side % 2 == 0 or not kernel.isfinite().all():
        raise ValueError(f"{name} of shape {tuple(kernel.shape)} must be an odd square of finite numbers")
    return torch.nn.functional.pad(kernel.float(), ((size - side) // 2,) * 4)


def name_of(kernel: str | Tensor) -> str:
    """What such a kernel is called in a sentence."""
    return kernel if isinstance(kernel, str) else "your own kernel"
