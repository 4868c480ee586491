"""Photos come in exactly the asked shape, unharmed, whatever they were before."""

import struct
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from skimage import data

from convlab.images import PHOTOS, as_photo, photo

COLOUR = photo("coffee", (40, 56))  # neither square nor symmetric
GREY = photo("coffee", (40, 56), channels=1)
BYTES = (COLOUR[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()  # (40, 56, 3)
GREY_BYTES = (GREY[0, 0] * 255).round().to(torch.uint8).numpy()  # (40, 56)
ALPHA = np.arange(40 * 56, dtype=np.uint8).reshape(40, 56, 1)


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
    with pytest.raises(ValueError, match="must be one of: 1, 3") as caught:
        photo("cat", 8, channels=channels)
    assert f"channels={channels!r}" in str(caught.value)


@pytest.mark.parametrize("size", [True, 2.5, "ab", (3,), (3, 4, 5), (0, 4)])
def test_a_size_that_no_photo_can_have_is_named(size):
    with pytest.raises(ValueError, match="size="):
        photo("cat", size)


# What a reader may bring: (what it is, the same in another form, how far it may be from it).
SAME = {
    "a tensor (1, C, H, W)": (COLOUR, COLOUR, 0),
    "a tensor (C, H, W)": (COLOUR[0], COLOUR, 0),
    "a tensor (H, W)": (GREY[0, 0], GREY, 0),
    "an array (1, C, H, W)": (COLOUR.numpy(), COLOUR, 0),
    "an array (H, W, 1)": (GREY[0, 0, :, :, None].numpy(), GREY, 0),
    "bytes (H, W, C)": (BYTES, COLOUR, 0),
    "bytes (C, H, W)": (BYTES.transpose(2, 0, 1), COLOUR, 0),
    "bytes (H, W)": (GREY_BYTES, GREY, 0),
    "bytes with alpha": (np.concatenate([BYTES, ALPHA], axis=2), COLOUR, 0),
    "bytes with alpha, channels first": (
        np.concatenate([BYTES, ALPHA], axis=2).transpose(2, 0, 1),
        COLOUR,
        0,
    ),
    "a tensor of bytes": (torch.from_numpy(BYTES).permute(2, 0, 1), COLOUR, 0),
    "16 bits": (BYTES.astype(np.uint16) * 257, COLOUR, 1e-6),
    "16 bits, big endian": ((GREY_BYTES.astype(np.uint16) * 257).astype(">u2"), GREY, 1e-6),
    "a tensor of 16 bits": (torch.from_numpy(GREY_BYTES.astype(np.uint16) * 257), GREY, 1e-6),
    "a masked array": (np.ma.array(GREY_BYTES, mask=GREY_BYTES > 9), GREY, 0),
    "doubles": (COLOUR[0].double().numpy(), COLOUR, 0),
    "halves": (COLOUR.half(), COLOUR, 1e-3),
    "bfloat16": (COLOUR.bfloat16(), COLOUR, 1e-2),
    "a parameter": (torch.nn.Parameter(COLOUR.clone()), COLOUR, 0),
    "turned about and back": (BYTES[::-1, ::-1].copy()[::-1, ::-1], COLOUR, 0),
    "a part of a larger array": (np.repeat(BYTES, 2, axis=1)[:, ::2], COLOUR, 0),
    "that nothing may be written to": (
        np.broadcast_to(GREY_BYTES, (3, 40, 56)),
        GREY.expand(1, 3, 40, 56),
        0,
    ),
    "rounded a little beyond 1": (GREY.clamp(max=0.5) * 2 + 5e-5, (GREY.clamp(max=0.5) * 2), 1e-4),
    "PIL, in colour": (Image.fromarray(BYTES), COLOUR, 0),
    "PIL, grey": (Image.fromarray(GREY_BYTES), GREY, 0),
    "PIL, RGBA": (Image.fromarray(np.concatenate([BYTES, ALPHA], axis=2)), COLOUR, 0),
    "PIL, LA": (Image.fromarray(np.concatenate([GREY_BYTES[..., None], ALPHA], axis=2)), GREY, 0),
    "PIL, CMYK": (Image.fromarray(BYTES).convert("CMYK"), COLOUR, 0.01),
    "PIL, YCbCr": (Image.fromarray(BYTES).convert("YCbCr"), COLOUR, 0.02),
    "PIL, HSV": (Image.fromarray(BYTES).convert("HSV"), COLOUR, 0.05),
    "PIL, premultiplied, opaque": (Image.fromarray(BYTES).convert("RGBA").convert("RGBa"), COLOUR, 0),
    "PIL, I;16": (Image.fromarray(GREY_BYTES.astype(np.uint16) * 257), GREY, 1e-6),
    "PIL, I": (Image.fromarray(GREY_BYTES.astype(np.int32) * 257), GREY, 1e-6),
    "PIL, F": (Image.fromarray(GREY[0, 0].numpy()), GREY, 0),
}


@pytest.mark.parametrize("what", SAME)
def test_every_form_of_a_photo_gives_the_same_photo(what):
    given, expected, tolerance = SAME[what]
    found = as_photo(given)
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert not found.requires_grad
    assert 0 <= found.min() <= found.max() <= 1
    assert (found - expected).abs().max() <= tolerance


def test_channels_come_first_where_both_readings_fit():
    """So also where a photo of 3 or 4 rows has its channels last: reading it is a matter of the rule."""
    planes = torch.rand(3, 5, 4)
    assert as_photo(planes).equal(planes[None])
    assert as_photo(torch.rand(1, 7, 3)).shape == (1, 1, 7, 3)
    assert as_photo(torch.rand(4, 6, 3)).shape == (1, 3, 6, 3)
    assert as_photo(torch.rand(5, 6, 3)).shape == (1, 3, 5, 6)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_a_picture_of_few_rows_is_read_as_the_picture_that_it_is(rows):
    assert as_photo(Image.fromarray(BYTES[:rows])).equal(COLOUR[:, :, :rows])
    assert as_photo(Image.fromarray(GREY_BYTES[:rows])).equal(GREY[:, :, :rows])


def test_booleans_are_black_and_white():
    mask = GREY_BYTES > 100
    expected = torch.from_numpy(mask)[None, None].float()
    for given in (mask, torch.from_numpy(mask), Image.fromarray(mask)):
        assert as_photo(given).equal(expected)
    assert as_photo(np.stack([mask] * 4)).equal(expected.expand(1, 3, 40, 56))


def test_a_palette_gives_the_colours_that_it_stands_for():
    few = Image.fromarray(BYTES).quantize(16)
    assert few.mode == "P"
    found = as_photo(few)
    assert found.equal(as_photo(np.array(few.convert("RGB"))))
    assert (found - COLOUR).abs().mean() < 0.1
    few.info["transparency"] = bytes(range(16))  # at which Pillow warns
    assert as_photo(few).equal(found)


def test_channels_are_luma_or_repeated_as_asked():
    luma = (COLOUR * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(as_photo(COLOUR, channels=1), luma)
    torch.testing.assert_close(as_photo(BYTES, channels=1), luma)
    assert as_photo(GREY, channels=3).equal(GREY.expand(1, 3, 40, 56))
    assert as_photo(GREY, channels=np.int64(1)).equal(GREY)
    assert as_photo(torch.ones(3, 9, 9), channels=1).max() <= 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
def test_any_kind_is_cut_and_shrunk_as_the_photos_of_the_course_are(kind):
    scale = {np.uint8: 1, np.uint16: 257}.get(kind)
    coffee = data.coffee().astype(kind) * kind(scale) if scale else data.coffee() / kind(255)
    for size in (64, (30, 100), (70, 20)):
        apart = (as_photo(coffee, size) - photo("coffee", size)).abs()
        # Bytes are rounded and kept from 0 to 255 after the rows and again after the columns.
        assert apart.max() == 0 if kind == np.uint8 else apart.mean() < 0.5 / 255
    assert as_photo(coffee, (80, np.int64(60))).shape == (1, 3, 80, 60)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((600, 1024), (300, 512)), ((2048, 30), (512, 8)), ((512, 300), (512, 300)), ((3, 2000), (1, 512))],
)
def test_without_a_size_no_side_is_longer_than_512(given, expected):
    for kind in (np.uint8, np.float32):
        assert as_photo(np.ones(given, kind)).shape == (1, 1, *expected)


def test_shrinking_floats_does_not_leave_their_range():
    edges = torch.zeros(1, 1, 64, 64)
    edges[..., ::7, 20:40] = 1
    found = as_photo(edges, (23, 19))
    assert 0 <= found.min() <= found.max() <= 1


def test_a_photo_that_is_one_already_comes_back_quickly_and_apart_from_the_given_one():
    given = photo("cat", 128)
    kept = given.clone()
    found = as_photo(given, channels=3)
    assert found.equal(given)
    found.zero_()
    assert given.equal(kept)
    best = min(_seconds(as_photo, given) for _ in range(300))
    assert best < 0.001  # it takes less than a tenth of it


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_a_large_array_is_shrunk_before_it_is_copied(kind):
    large = np.zeros((3000, 4000, 3), kind)
    tracemalloc.start()
    assert as_photo(large).shape == (1, 3, 384, 512)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    channel = 12e6 * (1 if kind == np.uint8 else 4)
    assert most < 2.5 * channel  # and not all of the photo


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "gif", "webp"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_files_are_opened(tmp_path, suffix, as_path):
    file = tmp_path / f"mine.{suffix}"
    Image.fromarray(BYTES).save(file)
    found = as_photo(as_path(file))
    assert found.shape == (1, 3, 40, 56)
    assert (found - COLOUR).abs().mean() < 0.1
    file.unlink()  # nothing holds it open


def test_a_png_of_16_bits_keeps_them(tmp_path):
    wide = np.linspace(0, 65535, 12 * 20).astype(np.uint16).reshape(12, 20)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = as_photo(tmp_path / "wide.png")
    torch.testing.assert_close(found[0, 0], torch.from_numpy(wide.astype(np.float32) / 65535))


def exif(entries):
    """EXIF data by hand: a TIFF header and one directory of (tag, type, count, value)."""
    body = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    head = b"Exif\0\0II*\0" + struct.pack("<LH", 8, len(entries))
    return head + body + struct.pack("<L", 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_as_its_exif_data_says(tmp_path, orientation):
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes each orientation, in Pillow's numbers
    lying = Image.fromarray(BYTES)
    if orientation > 1:
        lying = lying.transpose(Image.Transpose(back[orientation]))
    lying.save(tmp_path / "lying.png", exif=exif([(0x0112, 3, 1, orientation)]))
    found = as_photo(tmp_path / "lying.png")
    with Image.open(tmp_path / "lying.png") as opened:
        assert as_photo(opened).equal(found)
    assert found.equal(COLOUR)


@pytest.mark.parametrize(
    "damaged",
    [
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0nothing of the kind",
        b"Exif\0\0",
        exif([(0x0112, 2, 40, 0xFFFFFFF0), (0x8769, 4, 1, 0xFFFFFF00)]),
        exif([(0x0112, 3, 1, 99)]),
    ],
    ids=["no directory", "no header", "empty", "entries that lead nowhere", "an unknown orientation"],
)
def test_damaged_exif_data_does_not_hide_the_photo(tmp_path, damaged):
    Image.fromarray(BYTES).save(tmp_path / "damaged.jpg", exif=damaged, quality=95)
    assert (as_photo(tmp_path / "damaged.jpg") - COLOUR).abs().mean() < 0.05


def test_exif_data_that_is_no_data_does_not_hide_the_photo(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 4\nzzzz\n")  # at which Pillow itself raises
    Image.fromarray(BYTES).save(tmp_path / "damaged.png", pnginfo=text)
    assert as_photo(tmp_path / "damaged.png").equal(COLOUR)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "notes.txt").write_text("a cat, from memory", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder").mkdir()
    for suffix in ("png", "jpg"):
        Image.fromarray(np.repeat(BYTES, 9, axis=0)).save(tmp_path / f"whole.{suffix}")
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"truncated.{suffix}").write_bytes(whole[: len(whole) // 2])
    return tmp_path


@pytest.mark.parametrize(
    "name", ["notes.txt", "empty.png", "folder", "truncated.png", "truncated.jpg", "missing.png", "a\0b"]
)
def test_a_file_that_is_no_photo_is_refused_by_its_name(files, name):
    for path in (str(files / name), files / name):
        with pytest.raises(ValueError, match="can't be read as a photo") as caught:
            as_photo(path)
        assert f"image={path!r}" in str(caught.value)


@pytest.mark.parametrize("limit", [40 * 56 - 1, 40 * 56 // 2 - 1], ids=["a warning", "an error"])
def test_a_decompression_bomb_is_refused_and_nothing_is_warned_of(tmp_path, monkeypatch, limit):
    Image.fromarray(BYTES).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"bomb\.png.*can't be read as a photo: .* decompression bomb"):
            as_photo(tmp_path / "bomb.png")


def test_a_picture_whose_file_was_closed_is_refused(files):
    with Image.open(files / "whole.png") as picture:
        pass
    with pytest.raises(ValueError, match=r"image=<PIL.*can't be read as a photo"):
        as_photo(picture)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.full((3, 5, 6), 255.0), "float32 of shape (3, 5, 6) from 255 to 255 must be from 0 to 1"),
        (np.linspace(0, 255, 30).reshape(5, 6), "float64 of shape (5, 6) from 0 to 255 must be from 0 to 1"),
        (GREY - 0.5, "must be from 0 to 1: divide numbers up to 255 by 255"),
        (GREY + 0.01, "must be from 0 to 1"),
        (torch.full((3, 5, 6), torch.nan), "from nan to nan must be from 0 to 1"),
        (torch.full((3, 5, 6), torch.inf), "from inf to inf must be from 0 to 1"),
        (Image.fromarray(np.full((5, 6), 9, np.float32)), "float32 of shape (1, 5, 6) from 9 to 9"),
        (torch.zeros(5, 6, dtype=torch.int64), "int64 of shape (5, 6) from 0 to 0 must be uint8, uint16 or"),
        (np.zeros((5, 6), np.int32), "int32 of shape (5, 6) from 0 to 0 must be uint8, uint16 or floats"),
        (np.zeros((5, 6), np.uint32), "uint32 of shape (5, 6)"),
        (np.zeros((5, 6), complex), "complex128 of shape (5, 6) must be uint8, uint16 or floats"),
        (np.zeros((5, 6), object), "object of shape (5, 6) must be uint8, uint16 or floats"),
        (np.full((5, 6), "a"), "<U1 of shape (5, 6) must be uint8, uint16 or floats"),
        (Image.fromarray(np.full((5, 6), -1, np.int32)), "int32 of shape (1, 5, 6) from -1 to -1 must be"),
        (torch.zeros(2, 3, 5, 6), "float32 of shape (2, 3, 5, 6) from 0 to 0 must be one photo: (H, W)"),
        (torch.zeros(1, 1, 3, 5, 6), "float32 of shape (1, 1, 3, 5, 6) from 0 to 0 must be one photo"),
        (torch.zeros(2, 5, 6), "float32 of shape (2, 5, 6)"),
        (torch.zeros(5, 5, 5), "float32 of shape (5, 5, 5)"),
        (torch.zeros(1, 12, 8, 8), "float32 of shape (1, 12, 8, 8)"),
        (np.zeros((5, 6, 2), np.uint8), "uint8 of shape (5, 6, 2) from 0 to 0 must be one photo"),
        (torch.zeros(7), "float32 of shape (7,)"),
        (torch.tensor(0.5), "float32 of shape ()"),
        (torch.zeros(1, 3, 0, 6), "float32 of shape (1, 3, 0, 6) must be one photo"),
        (np.zeros((0, 0, 3), np.uint8), "uint8 of shape (0, 0, 3) must be one photo"),
        (Image.new("RGB", (0, 5)), "uint8 of shape (3, 5, 0) must be one photo"),
        (
            torch.zeros(1, 3, 5, 6, device="meta"),
            "device='meta', size=(1, 3, 5, 6)) can't be read as a photo",
        ),
        (Image.new("La", (6, 5)), "image=<PIL.Image.Image image mode=La size=6x5"),
        (None, "image=None must be a tensor, an array, a PIL image, or a file's path or bytes"),
        (3, "image=3 must be"),
        ([[0.5]], "image=[[0.5]] must be"),
        (b"cat.png", "image=a file of 7 bytes can't be read as a photo: cannot identify image file"),
        ({"cat": 1}, "image={'cat': 1} must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_one_photo_is_refused_by_type_shape_and_range(image, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^image") as caught:
            as_photo(image)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [0, 2, True, "RGB", [3]])
def test_channels_that_no_photo_has_are_refused(channels):
    with pytest.raises(ValueError, match="must be one of: 1, 3") as caught:
        as_photo(GREY, channels=channels)
    assert f"channels={channels!r}" in str(caught.value)


@pytest.mark.parametrize("size", [0, True, 2.5, "64", (3,), (3, 4, 5), (0, 4)], ids=str)
def test_a_size_that_it_cannot_have_is_refused(size):
    with pytest.raises(ValueError, match="size="):
        as_photo(GREY, size)
