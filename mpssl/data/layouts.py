"""The official layouts of the paper's data sets: each has a function that lists files and labels.

The official train (and val) split is the pool, the official test split is the test split.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mpssl.data.pictures import SUFFIXES

LabeledFiles = list[tuple[Path, int]]  # in the order of the official lists


@dataclass(frozen=True)
class Listing:
    """Image files and classes of both splits."""

    classes: list[str]
    pool: LabeledFiles
    test: LabeledFiles


class OfficialFolder:
    """A data set's folder. It remembers which list was read last, so that errors can name it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.last = root

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def lines(self, name: str) -> list[str]:
        """Return the lines of a text file that are not blank."""
        self.last = self / name
        return [line for line in self.last.read_text(encoding="utf-8").splitlines() if line.strip()]

    def json(self, name: str) -> list[dict]:
        """Return the list of objects in a JSON file."""
        self.last = self / name
        return json.loads(self.last.read_text())

    def mat(self, name: str) -> dict:
        """Return the variables in a MATLAB file."""
        self.last = self / name
        self.last.stat()  # scipy's own error does not name the file
        return loadmat(self.last, squeeze_me=True)


def _aircraft(folder: OfficialFolder) -> Listing:
    """FGVC-Aircraft 2013b, variants: `<id> <variant>`; a variant's name may contain spaces."""
    classes = folder.lines("data/variants.txt")
    number = {name: i for i, name in enumerate(classes)}

    def part(name: str) -> LabeledFiles:
        pairs = (line.split(" ", 1) for line in folder.lines(f"data/images_variant_{name}.txt"))
        return [(folder / f"data/images/{id_}.jpg", number[variant]) for id_, variant in pairs]

    return Listing(classes, part("trainval"), part("test"))


def _cub(folder: OfficialFolder) -> Listing:
    """CUB-200-2011: lists keyed by image id; class ids count from 1."""

    def column(name: str) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in folder.lines(name))

    files, labels = column("images.txt"), column("image_class_labels.txt")
    training = column("train_test_split.txt")
    parts: dict[str, LabeledFiles] = {"1": [], "0": []}
    for id_, file in files.items():
        parts[training[id_]].append((folder / f"images/{file}", int(labels[id_]) - 1))
    return Listing(list(column("classes.txt").values()), parts["1"], parts["0"])


def _cars(folder: OfficialFolder) -> Listing:
    """Stanford Cars; classes count from 1.

    Two layouts number the images differently: the older one has car_ims/ with cars_annos.mat, the
    other has cars_train/ and cars_test/ with the devkit.
    """
    if (folder / "cars_annos.mat").exists():
        content = folder.mat("cars_annos.mat")
        rows = np.atleast_1d(content["annotations"])
        parts: dict[int, LabeledFiles] = {0: [], 1: []}
        for row in rows:
            parts[int(row["test"])].append(
                (folder / str(row["relative_im_path"]), int(row["class"]) - 1)
            )
        return Listing([str(name) for name in content["class_names"]], parts[0], parts[1])

    def part(images: str, annotations: str) -> LabeledFiles:
        rows = np.atleast_1d(folder.mat(annotations)["annotations"])
        return [(folder / f"{images}/{row['fname']}", int(row["class"]) - 1) for row in rows]

    names = folder.mat("devkit/cars_meta.mat")["class_names"]
    return Listing(
        [str(name) for name in names],
        part("cars_train", "devkit/cars_train_annos.mat"),
        part("cars_test", "cars_test_annos_withlabels.mat"),
    )


def _dtd(folder: OfficialFolder) -> Listing:
    """DTD r1.0.1, partition 1: `<class>/<file>`."""
    parts = {name: folder.lines(f"labels/{name}1.txt") for name in ("train", "val", "test")}
    classes = sorted({line.split("/")[0] for lines in parts.values() for line in lines})
    number = {name: i for i, name in enumerate(classes)}

    def part(lines: list[str]) -> LabeledFiles:
        return [(folder / f"images/{line}", number[line.split("/")[0]]) for line in lines]

    return Listing(classes, part(parts["train"] + parts["val"]), part(parts["test"]))


def _flowers(folder: OfficialFolder) -> Listing:
    """Oxford Flowers-102: image numbers and classes count from 1."""
    labels = folder.mat("imagelabels.mat")["labels"]
    splits = folder.mat("setid.mat")

    def part(*names: str) -> LabeledFiles:
        numbers = np.concatenate([np.atleast_1d(splits[name]) for name in names])
        rows = [int(number) for number in numbers]
        if min(rows) < 1:
            raise ValueError("image numbers count from 1")
        return [(folder / f"jpg/image_{n:05d}.jpg", int(labels[n - 1]) - 1) for n in rows]

    classes = [str(k) for k in range(1, int(labels.max()) + 1)]
    return Listing(classes, part("trnid", "valid"), part("tstid"))


def _pets(folder: OfficialFolder) -> Listing:
    """Oxford-IIIT Pet, breeds: `<image> <class> <species> <breed>`; classes count from 1."""
    names: dict[int, str] = {}

    def part(name: str) -> LabeledFiles:
        rows = []
        for line in folder.lines(f"annotations/{name}.txt"):
            image, label, *_ = line.split()
            names[int(label) - 1] = image.rsplit("_", 1)[0]
            rows.append((folder / f"images/{image}.jpg", int(label) - 1))
        return rows

    pool, test = part("trainval"), part("test")
    return Listing([names[i] for i in range(len(names))], pool, test)


def _food101(folder: OfficialFolder) -> Listing:
    """Food-101: `<class>/<id>` without a suffix."""
    parts = {name: folder.lines(f"meta/{name}.txt") for name in ("train", "test")}
    classes = sorted({line.split("/")[0] for line in parts["train"]})
    number = {name: i for i, name in enumerate(classes)}

    def part(lines: list[str]) -> LabeledFiles:
        return [(folder / f"images/{line}.jpg", number[line.split("/")[0]]) for line in lines]

    return Listing(classes, part(parts["train"]), part(parts["test"]))


def _chaoyang(folder: OfficialFolder) -> Listing:
    """Chaoyang: train.json and test.json, lists of {"name": ..., "label": 0 to 3}."""

    def part(name: str) -> LabeledFiles:
        rows = folder.json(f"{name}.json")
        return [(folder / row["name"], int(row["label"])) for row in rows]

    classes = ["normal", "serrated", "adenocarcinoma", "adenoma"]
    return Listing(classes, part("train"), part("test"))


def _imagenet(folder: OfficialFolder) -> Listing:
    """ImageNet-1k training folders `train/<synset>/*.JPEG`; no test split."""
    synsets = sorted(f for f in (folder / "train").iterdir() if f.is_dir())
    pool = [
        (file, label)
        for label, synset in enumerate(synsets)
        for file in sorted(synset.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    return Listing([synset.name for synset in synsets], pool, [])


LISTINGS: dict[str, Callable[[OfficialFolder], Listing]] = {
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
