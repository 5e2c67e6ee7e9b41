"""The embedded foundation domain: printed signs, much broader than handwritten digits.

About a third of the classes are letters, whose strokes resemble digits to some degree; the rest are
other scripts, arrows, mathematical signs, shapes, lines and textures, far from digits. So which
foundation samples help on digits is a question worth asking, as it is for ImageNet and a
fine-grained target. No class is a digit. The fonts are those that matplotlib ships, so nothing is
downloaded.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from mpssl.config.data import Glyphs
from mpssl.config.glyph_classes import GLYPH_CLASSES, GLYPH_NAMES, GLYPHS
from mpssl.data.store import Reading
from mpssl.data.warp import affine_matrices, resize, thicken, to_uint8_rgb, warp

# Size variants and stand-ins that hold only a few signs, and the mathematical sets of computer
# modern.
EXCLUDED_FONTS = (
    "STIXSiz",
    "STIXNonUni",
    "LastResort",
    "DejaVuSansD",
    "DejaVuSerifD",
    "cmex",
    "cmmi",
    "cmsy",
)
SUPERSAMPLING = 2
GLYPH_EXTENT = 0.66  # longer side of a glyph's box / side of the image, as in MNIST (20 of 28)
CONTROL_POINTS = 4


def find_fonts() -> list[Path]:
    """Return the usable font files of the installed matplotlib, in the order of their names."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(path for path in folder.glob("*.ttf") if not path.name.startswith(EXCLUDED_FONTS))


def has_glyph(font: Path, charmap: dict[int, int], character: str) -> bool:
    """Tell whether a font draws a character; computer modern is trusted with plain letters only,
    as its character map sends other codes to other signs ({ to a dash, $ to a pound)."""
    is_plain_letter = character.isascii() and character.isalpha()
    return ord(character) in charmap and (is_plain_letter or not font.name.startswith("cm"))


def draw_glyph(font: Path, character: str, size: int) -> np.ndarray:
    """Draw one character, white on black, centred, its longer side `GLYPH_EXTENT` of the image.

    Returns:
        [size,size] float32 in [0,1].
    """
    trial = ImageFont.truetype(str(font), size)
    left, top, right, bottom = trial.getbbox(character)
    points = size * GLYPH_EXTENT * size / max(right - left, bottom - top)
    image = Image.new("L", (size, size))
    ImageDraw.Draw(image).text(
        (size / 2, size / 2),
        character,
        fill=255,
        font=ImageFont.truetype(str(font), points),
        anchor="mm",
    )
    grey = np.asarray(image, dtype=np.float32) / 255.0
    return centre(grey)


def centre(grey: np.ndarray) -> np.ndarray:
    """Shift an image [H,W] by whole pixels so that its ink's bounding box is central."""
    rows, columns = np.nonzero(grey.max(1))[0], np.nonzero(grey.max(0))[0]
    if len(rows) == 0:
        raise ValueError("a font drew an empty glyph")
    shift = [
        (size - 1 - ink[0] - ink[-1]) // 2
        for size, ink in zip(grey.shape, (rows, columns), strict=True)
    ]
    return np.roll(grey, shift, axis=(0, 1))


