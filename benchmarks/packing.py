"""How fast photographs are packed, against the decoder alone.

    python -m benchmarks.packing [--images 400] [--sides 512 384]

The photographs are made: smooth random colours with noise, JPEG of quality 90, as large as those of
Food-101. `decoder` is libjpeg alone, as Pillow calls it; `pack` is all of it, from files to the
array on the disk with its digest. Processor time is that of all threads, and says more than images
a second on a machine that does other things.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, features

from mpssl.config.data import Packing
from mpssl.data.pictures import read_image, read_images
from mpssl.data.store import Reading, save

SIDES = (512, 384)


def make(folder: Path, count: int, sides: tuple[int, int] = SIDES) -> list[Path]:
    """Write photographs and return their files."""
    drawn, files = np.random.default_rng(0), []
    for number in range(count):
        coarse = Image.fromarray(drawn.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(sides, Image.Resampling.BICUBIC), dtype=np.int16)
        pixels = smooth + drawn.integers(-12, 13, smooth.shape)
        files.append(folder / f"{number}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(files[-1], quality=90)
    return files


def decode(file: Path) -> None:
    """Decode a photograph, and no more."""
    with Image.open(file) as image:
        image.load()


def decode_scaled(file: Path) -> None:
    """Decode it at the smallest scale of its DCT that is no smaller than 256 pixels."""
    with Image.open(file) as image:
        image.draft("RGB", (256, 256))
        image.load()


def decode_and_resize(file: Path) -> None:
    """Decode it and make a square of it: Pillow's own work."""
    with Image.open(file) as image:
        ImageOps.fit(image, (256, 256), Image.Resampling.BILINEAR)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--sides", type=int, nargs=2, default=SIDES)
    options = parser.parse_args()
    count, sides = options.images, tuple(options.sides)
    packing, cores = Packing(size=256, resize="crop"), os.cpu_count() or 1
    print(f"libjpeg-turbo: {features.check_feature('libjpeg_turbo')}; {cores} cores")
    with tempfile.TemporaryDirectory() as name:
        files = make(Path(name), count, sides)

        def rate(what: str, work) -> None:
            started, used = time.perf_counter(), time.process_time()
            work()
            used, passed = time.process_time() - used, time.perf_counter() - started
            print(
                f"{what}: {1000 * used / count:.2f} ms of processor time an image, "
                f"{count / passed:,.0f} images/s",
                flush=True,
            )

        def in_threads(function):
            with ThreadPoolExecutor(cores) as pool:
                list(pool.map(function, files))

        def pack():
            reading = Reading(
                read_images(files, packing), np.zeros(count, np.int64), ["a"], pool=count
            )
            save(Path(name) / "packed", reading, packing.size)

        rate("decoder, one thread", lambda: list(map(decode, files)))
        rate("decoder, a thread a core", lambda: in_threads(decode))
        rate("decoder with DCT scaling, a thread a core", lambda: in_threads(decode_scaled))
        rate("decoder and resize, one thread", lambda: [decode_and_resize(f) for f in files])
        rate("read, one thread", lambda: [read_image(f, packing) for f in files])
        rate("pack", pack)


if __name__ == "__main__":
    main()
