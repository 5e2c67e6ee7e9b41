"""Pictures of telephones and of hospitals, which packages beside Pillow read."""

import sys

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.config.data import Packing
from mpssl.data import pictures
from mpssl.data.listing import list_files
from mpssl.data.pictures import open_upright, read_image
from mpssl.tools import init_project
from tests.support.pictures import dicom

PACKING = Packing(size=8)


# -------------------------------------------------------------------------------------------- HEIC


def heic(path, colour="#c83232", size=(64, 48), **more):
    Image.new(more.pop("mode", "RGB"), size, colour).save(path, "HEIF", quality=90, **more)
    return path


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.hif", "a.jpg"])
def test_a_heic_picture_is_read_under_any_name(tmp_path, name):
    image = read_image(heic(tmp_path / name), PACKING)
    assert abs(image.astype(int) - [200, 50, 50]).max() <= 6


def test_transparent_parts_of_a_heic_picture_show_the_background(tmp_path):
    heic(tmp_path / "a.heic", (0, 0, 0, 0), mode="RGBA")
    assert read_image(tmp_path / "a.heic", PACKING).min() >= 250


def test_a_heic_picture_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    heic(tmp_path / "a.heic", size=(64, 48), exif=exif.tobytes())  # a box irot, as of phones
    assert open_upright(tmp_path / "a.heic").size == (48, 64)


def test_a_truncated_heic_picture_is_corrupt(tmp_path):
    path = heic(tmp_path / "a.heic")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"a\.heic is corrupt"):
        read_image(path, PACKING)


@pytest.mark.parametrize(
    ("format", "head", "message"),
    [
        ("HEIF", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC picture: pip install pillow-h"),
        (
            "AVIF",
            b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
            "is an AVIF picture: pip install",
        ),
    ],
)
def test_without_its_package_a_format_is_named_with_the_remedy(
    tmp_path, monkeypatch, format, head, message
):
    monkeypatch.setattr(pictures, "FORMATS", tuple(set(pictures.FORMATS) - {format}))
    (tmp_path / "a.jpg").write_bytes(head)
    with pytest.raises(UserError, match=rf"a\.jpg {message}"):
        read_image(tmp_path / "a.jpg", PACKING)


# ------------------------------------------------------------------------------------------- DICOM


RAMP = np.arange(64).reshape(8, 8)
GREYS = {
    "8 bits": ({"pixels": RAMP.astype(np.uint8)}, RAMP),
    "12 bits in 16": ({"pixels": (RAMP * 60).astype(np.uint16), "bits": 12}, RAMP * 60),
    "signed": ({"pixels": (RAMP - 30).astype(np.int16)}, RAMP - 30),
    "Hounsfield": ({"pixels": RAMP.astype(np.uint16), "intercept": -1024}, RAMP - 1024),
    "slope": ({"pixels": RAMP.astype(np.uint16), "slope": 0.3}, RAMP * 0.3),
    "white is 0": (
        {"pixels": RAMP.astype(np.uint16), "bits": 12, "kind": "MONOCHROME1"},
        4095 - RAMP,
    ),
    "white is 0, rescaled": (
        {"pixels": RAMP.astype(np.uint8), "kind": "MONOCHROME1", "slope": 2, "intercept": 5},
        515 - 2 * RAMP,
    ),
    "frames": ({"pixels": np.stack([RAMP, RAMP * 0]).astype(np.uint8), "frames": 2}, RAMP),
}


@pytest.mark.parametrize(("settings", "expected"), GREYS.values(), ids=GREYS)
def test_values_of_a_grey_dicom_file(tmp_path, settings, expected):
    image = open_upright(dicom(tmp_path / "a.dcm", **settings))
    assert pictures.is_wide(image)
    assert pictures.values_of(image, tmp_path) == pytest.approx(expected, abs=1e-4)


def test_a_dicom_file_in_colour(tmp_path):
    pixels = np.full((8, 8, 3), (200, 50, 40), np.uint8)
    dicom(tmp_path / "a.dcm", pixels, kind="RGB")
    assert (read_image(tmp_path / "a.dcm", PACKING) == (200, 50, 40)).all()


def test_init_chooses_a_range_for_dicom_files_with_any_name(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ill", "well"):
        for i in range(10):
            pixels = rng.integers(0, 4096, (20, 20)).astype(np.uint16)
            path = (
                tmp_path / f"images/{name}/{'IM000' if i % 2 else ''}{i}{'' if i % 2 else '.dcm'}"
            )
            dicom(path, pixels, bits=12, intercept=-1024)
    (tmp_path / "images/DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "images/ill/README").write_text("no picture")
    assert len(list_files(tmp_path / "images").pictures) == 20
    text = init_project.initialize(tmp_path / "p", tmp_path / "images", foundation="small")
    assert "16 training and 4 test images of 2 classes" in text
    assert "more than 8 bits: 20 of 20 pictures" in text
    assert "no pictures: 1 without suffix" in text
    low, high = reading.load(tmp_path / "p/config.yaml").packing.values
    assert (low, high) == pytest.approx((-1024, 3071), abs=10)


def test_a_dicom_file_without_a_picture_or_cut_off(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP.astype(np.uint8))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"a\.dcm is a DICOM file that pydicom cannot read \("):
        read_image(path, PACKING)
    (tmp_path / "b.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(UserError, match=r"b\.dcm is a DICOM file that pydicom cannot read \("):
        read_image(tmp_path / "b.dcm", PACKING)


def test_without_pydicom_a_line_says_how(tmp_path, monkeypatch):
    path = dicom(tmp_path / "a.dcm", RAMP.astype(np.uint8))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UserError, match=r"a\.dcm is a DICOM file: pip install pydicom, or export"):
        read_image(path, PACKING)
