"""What each named kernel promises, at every size."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from convlab.kernels import KERNELS, kernel

SIZES = pytest.mark.parametrize("size", [3, 5, 7])
DOWN, ACROSS = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")


def apply(name, size, image):
    return F.conv2d(image[None, None], kernel(name, size)[None, None])


@SIZES
@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_comes_as_a_square_of_floats(name, size):
    found = kernel(name, size)
    assert found.shape == (size, size)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@SIZES
@pytest.mark.parametrize("name", ["identity", "box blur", "Gaussian blur", "sharpen", "emboss"])
def test_a_kernel_that_keeps_brightness_sums_to_one(name, size):
    assert kernel(name, size).sum().item() == pytest.approx(1, abs=1e-5)


@SIZES
@pytest.mark.parametrize("name", ["Sobel x", "Sobel y", "Laplacian"])
def test_a_derivative_sums_to_zero(name, size):
    assert kernel(name, size).sum().item() == 0
    assert kernel(name, size).any()


@SIZES
def test_identity_gives_the_middle_of_the_image(size):
    image, rim = torch.rand(9, 9), size // 2
    assert apply("identity", size, image)[0, 0].equal(image[rim : 9 - rim, rim : 9 - rim])


@SIZES
def test_the_box_blur_is_average_pooling(size):
    image = torch.rand(9, 9)
    torch.testing.assert_close(apply("box blur", size, image), F.avg_pool2d(image[None, None], size, 1))


@SIZES
def test_the_gaussian_blur_falls_off_from_the_middle_and_is_symmetric(size):
    bell = kernel("Gaussian blur", size)
    row = bell[size // 2]
    torch.testing.assert_close(bell, bell.T)
    torch.testing.assert_close(bell, bell.flip(0))
    assert (row[: size // 2 + 1].diff() > 0).all()
    assert (bell > 0).all()
    offset = torch.tensor((size // 5 or 1) * 1.0)
    expected = torch.exp(-(offset**2) / (2 * (size / 5) ** 2))
    torch.testing.assert_close(row[size // 2 + int(offset)] / row[size // 2], expected)


@SIZES
def test_sharpening_adds_what_the_blur_takes_away(size):
    image, rim = torch.rand(9, 9), size // 2
    middle = image[rim : 9 - rim, rim : 9 - rim]
    expected = middle + (middle - apply("Gaussian blur", size, image)[0, 0])
    torch.testing.assert_close(apply("sharpen", size, image)[0, 0], expected)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("Sobel x", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        ("Sobel y", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        ("Laplacian", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        ("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ("emboss", [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    ],
)
def test_the_small_kernels_are_the_textbook_ones(name, numbers):
    assert kernel(name).equal(torch.tensor(numbers, dtype=torch.float32))


def test_the_larger_sobel_is_the_known_one():
    row = torch.tensor([-1.0, -2, 0, 2, 1])
    assert kernel("Sobel x", 5).equal(torch.outer(torch.tensor([1.0, 4, 6, 4, 1]), row))


@SIZES
def test_sobel_x_answers_to_a_horizontal_ramp_only(size):
    answer = apply("Sobel x", size, ACROSS)
    assert (answer > 0).all()
    assert answer.unique().numel() == 1
    assert not apply("Sobel x", size, DOWN).any()


@SIZES
def test_sobel_y_is_sobel_x_transposed(size):
    assert kernel("Sobel y", size).equal(kernel("Sobel x", size).T)
    assert (apply("Sobel y", size, DOWN) > 0).all()
    assert not apply("Sobel y", size, ACROSS).any()


@SIZES
def test_the_laplacian_ignores_ramps_and_answers_to_bends_alike_both_ways(size):
    assert not apply("Laplacian", size, ACROSS + 2 * DOWN).any()
    across, down = apply("Laplacian", size, ACROSS**2), apply("Laplacian", size, DOWN**2)
    assert (across > 0).all()
    assert across.equal(down)


@SIZES
def test_emboss_lights_up_towards_the_bottom_right(size):
    image, rim = ACROSS + DOWN, size // 2
    middle = image[rim : 9 - rim, rim : 9 - rim]
    assert (apply("emboss", size, image)[0, 0] > middle).all()
    assert (apply("emboss", size, -image)[0, 0] < -middle).all()


@pytest.mark.parametrize("size", [0, 1, 2, 4, -3, 3.0, "3", True, None])
def test_a_size_that_has_no_middle_is_refused(size):
    with pytest.raises(ValueError, match="must be an odd whole number of at least 3") as caught:
        kernel("Sobel x", size)
    assert f"size={size!r}" in str(caught.value)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="name='blur' must be one of: identity, box blur"):
        kernel("blur")
