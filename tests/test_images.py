"""Photos come in exactly the asked shape, unharmed."""

import pytest
import torch
from skimage import data

from convlab.images import PHOTOS, check_photo, photo


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PHOTOS)
def test_every_photo_loads_as_floats_between_black_and_white(name, channels):
    found = photo(name, 64, channels=channels)
    assert found.shape == (1, channels, 64, 64)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.std() > 0.02


@pytest.mark.parametrize("size", [(1, 1), (37, 91), (120, 16), [30, 20], (700, 900)], ids=str)
@pytest.mark.parametrize("name", ["cat", "camera"])
def test_the_size_is_height_and_width_exactly(name, size):
    assert photo(name, size).shape == (1, 3, *size)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_without_a_size_the_photo_comes_as_it_is(name):
    original = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] / 255
    assert photo(name).equal(original)


def test_a_square_of_full_height_is_the_middle_of_the_photo():
    assert photo("coffee", 400).equal(photo("coffee")[..., 100:500])


def test_a_low_strip_is_the_middle_of_the_photo():
    assert photo("coffee", (200, 600)).equal(photo("coffee")[..., 100:300, :])


def test_shrinking_keeps_the_proportions_and_the_brightness():
    small = photo("coffee", 100)
    expected = torch.nn.functional.avg_pool2d(photo("coffee", 400), 4)
    assert (small - expected).abs().mean() < 0.02


def test_one_channel_is_luma():
    weights = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    luma = (photo("coffee") * weights).sum(1, keepdim=True)
    assert (photo("coffee", channels=1) - luma).abs().max() <= 1.01 / 255


def test_a_grey_photo_has_three_equal_channels():
    red, green, blue = photo("camera", 50)[0]
    assert red.equal(green)
    assert green.equal(blue)


def test_a_change_to_a_photo_does_not_reach_the_next_one():
    first = photo("cat", 20)
    kept = first.clone()
    first.zero_()
    assert photo("cat", 20).equal(kept)


def test_an_unknown_photo_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="name='dog' must be one of: astronaut, brick"):
        photo("dog")


@pytest.mark.parametrize("size", [0, -3, (0, 5), (5, -1)], ids=str)
def test_a_size_without_pixels_is_refused(size):
    with pytest.raises(ValueError, match="must be a whole number of at least 1") as caught:
        photo("cat", size)
    assert "size=" in str(caught.value)


@pytest.mark.parametrize("channels", [0, 2, 4, None, "RGB"])
def test_a_number_of_channels_that_no_photo_has_is_refused(channels):
    with pytest.raises(ValueError, match="must be 1") as caught:
        photo("cat", 8, channels=channels)
    assert f"channels={channels!r}" in str(caught.value)


@pytest.mark.parametrize("size", [True, 2.5, "ab", (3,), (3, 4, 5), (0, 4)])
def test_a_size_that_no_photo_can_have_is_named(size):
    with pytest.raises(ValueError, match="size="):
        photo("cat", size)


def test_a_photo_is_one_item_with_the_asked_channels():
    image = photo("cat", 8)
    assert check_photo(image, 3) is image
    for wrong in (image[0], image[:, :1], image.expand(2, 3, 8, 8), torch.zeros(1, 3), image[..., :0]):
        with pytest.raises(ValueError, match=r"must be one colour photo \(1, 3, H, W\)") as caught:
            check_photo(wrong, 3)
        assert f"image of shape {tuple(wrong.shape)}" in str(caught.value)
