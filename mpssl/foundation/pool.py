"""Make a pool of images with a generator, pack one, and compare it with test images."""

import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from mpssl.common.errors import UserError
from mpssl.common.files import as_json, atomic, make_folder, read_json, write_json
from mpssl.data import pool, store
from mpssl.foundation.image_makers import ImageMaker, image_maker
from mpssl.machine.cpu import prepare_cpu
from mpssl.machine.devices import claimed_device
from mpssl.plan import input_digests
from mpssl.plan.experiment import Experiment
from mpssl.plan.pool_checks import refuse_too_few

BEGUN = ".generator.json"  # the same as pool.MADE, before the images
SHEET_ROWS, SHEET_COLUMNS = 20, 10


def make_pool(
    experiment: Experiment, images_per_class: int, folder: Path, seed: int, threads: int
) -> None:
    """Write images of every class of a generator as FOLDER/CLASS/NUMBER.png, and a sheet of some.

    `generator.json`, which says what they were made with, is written last. Images that are there
    are kept, if they were made with the same; the first images of a class do not depend on their
    number.

    Args:
        experiment: whose generator makes them; of a pool the one that makes it.
        images_per_class: images of each class.
        folder: where they go.
        seed: of the latents, 0 or more.
        threads: of the CPU.

    Raises:
        UserError: the generator is a folder of images, or the folder holds what others made.
    """
    config = experiment.config
    if experiment.maker is None:
        raise UserError(
            "the generator is a folder of images; name the one that makes them in "
            "foundation.generator.make"
        )
    prepare_cpu(threads)
    maker = experiment.maker
    with claimed_device(config.device, config.runs_per_gpu) as device:
        made = image_maker(experiment, device)
        names, pool_settings = made.names, config.foundation.generator
        varied = pool_settings.kind == "images" and pool_settings.make.variations
        said = as_json(
            {
                "generator": maker.config.foundation.generator.model_dump(mode="json"),
                "files": input_digests.generator_digest(maker),
                "truncation": config.foundation.truncation,
                "image_size": config.training.image_size,
                "seed": seed,
                "classes": names,
                "variations": varied.model_dump(mode="json") if varied else None,
                "device": device.type,
                "torch": version("torch"),
            }
        )
        _begin(folder, said, images_per_class)
        total = len(names) * images_per_class
        with tqdm(total=total, unit="image", disable=None) as bar:
            for name in names:
                (folder / name).mkdir(exist_ok=True)
                for start in range(0, images_per_class, made.batch):
                    numbers = list(range(start, min(start + made.batch, images_per_class)))
                    _make_batch(made, folder / name, numbers, seed)
                    bar.update(len(numbers))
    _write_sheet(folder, names)
    write_json(folder / pool.MADE, said | {"images_per_class": images_per_class})
    print(f"{total} images of {len(names)} classes in {folder}; {folder / pool.SHEET} shows some")


def _begin(folder: Path, said: dict, images_per_class: int) -> None:
    """Refuse a folder whose images others made; note what those are made with that come.

    Raises:
        UserError: it cannot be made, or holds other images.
    """
    make_folder(folder)
    for path in (folder / pool.MADE, folder / BEGUN):
        if path.exists():
            before = read_json(path)
            count = before.pop("images_per_class")
            changed = [key for key in said if before.get(key) != said[key]]
            if count > images_per_class:
                changed.append("images_per_class")
            if changed:
                raise UserError(
                    f"the images in {folder} were made with another {changed[0]}, as {path} says; "
                    "remove the folder or take another"
                )
            break
    else:
        if there := [path for path in folder.iterdir() if not path.name.startswith(".")]:
            raise UserError(f"{folder} holds {there[0].name}, which is of no pool; take another")
    write_json(folder / BEGUN, said | {"images_per_class": images_per_class})
    (folder / pool.MADE).unlink(missing_ok=True)


def _make_batch(made: ImageMaker, folder: Path, numbers: list[int], seed: int) -> None:
    """Make consecutive images of a class, unless all of them are there."""
    files = [folder / f"{number:06d}.png" for number in numbers]
    if all(file.exists() for file in files):
        return
    images = made.make(folder.name, numbers, seed)
    for file, pixels in zip(files, _as_uint8(images), strict=True):
        temporary = file.with_name(f".{file.name}")
        Image.fromarray(pixels).save(temporary, format="PNG")
        os.replace(temporary, file)


def _as_uint8(images: Tensor) -> np.ndarray:
    return (images.clamp(0, 1) * 255).round().byte().movedim(1, -1).cpu().numpy()


def _write_sheet(folder: Path, names: list[str]) -> None:
    """Draw the first images of some classes, a row a class."""
    chosen = np.linspace(0, len(names) - 1, min(SHEET_ROWS, len(names))).round().astype(int)
    rows = []
    for name in (names[k] for k in chosen):
        files = sorted((folder / name).glob("*.png"))[:SHEET_COLUMNS]
        rows.append(np.concatenate([np.asarray(Image.open(file)) for file in files], axis=1))
    with atomic(folder / pool.SHEET) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def pack_pool(experiment: Experiment) -> None:
    """Turn the images of a pool into one array, once for all runs.

    Raises:
        UserError: the generator is no pool, or images are missing or damaged.
    """
    config = experiment.config
    settings = _settings(experiment)
    size = config.training.image_size
    reading = pool.read_pool(settings, config.packing, size)
    store.save(experiment.paths.generator(), reading, size)


def check_pool(experiment: Experiment, dataset: str) -> str:
    """Compare a packed pool with a data set: its test images, its classes, its size.

    Returns:
        What was found, as one line.

    Raises:
        UserError: images of the pool are test images, a class is missing, or a step needs more.
    """
    plan, paths = experiment.plan, experiment.paths
    settings = _settings(experiment)
    packed, data = store.load(paths.generator()), store.load(paths.packed(dataset))
    cells = [cell for cell in plan.all_cells() if cell.dataset == dataset]
    for cell in cells:
        if "generator" in plan.needs(cell):
            refuse_too_few(plan, cell, len(packed.images))
        if plan.method(cell).source == "mapped" and not experiment.config.foundation.class_map:
            pool.classes_by_name(packed.classes, data.classes, pool.class_numbers(packed.classes))
    if found := pool.leaks(packed, data):
        files, _, _ = pool.kept_files(settings)
        raise UserError(
            f"{len(found)} images of the pool {settings.path} are test images of {dataset}, the "
            f"first {files[found[0][0]]}; remove them, or list them in foundation.generator.exclude"
        )
    line = (
        f"none of {len(packed.images)} images of the pool is one of {len(data.test)} test images "
        f"of {dataset}"
    )
    write_json(
        paths.pool_check(dataset), {"found": line, "pool": packed.digest, "data": data.digest}
    )
    return line


def _settings(experiment: Experiment):
    settings = experiment.config.foundation.generator
    if settings.kind != "images":
        raise UserError(f"the generator is of kind {settings.kind}, which has no images to pack")
    return settings
