"""The paper's data sets in their official layouts: one function a data set, which lists its files.

The official train (and val) split is the pool, the official test split the test split.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mpssl.config import ImageNet, Packing, PaperData
from mpssl.data.folder import SUFFIXES, read_images
from mpssl.data.store import Reading
from mpssl.errors import UserError

Labeled = list[tuple[Path, int]]
SHOWN = 3  # names of missing images


@dataclass(frozen=True)
class Listing:
    """Image files and classes of both splits."""

    classes: list[str]
    pool: Labeled
    test: Labeled


def read_official(dataset: PaperData | ImageNet, packing: Packing, root: Path) -> Reading:
    """Read a data set from the folder `root` with its official files.

    Raises:
        UserError: the folder, a list or an image is missing or damaged, or the copy is partial.
    """
    listing = list_files(dataset, root)
    if wrong := wrong_sizes(dataset, listing):
        raise UserError(
            f"{dataset.title}: {'; '.join(wrong)}: files are missing from {root}, and a part of a "
            "data set is not trained on (docs/data.md lists what belongs there)"
        )
    images = listing.pool + listing.test
    return Reading(
        images=read_images([path for path, _ in images], packing),
        labels=np.array([label for _, label in images]),
        classes=listing.classes,
        pool=len(listing.pool),
    )


def list_files(dataset: PaperData | ImageNet, root: Path) -> Listing:
    """What the official lists in the folder `root` name; no image is opened.

    Raises:
        UserError: the folder or a list is missing or damaged.
    """
    try:
        listing = LISTINGS[dataset.adapter](root)
    except FileNotFoundError as error:
        raise UserError(
            f"{dataset.title}: {error.filename} does not exist; put the official files in "
            f"{root}, or name their folder as its `path:` (docs/data.md lists them)"
        ) from None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(f"{dataset.title}: a list in {root} is damaged ({error})") from None
    if isinstance(dataset, ImageNet) and dataset.images_per_class is not None:
        pool = _first_of_each(listing.pool, dataset.images_per_class)
        return Listing(listing.classes, pool, listing.test)
    return listing


def expected_sizes(dataset: PaperData | ImageNet) -> dict[str, int | None]:
    """Images of pool and test split, and classes, of the whole data set; None where not known."""
    if isinstance(dataset, PaperData):
        return {"pool": dataset.pool, "test": dataset.test, "classes": dataset.classes}
    known = dataset.classes is not None and dataset.images_per_class is not None
    pool = dataset.classes * dataset.images_per_class if known else None
    return {"pool": pool, "test": 0, "classes": dataset.classes}


def found_sizes(listing: Listing) -> dict[str, int]:
    """The same of a listing."""
    return {part: len(getattr(listing, part)) for part in ("pool", "test", "classes")}


def wrong_sizes(dataset: PaperData | ImageNet, listing: Listing) -> list[str]:
    """The sizes that are not those of the whole data set, found and expected."""
    found = found_sizes(listing)
    return [
        f"{part}: {found[part]} found, {count} expected"
        for part, count in expected_sizes(dataset).items()
        if count is not None and found[part] != count
    ]


def check(dataset: PaperData | ImageNet, root: Path) -> str:
    """Verify a folder without opening an image.

    Returns:
        Sizes found and expected, in words.

    Raises:
        UserError: something is missing.
    """
    listing = list_files(dataset, root)
    expected, found = expected_sizes(dataset), found_sizes(listing)
    files = [path for path, _ in listing.pool + listing.test]
    missing = [path for path in files if not path.is_file()]
    problems = wrong_sizes(dataset, listing)
    if missing:
        names = ", ".join(str(path.relative_to(root)) for path in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        problems.append(f"{len(missing)} of {len(files)} images are missing: {names}{more}")
    if problems:
        raise UserError(f"{dataset.title} in {root}: {'; '.join(problems)}")
    sizes = ", ".join(
        f"{part} {count} ({'as expected' if expected[part] is not None else 'expected: unknown'})"
        for part, count in found.items()
    )
    return f"{dataset.title} in {root}: {sizes}; all {len(files)} images are there"


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _aircraft(root: Path) -> Listing:
    """FGVC-Aircraft 2013b, variants: `<id> <variant>`, the variant may hold blanks."""
    data = root / "data"
    classes = _lines(data / "variants.txt")
    number = {name: i for i, name in enumerate(classes)}

    def part(name: str) -> Labeled:
        pairs = (line.split(" ", 1) for line in _lines(data / f"images_variant_{name}.txt"))
        return [(data / "images" / f"{id_}.jpg", number[variant]) for id_, variant in pairs]

    return Listing(classes, part("trainval"), part("test"))


def _cub(root: Path) -> Listing:
    """CUB-200-2011: lists keyed by image id; class ids count from 1."""

    def column(name: str) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in _lines(root / name))

    files, labels = column("images.txt"), column("image_class_labels.txt")
    training = column("train_test_split.txt")
    parts: dict[str, Labeled] = {"1": [], "0": []}
    for id_, file in files.items():
        parts[training[id_]].append((root / "images" / file, int(labels[id_]) - 1))
    return Listing(list(column("classes.txt").values()), parts["1"], parts["0"])


def _cars(root: Path) -> Listing:
    """Stanford Cars; classes count from 1. Two layouts number the images differently: the older
    car_ims/ with cars_annos.mat, and cars_train/, cars_test/ with the devkit.
    """
    if (root / "cars_annos.mat").exists():
        content = loadmat(root / "cars_annos.mat", squeeze_me=True)
        rows = np.atleast_1d(content["annotations"])
        parts: dict[int, Labeled] = {0: [], 1: []}
        for row in rows:
            parts[int(row["test"])].append(
                (root / str(row["relative_im_path"]), int(row["class"]) - 1)
            )
        return Listing([str(name) for name in content["class_names"]], parts[0], parts[1])

    def part(folder: str, annotations: str) -> Labeled:
        rows = loadmat(_existing(root / annotations), squeeze_me=True)["annotations"]
        return [(root / folder / str(r["fname"]), int(r["class"]) - 1) for r in np.atleast_1d(rows)]

    names = loadmat(_existing(root / "devkit/cars_meta.mat"), squeeze_me=True)["class_names"]
    return Listing(
        [str(name) for name in names],
        part("cars_train", "devkit/cars_train_annos.mat"),
        part("cars_test", "cars_test_annos_withlabels.mat"),
    )


def _dtd(root: Path) -> Listing:
    """DTD r1.0.1, partition 1: `<class>/<file>`."""
    parts = {name: _lines(root / "labels" / f"{name}1.txt") for name in ("train", "val", "test")}
    classes = sorted({line.split("/")[0] for lines in parts.values() for line in lines})
    number = {name: i for i, name in enumerate(classes)}

    def part(lines: list[str]) -> Labeled:
        return [(root / "images" / line, number[line.split("/")[0]]) for line in lines]

    return Listing(classes, part(parts["train"] + parts["val"]), part(parts["test"]))


def _flowers(root: Path) -> Listing:
    """Oxford Flowers-102: image numbers and classes count from 1."""
    labels = loadmat(_existing(root / "imagelabels.mat"), squeeze_me=True)["labels"]
    splits = loadmat(_existing(root / "setid.mat"), squeeze_me=True)

    def part(*names: str) -> Labeled:
        numbers = np.concatenate([np.atleast_1d(splits[name]) for name in names])
        return [(root / f"jpg/image_{n:05d}.jpg", int(labels[n - 1]) - 1) for n in numbers]

    classes = [str(k) for k in range(1, int(labels.max()) + 1)]
    return Listing(classes, part("trnid", "valid"), part("tstid"))


def _pets(root: Path) -> Listing:
    """Oxford-IIIT Pet, breeds: `<image> <class> <species> <breed>`; classes count from 1."""
    names: dict[int, str] = {}

    def part(name: str) -> Labeled:
        rows = []
        for line in _lines(root / "annotations" / f"{name}.txt"):
            image, label, *_ = line.split()
            names[int(label) - 1] = image.rsplit("_", 1)[0]
            rows.append((root / "images" / f"{image}.jpg", int(label) - 1))
        return rows

    pool, test = part("trainval"), part("test")
    return Listing([names[i] for i in range(len(names))], pool, test)


def _food101(root: Path) -> Listing:
    """Food-101: `<class>/<id>` without a suffix."""
    parts = {name: _lines(root / "meta" / f"{name}.txt") for name in ("train", "test")}
    classes = sorted({line.split("/")[0] for line in parts["train"]})
    number = {name: i for i, name in enumerate(classes)}

    def part(lines: list[str]) -> Labeled:
        return [(root / "images" / f"{line}.jpg", number[line.split("/")[0]]) for line in lines]

    return Listing(classes, part(parts["train"]), part(parts["test"]))


def _chaoyang(root: Path) -> Listing:
    """Chaoyang: train.json and test.json, lists of {"name": ..., "label": 0 to 3}."""

    def part(name: str) -> Labeled:
        rows = json.loads((root / f"{name}.json").read_text())
        return [(root / row["name"], int(row["label"])) for row in rows]

    classes = ["normal", "serrated", "adenocarcinoma", "adenoma"]
    return Listing(classes, part("train"), part("test"))


def _imagenet(root: Path) -> Listing:
    """ImageNet-1k training folders `train/<synset>/*.JPEG`; no test split."""
    folders = sorted(f for f in _existing(root / "train").iterdir() if f.is_dir())
    pool = [
        (file, label)
        for label, folder in enumerate(folders)
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    return Listing([folder.name for folder in folders], pool, [])


def _first_of_each(pool: Labeled, count: int) -> Labeled:
    """The first `count` images of each class."""
    seen: Counter[int] = Counter()
    kept = []
    for file, label in pool:
        seen[label] += 1
        if seen[label] <= count:
            kept.append((file, label))
    return kept


def _existing(path: Path) -> Path:
    """`path`, or the error that names it: scipy's own message does not."""
    path.stat()
    return path


LISTINGS: dict[str, Callable[[Path], Listing]] = {
    "aircraft": _aircraft,
    "cub": _cub,
    "cars": _cars,
    "dtd": _dtd,
    "flowers": _flowers,
    "pets": _pets,
    "food101": _food101,
    "chaoyang": _chaoyang,
    "imagenet": _imagenet,
}
