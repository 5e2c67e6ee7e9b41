"""Hostile images, lists of images and model files: a strategy and a check a target."""

import copy
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from mpssl.config.data import ImageFolder, Packing
from mpssl.data import folder as lists
from mpssl.data import pictures as images
from tests.support.hostile_config import Target, flipped, mutated, places

PACKING = Packing(size=16)
KINDS = [
    (f, m)
    for f, modes in {
        "JPEG": ["RGB", "L", "CMYK", "progressive", "YCbCr"],
        "PNG": [
            "RGB",
            "RGBA",
            "L",
            "LA",
            "P",
            "1",
            "I;16",
            "transparent",
            "animated",
            "interlaced",
        ],
        "BMP": ["RGB", "L", "P", "1"],
        "GIF": ["P", "L", "animated"],
        "WEBP": ["RGB", "RGBA", "lossless", "animated"],
        "TIFF": ["RGB", "L", "CMYK", "F", "I;16", "I", "deflate", "lzw", "jpeg"],
    }.items()
    for m in modes
]


def picture(kind: str, mode: str, orientation: int) -> bytes:
    """An image file; some modes stand for a way to save RGB."""
    ramp = np.add.outer(np.arange(40) * 3, np.arange(50) * 2)
    pixels = np.random.default_rng(0).integers(0, 30, (40, 50, 3)) + ramp[..., None]
    image = Image.fromarray(pixels.astype(np.uint8))
    options: dict = {}
    if mode in ("I;16", "I", "F"):
        array = {
            "I;16": pixels[..., 0].astype(np.uint16) * 257,
            "I": pixels[..., 0].astype(np.int32) * 257,
            "F": (pixels[..., 0] / 255).astype(np.float32),
        }[mode]
        image = Image.fromarray(array)
    elif mode == "transparent":
        image, options = image.quantize(16), {"transparency": 3}
    elif mode == "animated":
        options = {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}
    elif mode in ("deflate", "lzw", "jpeg"):
        options = {
            "compression": {"deflate": "tiff_adobe_deflate", "lzw": "tiff_lzw", "jpeg": "jpeg"}[
                mode
            ]
        }
    elif mode in ("progressive", "lossless"):
        options = {mode: True}
    elif mode != "interlaced":
        image = image.convert(mode)
    if orientation != 1 and kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, data: bytes) -> bytes:
    """A PNG that says it has this size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


NO_IMAGES = [
    b"",
    b"\xff\xd8",
    b"GIF89a",
    b"PK\x03\x04" + b"\0" * 60,
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"<!DOCTYPE html><html></html>",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    png_of(50_000, 50_000, b"\0" * 1000),
    png_of(10_000, 10_000, b""),
    png_of(2**31 - 1, 1, b""),
    png_of(0, 0, b""),
    png_of(9, 0, b""),
    png_of(9, 9, b"\0" * 20),
]


def packing_of(key: tuple | None) -> Packing:
    """Real numbers need a range."""
    return PACKING.model_copy(update={"values": [0, 1]}) if key and key[1] == "F" else PACKING


def image_files(folder: Path) -> Target:
    """Image files: whole, cut off, damaged, not images."""
    whole = {(k, m, o): picture(k, m, o) for k, m in KINDS for o in (1, 6)}
    expected = {}
    for key, data in whole.items():
        (folder / "whole").write_bytes(data)
        expected[key] = images.read_image(folder / "whole", packing_of(key))

    @st.composite
    def cases(draw: st.DrawFn) -> tuple[str, tuple | None, bytes, str]:
        how = draw(
            st.sampled_from(["whole", "cut", "cut", "flip", "flip", "zeros", "insert", "none"])
        )
        suffix = draw(st.sampled_from(sorted(images.SUFFIXES)))
        if how == "none":
            return how, None, draw(st.sampled_from(NO_IMAGES) | st.binary(max_size=100)), suffix
        key = draw(st.sampled_from(sorted(whole)))
        data = whole[key]
        near = st.integers(0, min(200, len(data) - 1))  # headers and ends are the more fragile part
        at = draw(near | st.integers(0, len(data) - 1) | near.map(lambda n: len(data) - 1 - n))
        if how == "cut":
            data = data[:at]
        elif how == "flip":
            bits = draw(st.lists(st.integers(0, 7), min_size=1, max_size=3))
            data = flipped(data, [8 * at + bit for bit in bits])
        elif how == "zeros":
            data = data[:at] + bytes(min(16, len(data) - at)) + data[at + 16 :]
        elif how == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
        return how, key, data, suffix

    def check(case: tuple) -> str | None:
        how, key, data, suffix = case
        path = folder / f"image{suffix}"
        path.write_bytes(data)
        image = images.read_image(path, packing_of(key))
        if image.dtype != np.uint8 or image.shape != (16, 16, 3):
            return f"{image.dtype} {image.shape}"
        if key is None:
            return "this is no image"
        same = (image == expected[key]).all()
        # Only PNG has checksums; of the others a changed bit can be a picture as good as any.
        if not same and (how in ("whole", "cut") or key[0] == "PNG"):
            return f"{how} {key}: accepted with other pixels"
        return None

    return cases(), check


CELLS = st.sampled_from(
    [
        "a.png",
        "../../etc/passwd",
        "",
        "x\0",
        "cat",
        '"',
        '"a\nb"',
        "é",
        "\ufeff",
        ";",
        "x" * 200_000,
    ]
)


def image_lists(folder: Path) -> Target:
    """CSV files of path and label, and lists of files to leave out."""
    for i in (1, 2, 3, 4):
        (folder / f"{i}.png").touch()
    sound = st.sampled_from(
        ["1.png,cat", "2.png,cat", "3.png,cat", "4.png,dog", "1.png,cat,train", "4.png,dog,test"]
    )
    odd = st.lists(CELLS | st.text(max_size=4), max_size=4).map(",".join)
    rows = st.lists(sound | sound | sound | odd, max_size=8)
    heads = st.sampled_from(
        [
            "path,label",
            "path,label",
            "path,label,file",
            "path,label,group",
            "path,label,split",
            "file,path",
            "label,path,path",
            "",
            "\ufeffpath,label",
        ]
    )
    texts = st.tuples(heads, rows).map(
        lambda parts: "\n".join([parts[0], *parts[1]]).encode("utf-8", "ignore")
    )
    path = folder / "list.csv"

    def check(case: tuple[bytes, str]) -> str | None:
        content, key = case
        path.write_bytes(content)
        dataset = ImageFolder(
            adapter="folder", title="x", path=path, **({key: path} if key else {})
        )
        for part in lists.list_images(dataset)[:2]:
            if not all(name.strip() and files for name, files in part.items()):
                return "a label is empty"
        return None

    return st.tuples(texts | st.binary(max_size=60), st.sampled_from(["", "exclude"])), check


def model_files(folder: Path) -> Target:
    """Model files of `mpssl train`, damaged."""
    import torch

    from mpssl.models import model_file
    from mpssl.models.classifier import Classifier

    source, path = folder / "whole.safetensors", folder / "model.safetensors"
    description = model_file.Description(
        "resnet8", ["a", "b"], 40, "crop", 32, [0.5] * 3, [0.5] * 3
    )
    torch.manual_seed(0)
    whole = Classifier("resnet8", 2, (0.5,) * 3, (0.5,) * 3)
    model_file.save(source, whole, description)
    data = source.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    sizes = st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1, size - 9, len(data)]) | st.integers(
        0, 2**64 - 1
    )
    head = json.loads(data[8:size])

    @st.composite
    def cases(draw: st.DrawFn) -> bytes:
        how = draw(
            st.sampled_from(["whole", "flip", "head", "cut", "size", "json", "json", "binary"])
        )
        if how == "json":
            changed = copy.deepcopy(head)
            changed["__metadata__"]["mpssl"] = json.loads(changed["__metadata__"]["mpssl"])
            where = draw(st.sampled_from(places(changed)))
            value = draw(
                st.integers()
                | st.text(max_size=5)
                | st.none()
                | st.sampled_from(["BF16", "F8_E4M3", "U8", [], {}, -1, 2**63])
            )
            changed = mutated(
                changed, where, draw(st.sampled_from(["set", "delete", "add", "wrap"])), value
            )
            meta = changed.get("__metadata__")
            if isinstance(meta, dict) and "mpssl" in meta:
                meta["mpssl"] = json.dumps(meta["mpssl"])
            text = json.dumps(changed, ensure_ascii=False).encode("utf-8", "replace")
            return struct.pack("<Q", len(text)) + text + data[size:]
        if how == "whole":
            return data
        if how == "size":
            return struct.pack("<Q", draw(sizes)) + data[8:]
        if how == "cut":
            return data[: draw(st.integers(0, size + 20) | st.integers(0, len(data) - 1))]
        if how == "binary":
            return draw(st.binary(max_size=100))
        end = size if how == "head" else len(data)
        return flipped(
            data, draw(st.lists(st.integers(0, 8 * end - 1), min_size=1, max_size=3, unique=True))
        )

    def check(case: bytes) -> str | None:
        path.write_bytes(case)
        model, found = model_file.load(path)
        if found != description:
            return "another description was accepted"
        weights = zip(model.state_dict().values(), whole.state_dict().values(), strict=True)
        return None if all(torch.equal(a, b) for a, b in weights) else "other weights were accepted"

    return cases(), check
