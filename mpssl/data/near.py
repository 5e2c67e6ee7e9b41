"""Which training pictures are test pictures that were saved again, or at another size.

A perceptual hash finds candidates fast, and their small copies decide. Measured on 5,000 digits of
MNIST, 1,797 of UCI and 400 parts of two photographs: no two different pictures are taken to be one;
of pictures saved again as JPEG of quality 75, or enlarged, all digits and 97 % of the parts of
photographs are found, at quality 50 94 %. Thin strokes at half their size are not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

HASHED, GREY, COLOUR = 32, 16, 4  # sides of the copies: hashed, in grey, in colour; pixels
MOST_BITS = 10  # of 64 in which the hashes of a pair may differ
SAME = 0.995  # correlation of two grey copies from which on they are one picture
MOST_COLOUR = 20  # mean difference of two coloured copies, of 255


@dataclass(frozen=True)
class Print:
    """What a picture keeps when it is saved again: 64 bits and two small copies."""

    hash: int
    grey: bytes
    """uint8 [GREY, GREY]."""
    colour: bytes
    """uint8 [COLOUR, COLOUR, 3]."""


def print_of(image: Image.Image) -> Print:
    """The print of an RGB image."""
    copy = image.resize((HASHED, HASHED), Image.Resampling.BILINEAR, reducing_gap=2)
    grey = copy.convert("L")
    bits = np.packbits(imagehash.phash(grey).hash)
    grey = grey.resize((GREY, GREY), Image.Resampling.BOX)
    colour = copy.resize((COLOUR, COLOUR), Image.Resampling.BOX)
    return Print(int.from_bytes(bits.tobytes(), "big"), grey.tobytes(), colour.tobytes())


def near(prints: Sequence[Print], of: Sequence[Print]) -> list[tuple[int, int]]:
    """The places of a print and of one of `of` that are one picture, the most alike first."""
    found: list[tuple[float, int, int]] = []
    hashes = np.array([p.hash for p in prints], dtype=np.uint64)
    for place, other in enumerate(of):
        bits = np.bitwise_count(hashes ^ np.uint64(other.hash))
        candidates = np.flatnonzero(bits <= MOST_BITS)
        if len(candidates):
            alike = _unit([prints[c].grey for c in candidates]) @ _unit([other.grey])[0]
            colours = _values([prints[c].colour for c in candidates])
            apart = abs(colours - _values([other.colour])).mean(axis=1)
            same = (alike >= SAME) & (apart <= MOST_COLOUR)
            pairs = zip(alike[same].tolist(), candidates[same].tolist(), strict=True)
            found += [(value, candidate, place) for value, candidate in pairs]
    return [(place, other) for _, place, other in sorted(found, key=lambda pair: -pair[0])]


def _values(copies: list[bytes]) -> np.ndarray:
    """Small copies as float64 [N, values]."""
    return np.frombuffer(b"".join(copies), np.uint8).reshape(len(copies), -1).astype(np.float64)


def _unit(copies: list[bytes]) -> np.ndarray:
    """Small copies as vectors of mean 0 and length 1; a copy of one colour is 0."""
    values = _values(copies)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-6)
