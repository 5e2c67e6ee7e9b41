"""Pictures of every kind become 8-bit RGB: what they look like to a person, not to a decoder."""

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import Packing
from mpssl.data.pictures import read_image

SIDE = 8


def packing(**changes) -> Packing:
    return Packing(size=SIDE, **changes)


def ink(mode: str) -> Image.Image:
    """A black left half on nothing: the right half is transparent, whatever its colour is."""
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, SIDE // 2, SIDE))
    if mode == "P":
        palette = image.convert("RGB").quantize(2)
        indices = np.zeros((SIDE, SIDE), np.uint8)
        indices[:, SIDE // 2 :] = 1
        palette = Image.fromarray(indices, "P")
        palette.putpalette([0, 0, 0, 10, 20, 30])
        palette.info["transparency"] = 1
        return palette
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", "png"), ("LA", "png"), ("P", "png"), ("P", "gif"), ("RGBA", "webp"), ("RGBA", "tif")],
)
@pytest.mark.parametrize(("background", "grey"), [("#ffffff", 255), ("#808080", 128)])
def test_transparent_parts_show_the_background(tmp_path, mode, suffix, background, grey):
    path, options = tmp_path / f"a.{suffix}", {"lossless": True} if suffix == "webp" else {}
    image = ink(mode)
    if mode == "P":
        options["transparency"] = 1
    image.save(path, **options)
    read = read_image(path, packing(background=background))
    assert (read[:, : SIDE // 2] == 0).all()
    assert (read[:, SIDE // 2 :] == grey).all()


def test_a_transparent_grey_value_shows_the_background(tmp_path):
    image = Image.fromarray(np.full((SIDE, SIDE), 7, np.uint8))
    image.save(tmp_path / "a.png", transparency=7)
    assert (read_image(tmp_path / "a.png", packing()) == 255).all()


def test_half_transparent_parts_are_mixed(tmp_path):
    Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", packing()) == 127).all()


@pytest.mark.parametrize(
    ("values", "kind", "suffix", "low_high", "expected"),
    [
        ([0, 4095], np.uint16, "png", [0, 4095], [0, 255]),  # 12 bits in 16
        ([0, 255], np.int32, "tif", [0, 255], [0, 255]),  # 8 bits in 32
        ([-1000, 0, 1000], np.int32, "tif", [-1000, 1000], [0, 128, 255]),  # Hounsfield units
        ([0, 65535], np.float32, "tif", [0, 65535], [0, 255]),
        ([0, 0.5, 1.01], np.float32, "tif", [0, 1], [0, 128, 255]),  # a pixel above the range
        ([0, 32896, 65535], np.uint16, "png", None, [0, 128, 255]),  # all of 16 bits
    ],
)
def test_wide_values_go_from_black_to_white_over_the_range(
    tmp_path, values, kind, suffix, low_high, expected
):
    path = tmp_path / f"a.{suffix}"
    for value, grey in zip(values, expected, strict=True):
        Image.fromarray(np.full((SIDE, SIDE), value, kind)).save(path)
        assert (read_image(path, packing(values=low_high)) == grey).all()


@pytest.mark.parametrize(
    ("value", "kind"), [(-5, np.int32), (70_000, np.int32), (4095, np.int32), (0.5, np.float32)]
)
def test_wide_values_whose_range_is_not_known_are_refused(tmp_path, value, kind):
    Image.fromarray(np.full((SIDE, SIDE), value, kind)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"packing\.values"):
        read_image(tmp_path / "a.tif", packing())


def test_pad_keeps_all_of_a_long_picture(tmp_path):
    Image.new("RGB", (32, 8), "#ff0000").save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png", packing(resize="pad", background="#0000ff"))
    assert (read[3:5] == [255, 0, 0]).all()
    assert (read[:3] == [0, 0, 255]).all()
    assert (read[5:] == [0, 0, 255]).all()


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "ppm", "pgm", "jp2", "avif", "dib", "gif"])
def test_formats_that_pillow_reads_are_read(tmp_path, suffix):
    formats = {"jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "pgm": "PPM"}
    Image.new("L", (SIDE, SIDE), 200).save(tmp_path / f"a.{suffix}", formats.get(suffix))
    read = read_image(tmp_path / f"a.{suffix}", packing())
    assert abs(read.astype(int) - 200).max() <= 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG or XML file: export it as PNG"),
        (b"<!DOCTYPE html><html>", "is a web page, not a picture: download it again"),
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS: run git lfs"),
        (b"%PDF-1.7", "is a PDF or PostScript file"),
        (b"", r"is empty; remove it"),
        (b"nothing of the kind", "is corrupt"),
    ],
)
def test_what_is_no_readable_picture_is_named_with_the_remedy(tmp_path, content, message):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.jpg {message}"):
        read_image(tmp_path / "a.jpg", packing())


def test_a_picture_beyond_all_bounds_is_not_called_corrupt(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png has more than 20 pixels; make it smaller"):
        read_image(tmp_path / "a.png", packing())
