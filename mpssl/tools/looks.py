"""What kinds of pictures a person's files are, and how the network will see them."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mpssl.common.files import atomic
from mpssl.config.data import Packing
from mpssl.data import pictures
from mpssl.data.near import Print, print_of

ASPECT = 2  # from which on the middle of a picture is too little of it
SHEET = 12  # pictures in the sheet
THUMB = 96  # their side, pixels
# Upper ends of ranges that start at 0: of integers, and of real numbers.
INTEGERS = (255, 1023, 4095, 16383, 65535)
REAL = (1, 255, 65535)
TRIMMED = 0.1  # percent of a picture's values at either end that may lie outside of the range


@dataclass(frozen=True)
class Look:
    """What one picture is like."""

    file: Path
    size: tuple[int, int]
    digest: str
    """Equal pictures share it."""
    print: Print
    alpha: bool = False
    """Whether parts are transparent."""
    wide: tuple[float, float, bool] | None = None
    """Of a wide picture the least and greatest value, trimmed, and whether they are integers."""


def look(file: Path) -> Look:
    """Open a picture and look at it.

    Raises:
        UserError: it cannot be read, or a value is not a number.
    """
    image, alpha, wide = pictures.open_upright(file), False, None
    if pictures.is_wide(image):
        values = pictures.values_of(image, file)
        low, high = (float(p) for p in np.percentile(values, (TRIMMED, 100 - TRIMMED)))
        wide, content = (low, high, image.mode != "F"), values.tobytes()
        grey = 255 * (values - low) / max(high - low, 1e-9)
        picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    else:
        alpha = pictures.has_alpha(image) and _shows_through(image)
        picture = pictures.to_rgb(image, Packing(), file)
        content = picture.tobytes()
    digest = hashlib.sha256(f"{image.size}".encode() + content).hexdigest()
    return Look(file, image.size, digest, print_of(picture), alpha, wide)


def doubt(image: Image.Image, file: Path, values: list[float] | None) -> str:
    """Why a picture may be of another kind than those whose range is `values`; else nothing.

    Raises:
        UserError: a value is not a number.
    """
    if values is None:
        return ""
    low, high = values
    if not pictures.is_wide(image):
        return f"8 bits, without the range of {low:g} to {high:g} that the model learned"
    least, most = np.percentile(pictures.values_of(image, file), (1, 99))
    if least < low or most > high or most - low < (high - low) * pictures.DARK:
        return f"values outside of {low:g} to {high:g}, or in less than an eighth of it"
    return ""


@dataclass
class Looks:
    """The sizes of the pictures, and those that need a decision."""

    sides: list[int] = field(default_factory=list)
    """The shorter side of each readable picture, pixels."""
    long: int = 0
    """Pictures of which one side is more than twice the other."""
    alpha: int = 0
    """Pictures with transparent parts."""
    files: list[Path] = field(default_factory=list)
    """Readable pictures."""
    wide: list[tuple[float, float, bool]] = field(default_factory=list)
    """`Look.wide` of each wide picture."""

    def take(self, look: Look) -> None:
        """Count a picture."""
        self.files.append(look.file)
        self.sides.append(min(look.size))
        self.long += max(look.size) > ASPECT * min(look.size)
        self.alpha += look.alpha
        self.wide += [look.wide] if look.wide else []

    @property
    def values(self) -> list[float] | None:
        """The range of all wide pictures together: a usual one that holds them, or their own."""
        if not self.wide:
            return None
        low, high = min(w[0] for w in self.wide), max(w[1] for w in self.wide)
        usual = INTEGERS if all(w[2] for w in self.wide) else REAL
        for upper in usual:
            if low >= 0 and high <= upper:
                return [0, upper]
        return [low, high if high > low else low + 1]

    def lines(self, chosen: tuple[float, float] | None = None) -> list[str]:
        """What a person should know, a line each, if `chosen` is the range of wide pictures."""
        if not self.sides:
            return []
        sides = sorted(self.sides)
        median = sides[len(sides) // 2]
        found = [f"shorter sides: {sides[0]} to {sides[-1]} pixels, median {median}"]
        if self.alpha:
            found.append(
                f"transparent: {self.alpha} of {len(sides)} pictures; they are put on white "
                "(packing.background)"
            )
        if self.values is not None:
            low, high = chosen or self.values
            found.append(
                f"more than 8 bits: {len(self.wide)} of {len(sides)} pictures; {low:g} becomes "
                f"black and {high:g} white (packing.values)"
            )
            dark = sum(w[1] - low < (high - low) * pictures.DARK for w in self.wide)
            if dark:
                found.append(
                    f"warning: {dark} of them use less than an eighth of that range: are they of "
                    "another kind?"
                )
            outside = sum(w[0] < low or w[1] > high for w in self.wide)
            if outside:
                found.append(f"warning: {outside} of them have values outside of that range")
            if len(self.wide) < len(sides):
                found.append("warning: the other pictures have 8 bits, with a range of their own")
        if self.long:
            found.append(
                f"warning: {self.long} pictures are more than {ASPECT} times as long as wide, and "
                "only their middle is used; packing.resize: pad or squash uses all"
            )
        return found


def _shows_through(image: Image.Image) -> bool:
    """Whether a pixel is not opaque."""
    return image.convert("RGBA").getextrema()[3][0] < 255


def write_sheet(path: Path, looks: Looks, packing: Packing) -> None:
    """Draw some of the pictures, whole above and as the network will see them below."""
    places = np.linspace(0, len(looks.files) - 1, min(SHEET, len(looks.files))).round().astype(int)
    sheet = Image.new("RGB", (len(places) * (THUMB + 4), 2 * (THUMB + 4)), "#888888")
    for column, place in enumerate(places):
        file = looks.files[place]
        image = pictures.to_rgb(pictures.open_upright(file), packing, file)
        whole = ImageOps.pad(image, (THUMB, THUMB), color="#888888")
        seen = pictures.square(image, packing).resize((THUMB, THUMB), Image.Resampling.NEAREST)
        for row, picture in enumerate((whole, seen)):
            sheet.paste(picture, (column * (THUMB + 4) + 2, row * (THUMB + 4) + 2))
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG")