def jittered_axes(
    size: int, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates u, v, each [count,size,size], about -0.5 to 0.5 across the image.

    They are turned, shifted and scaled about as little as glyphs are, because a small generator
    that is trained for minutes learns neither free phases and directions nor noise.
    """
    angle = generator.normal(0, np.deg2rad(6), (count, 1, 1))
    scale = np.exp(generator.normal(0, 0.12, (count, 1, 1)))
    offset = generator.normal(0, 0.02, (2, count, 1, 1))
    y, x = np.meshgrid(*[np.linspace(-0.5, 0.5, size)] * 2, indexing="ij")
    return (
        scale * (x * np.cos(angle) + y * np.sin(angle)) + offset[0],
        scale * (y * np.cos(angle) - x * np.sin(angle)) + offset[1],
    )


def soft_step(values: np.ndarray) -> np.ndarray:
    """Turn a wave around 0 into black and white with soft edges, in [0,1]."""
    return np.clip(0.5 + 2.0 * values, 0, 1)


# The brightness of a texture at the coordinates u, v; named as in `mpssl.config.glyph_classes`.
TEXTURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "stripes": lambda u, v: soft_step(np.sin(8 * np.pi * (u + v))),
    "checks": lambda u, v: soft_step(1.5 * np.sin(4 * np.pi * u) * np.sin(4 * np.pi * v)),
    "dots": lambda u, v: soft_step(np.cos(8 * np.pi * u) + np.cos(8 * np.pi * v) - 0.8),
    "waves": lambda u, v: soft_step(np.sin(8 * np.pi * (v + 0.08 * np.sin(4 * np.pi * u)))),
    "rings": lambda u, v: soft_step(np.cos(10 * np.pi * np.hypot(u, v))),
    "rays": lambda u, v: soft_step(2 * np.sin(8 * np.arctan2(v, u))),
    "gradient": lambda u, v: np.clip(0.5 + u, 0, 1),
}


def render_glyphs(settings: Glyphs, image_size: int) -> Reading:
    """Render the foundation data set; the same arguments give the same images.

    Args:
        settings: images of each class, the seed and the distortion, in the units of
            `mpssl.data.warp`. Textures have their own randomness and are not distorted.
        image_size: side of the images, pixels.

    Returns:
        The images in the order of their classes, all of them in the pool.

    Raises:
        ValueError: no font draws a character of the table.
    """
    generator = np.random.default_rng(settings.seed)
    charmaps = {font: FT2Font(str(font)).get_charmap() for font in find_fonts()}
    size = image_size * SUPERSAMPLING
    images = []
    for words in GLYPHS.values():
        for word in words.split():
            distorted = distort(draw_word(charmaps, word, size), settings, generator)
            glyphs = resize(distorted, image_size)
            glyphs /= glyphs.max(axis=(1, 2), keepdims=True)  # hairlines would be grey
            images.append(to_uint8_rgb(glyphs))
    for texture in TEXTURES.values():
        u, v = jittered_axes(size, settings.images_per_class, generator)
        images.append(to_uint8_rgb(resize(texture(u, v), image_size)))
    labels = np.repeat(np.arange(GLYPH_CLASSES, dtype=np.int64), settings.images_per_class)
    return Reading(np.concatenate(images), labels, list(GLYPH_NAMES), pool=len(labels))


def draw_word(charmaps: dict[Path, dict[int, int]], word: str, size: int) -> np.ndarray:
    """Draw each character of a word in each font that has it: [N,size,size] float32 in [0,1].

    Raises:
        ValueError: no font has any of the characters.
    """
    drawn = [
        draw_glyph(font, character, size)
        for font, charmap in charmaps.items()
        for character in word
        if has_glyph(font, charmap, character)
    ]
    if not drawn:
        raise ValueError(f"no font of this matplotlib draws {word!r}")
    return np.stack(drawn)


def distort(drawn: np.ndarray, settings: Glyphs, generator: np.random.Generator) -> np.ndarray:
    """Choose `images_per_class` of the glyphs [N,H,W], with repetition, and distort each."""
    count = settings.images_per_class
    chosen = thicken(
        drawn[generator.integers(len(drawn), size=count)],
        generator.uniform(-settings.stroke, settings.stroke, count),
    )
    matrices = affine_matrices(
        rotation_degrees=generator.normal(0, settings.rotation_degrees, count),
        log_scale=generator.normal(0, settings.log_scale, count),
        shear=generator.normal(0, settings.shear, count),
        translation=generator.normal(0, settings.translation, (count, 2)),
    )
    control_points = (count, 2, CONTROL_POINTS, CONTROL_POINTS)
    return warp(chosen, matrices, generator.normal(0, settings.elastic, control_points))
