"""Pictures from files: how they are squared, and what is refused."""

import os

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import Packing
from mpssl.data.pictures import read_images

PACKING = Packing(size=8)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(width=8, height=8, mode="RGB"):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image.convert(mode)


def read(path, packing=PACKING):
    (image,) = read_images([path], packing)
    assert image.dtype == np.uint8
    assert image.shape == (packing.size, packing.size, 3)
    return image


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_truncated_image(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"a.{suffix} is corrupt"):
        read(path)


def test_missing_image(tmp_path):
    with pytest.raises(UserError, match=r"a\.png does not exist"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "tif"), ("CMYK", "jpg")],
)
def test_colour_modes_become_rgb(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    halves(16, 16, mode).save(path)  # halves of whole JPEG blocks
    image = read(path).astype(int)
    assert abs(image[4, 1] - RED).max() <= 12
    assert abs(image[4, 6] - BLUE).max() <= 12


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_modes_become_rgb(tmp_path, mode):
    Image.new("L", (8, 8), 255).convert(mode).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png") == 255).all()


def sixteen_bit(path, value):
    Image.fromarray(np.full((8, 8), value, np.uint16)).save(path)
    return read(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_black_and_white(tmp_path, suffix):
    assert (sixteen_bit(tmp_path / f"a.{suffix}", 0) == 0).all()
    assert (sixteen_bit(tmp_path / f"a.{suffix}", 65535) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey(tmp_path, suffix):
    # 32896 = 128 * 257
    assert (sixteen_bit(tmp_path / f"a.{suffix}", 32896) == 128).all()


@pytest.mark.parametrize(
    ("orientation", "red"),
    [
        (1, (slice(None), slice(0, 4))),  # left
        (2, (slice(None), slice(4, 8))),  # mirrored: right
        (3, (slice(None), slice(4, 8))),  # upside down: right
        (4, (slice(None), slice(0, 4))),  # upside down, mirrored: left
        (5, (slice(0, 4), slice(None))),  # transposed: top
        (6, (slice(0, 4), slice(None))),  # the first column is the top
        (7, (slice(4, 8), slice(None))),  # transposed the other way: bottom
        (8, (slice(4, 8), slice(None))),  # the first column is the bottom
    ],
)
def test_rotated_by_exif(tmp_path, orientation, red):
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves().save(tmp_path / "a.png", exif=exif)
    image = read(tmp_path / "a.png")
    expected = np.full((8, 8, 3), BLUE)
    expected[red] = RED
    np.testing.assert_array_equal(image, expected)


def test_what_is_no_regular_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "zero.png", "folder.png"):
        with pytest.raises(UserError, match=f"{name} is not a regular file"):
            read(tmp_path / name)


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    Image.new("1", (20_000, 5_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    with pytest.raises(UserError, match=r"bomb\.png has 20000 x 5000 pixels, more than"):
        read(tmp_path / "bomb.png")


def test_a_changed_bit_of_a_png_is_found(tmp_path):
    halves().save(tmp_path / "a.png", compress_level=0)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(bytes(RED)) + 1] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.png is corrupt"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("size", [2, 20, 200])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_without_its_end(tmp_path, size, options):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", **options)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-size])
    with pytest.raises(UserError, match=r"a\.jpg is corrupt"):
        read(tmp_path / "a.jpg")


def test_the_first_frame_of_several(tmp_path):
    for suffix in ("gif", "webp", "png"):
        first, second = (Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE))
        path = tmp_path / f"a.{suffix}"
        first.save(path, save_all=True, append_images=[second])
        assert abs(read(path).astype(int) - RED).max() <= 12


def test_formats_that_start_programs_or_hold_no_photographs(tmp_path):
    halves().save(tmp_path / "a.eps")
    halves().save(tmp_path / "a.pcx")
    for name, reason in (
        ("a.eps", "is a PDF or PostScript file"),
        ("a.pcx", "no known kind of picture"),
    ):
        with pytest.raises(UserError, match=reason):
            read((tmp_path / name).rename(tmp_path / "a.jpg"))


def test_float_pixels_that_are_no_numbers(tmp_path):
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="not a finite number"):
        read(tmp_path / "a.tif")


def test_crop_takes_the_centre_and_squash_takes_all(tmp_path):
    # 32 x 8: red, 8 columns of blue in the middle, red
    image = Image.new("RGB", (32, 8), RED)
    image.paste(BLUE, (12, 0, 20, 8))
    image.save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png") == BLUE).all()
    squashed = read(tmp_path / "a.png", Packing(size=8, resize="squash"))
    assert squashed[4, 0].tolist() == list(RED)
    assert squashed[4, 7].tolist() == list(RED)
    assert squashed[4, 4, 2] > 150
