"""Tiny data sets in the exact official layouts of the paper's, with the real number of classes.

Lists are in mixed order, so that nothing can rely on theirs.
"""

import functools
import json
from collections.abc import Callable

import numpy as np

from mpssl.config.data import ImageNet, Packing, PaperData
from mpssl.data import adapters
from tests.support.official_files import (
    A_CLASS,
    IN_TEST,
    Official,
    cells,
    encoded,
    jpeg,
    lines,
    mat,
    mixed,
    structs,
)
from tests.support.official_names import BREEDS, CATS, DOGS, MODELS, ODD_PETS, TEXTURES, VARIANTS


def aircraft() -> Official:
    """FGVC-Aircraft 2013b: seven-digit ids, variants with blanks and slashes."""
    rows = {"train": [], "val": [], "test": []}
    files = {}
    parts = ["train"] * 5 + ["val"] * 5 + ["test"]
    for position, (label, part) in enumerate(
        mixed((label, part) for label in range(len(VARIANTS)) for part in parts)
    ):
        id_ = f"{34309 + 37 * position:07d}"
        rows[part].append(f"{id_} {VARIANTS[label]}")
        files[f"data/images/{id_}.jpg"] = jpeg(label, part == "test")
    rows["trainval"] = sorted(rows["train"] + rows["val"])
    lists = {f"data/images_variant_{part}.txt": lines(entries) for part, entries in rows.items()}
    lists |= {f"data/images_{p}.txt": lines(r.split()[0] for r in e) for p, e in rows.items()}
    lists["data/variants.txt"] = lines(VARIANTS)
    lists["data/families.txt"] = lines(["Boeing 707", "F/A-18"])
    lists["README.md"] = b"non-commercial research purposes only\n"
    top = "fgvc-aircraft-2013b"
    return Official(
        "aircraft",
        VARIANTS,
        {f"{top}/{name}": content for name, content in (lists | files).items()},
        {f"{top}.tar.gz": (top,)},
        root=top,
    )


def cub() -> Official:
    """CUB-200-2011: lists keyed by image id; attributes.txt beside the folder."""
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    classes += [f"{k:03d}.Some_Bird" for k in range(3, 201)]
    images, labels, training, files = [], [], [], {}
    for label, name in enumerate(classes):
        test = label % (A_CLASS + 1)  # which of the class's images is the test split's
        for i in range(A_CLASS + 1):
            id_ = len(images) + 1
            file = f"{name}/{name[4:]}_{i + 1:04d}_{id_}.jpg"
            images.append(f"{id_} {file}")
            labels.append(f"{id_} {label + 1}")
            training.append(f"{id_} {int(i != test)}")
            files[f"images/{file}"] = jpeg(label, i == test)
    lists = {
        "README": lines(["Caltech-UCSD Birds-200-2011"]),
        "classes.txt": lines(f"{k} {name}" for k, name in enumerate(classes, 1)),
        "images.txt": lines(images),
        "image_class_labels.txt": lines(labels),
        "train_test_split.txt": lines(training),
        "bounding_boxes.txt": lines(f"{k + 1} 1.0 1.0 6.0 6.0" for k in range(len(images))),
    }
    inside = {f"CUB_200_2011/{name}": content for name, content in (lists | files).items()}
    return Official(
        "cub",
        classes,
        {"attributes.txt": lines(["1 has_bill_shape::curved_(up_or_down)"])} | inside,
        {"CUB_200_2011.tgz": ("attributes.txt", "CUB_200_2011/")},
        root="CUB_200_2011",
    )


BOXES = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"]


def _car_rows() -> list[tuple[int, bool]]:
    parts = [False] * A_CLASS + [True]
    return mixed((label, test) for label in range(len(MODELS)) for test in parts)


def cars() -> Official:
    """Stanford Cars, the older layout: car_ims/ and cars_annos.mat."""
    rows, files = [], {}
    for position, (label, test) in enumerate(_car_rows(), 1):
        name = f"car_ims/{position:06d}.jpg"
        rows.append((name, 1, 1, 7, 7, label + 1, int(test)))
        files[name] = jpeg(label, test)
    annotations = structs(["relative_im_path", *BOXES, "class", "test"], rows)
    files["cars_annos.mat"] = mat(annotations=annotations, class_names=cells(MODELS))
    archives = {"car_ims.tgz": ("car_ims/",), "cars_annos.mat": ("cars_annos.mat",)}
    return Official("cars", MODELS, files, archives)


def cars_split() -> Official:
    """Stanford Cars, the newer layout: cars_train/, cars_test/ and the devkit."""
    rows = {False: [], True: []}
    files = {}
    for label, test in _car_rows():
        name = f"{len(rows[test]) + 1:05d}.jpg"
        rows[test].append((1, 1, 7, 7, label + 1, name))
        files[f"cars_{'test' if test else 'train'}/{name}"] = jpeg(label, test)
    fields = [*BOXES, "class", "fname"]
    files |= {
        "devkit/README.txt": b"class: integer id of the class\n",
        "devkit/cars_meta.mat": mat(class_names=cells(MODELS)),
        "devkit/cars_train_annos.mat": mat(annotations=structs(fields, rows[False])),
        "devkit/cars_test_annos.mat": mat(
            annotations=structs([*BOXES, "fname"], [(*r[:4], r[5]) for r in rows[True]])
        ),
        "cars_test_annos_withlabels.mat": mat(annotations=structs(fields, rows[True])),
    }
    archives = {
        "cars_train.tgz": ("cars_train/",),
        "cars_test.tgz": ("cars_test/",),
        "car_devkit.tgz": ("devkit/",),
        "cars_test_annos_withlabels.mat": ("cars_test_annos_withlabels.mat",),
    }
    return Official("cars", MODELS, files, archives)


def dtd() -> Official:
    """DTD r1.0.1: ten partitions, of which the second differs from the first."""
    files = {}
    parts = {f"{part}{n}": [] for n in (1, 2) for part in ("train", "val", "test")}
    order = ["train"] * 5 + ["val"] * 5 + ["test"]
    for label, name in enumerate(TEXTURES):
        for i, part in enumerate(order):
            file = f"{name}/{name}_{2 + 3 * i:04d}.jpg"
            files[f"dtd/images/{file}"] = jpeg(label, part == "test")
            parts[f"{part}1"].append(file)
            parts[f"{order[i - 1]}2"].append(file)
    files |= {f"dtd/labels/{part}.txt": lines(mixed(rows)) for part, rows in parts.items()}
    files["dtd/imdb/imdb.mat"] = mat(imdb=np.zeros((1, 1)))
    return Official("dtd", TEXTURES, files, {"dtd-r1.0.1.tar.gz": ("dtd/",)}, root="dtd")


def flowers() -> Official:
    """Oxford Flowers-102: image numbers and classes count from 1."""
    parts = ["trnid"] * 5 + ["valid"] * 5 + ["tstid"]
    rows = mixed((label, part) for label in range(102) for part in parts)
    numbers = {
        part: np.array([mixed(n for n, row in enumerate(rows, 1) if row[1] == part)], np.uint16)
        for part in set(parts)
    }
    files = {
        f"jpg/image_{n:05d}.jpg": jpeg(label, part == "tstid")
        for n, (label, part) in enumerate(rows, 1)
    }
    files["imagelabels.mat"] = mat(labels=np.array([[label + 1 for label, _ in rows]], np.uint8))
    files["setid.mat"] = mat(**numbers)
    archives = {"102flowers.tgz": ("jpg/",)}
    archives |= {name: (name,) for name in ("imagelabels.mat", "setid.mat")}
    return Official("flowers", [str(k) for k in range(1, 103)], files, archives)


def pets() -> Official:
    """Oxford-IIIT Pet, with the stray and odd files of the original."""
    species = {name: 1 if name in CATS else 2 for name in BREEDS}
    within = {name: 1 + sorted(group, key=str.lower).index(name) for group in (CATS, DOGS)
              for name in group}  # fmt: skip
    rows = {"trainval": [], "test": []}
    files = {}
    for label, name in enumerate(BREEDS):
        odd = [int(file.rsplit("_", 1)[1]) for file in ODD_PETS if file.rsplit("_", 1)[0] == name]
        numbers = [100, *odd, *(n for n in range(1, 13) if n not in odd)][: A_CLASS + 1]
        for number in numbers:
            test = number == numbers[-1]
            image = f"{name}_{number}"
            row = f"{image} {label + 1} {species[name]} {within[name]}"
            rows["test" if test else "trainval"].append(row)
            form = ODD_PETS.get(image, ("JPEG", "RGB"))
            files[f"images/{image}.jpg"] = encoded(label + IN_TEST * test, *form)
    header = ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids"]
    files |= {
        "images/Abyssinian_100.mat": mat(x=np.zeros((1, 1))),
        "images/Abyssinian_101.mat": mat(x=np.zeros((1, 1))),
        "annotations/README": lines(["OXFORD-IIIT PET Dataset"]),
        "annotations/list.txt": lines([*header, *rows["trainval"], *rows["test"]]),
        "annotations/trainval.txt": lines(mixed(rows["trainval"])),
        "annotations/test.txt": lines(mixed(rows["test"])),
        "annotations/trimaps/Abyssinian_100.png": encoded(1, "PNG"),
        "annotations/trimaps/._Abyssinian_100.png": b"\0\5\x16\7",
    }
    archives = {"images.tar.gz": ("images/",), "annotations.tar.gz": ("annotations/",)}
    return Official("pets", BREEDS, files, archives)


def food101() -> Official:
    """Food-101: lists as txt and as json, without suffixes."""
    classes = ["apple_pie", "baby_back_ribs", "churros"] + [f"food_{k:03d}" for k in range(98)]
    rows = {"train": [], "test": []}
    files = {}
    for label, name in enumerate(classes):
        for i in range(A_CLASS + 1):
            image, part = f"{name}/{1004234 + 7 * i + label}", "train" if i < A_CLASS else "test"
            rows[part].append(image)
            files[f"food-101/images/{image}.jpg"] = jpeg(label, part == "test")
    for part, entries in rows.items():
        by_class = {name: [e for e in entries if e.split("/")[0] == name] for name in classes}
        files[f"food-101/meta/{part}.txt"] = lines(mixed(entries))
        files[f"food-101/meta/{part}.json"] = json.dumps(by_class).encode()
    files["food-101/meta/classes.txt"] = lines(classes)
    files["food-101/meta/labels.txt"] = lines(n.replace("_", " ").title() for n in classes)
    files["food-101/license_agreement.txt"] = b"images of Foodspotting\n"
    archives = {"food-101.tar.gz": ("food-101/",)}
    return Official("food101", classes, files, archives, root="food-101")


def chaoyang() -> Official:
    """Chaoyang: JSON lists of names and labels; suffixes in capitals."""
    pool, test = 2 * A_CLASS, 2  # fewer would leave no validation image at 10 %
    files = {}
    for part, count in (("train", pool), ("test", test)):
        rows = []
        for label, i in mixed((label, i) for label in range(4) for i in range(count)):
            name = f"{part}/353042_{label}-IMG{i:03d}x014-{label}.JPG"
            rows.append({"name": name, "label": label})
            files[name] = jpeg(label, part == "test")
        files[f"{part}.json"] = json.dumps(rows).encode()
    classes = ["normal", "serrated", "adenocarcinoma", "adenoma"]
    return Official("chaoyang", classes, files, pool=pool, test=test)


def imagenet(classes: int = 1000) -> Official:
    """ImageNet-1k, the training folders, as unpacked from the inner archives."""
    names = [f"n{1440764 + 13 * k:08d}" for k in range(classes)]
    files = {
        f"train/{name}/{name}_{100 * i + 26}.JPEG": jpeg(label)
        for label, name in mixed(enumerate(names))
        for i in range(A_CLASS)
    }
    return Official("imagenet", names, files, test=0)


DATASETS: dict[str, Callable[[], Official]] = {
    "aircraft": aircraft,
    "cub": cub,
    "cars": cars,
    "cars_split": cars_split,
    "dtd": dtd,
    "flowers": flowers,
    "pets": pets,
    "food101": food101,
    "chaoyang": chaoyang,
    "imagenet": imagenet,
}
CLASSES = {"aircraft": 100, "cub": 200, "cars": 196, "cars_split": 196, "dtd": 47, "flowers": 102,
           "pets": 37, "food101": 101, "chaoyang": 4, "imagenet": 1000}  # fmt: skip
DOWNLOADABLE = {  # the name in mpssl/shipped/datasets.yaml, and the function above
    "aircraft": "aircraft",
    "birds": "cub",
    "cars": "cars",
    "dtd": "dtd",
    "flowers": "flowers",
    "pets": "pets",
    "food101": "food101",
}


# -------------------------------------------------------------------------------------- reading

PACKING = Packing(size=8)
made = functools.cache(lambda name: DATASETS[name]())


def settings(name, **changes):
    """As mpssl/shipped/datasets.yaml has them, with the sizes of the fixture."""
    data, classes = made(name), CLASSES[name]
    if data.adapter == "imagenet":
        return ImageNet(**{"adapter": data.adapter, "classes": classes} | changes)
    sizes = {"classes": classes, "pool": classes * data.pool, "test": classes * data.test}
    return PaperData(**{"adapter": data.adapter, "title": f"The {name} data"} | sizes | changes)


def read(name, root, **changes):
    """Read the copy of a data set in `root`."""
    return adapters.read_dataset(settings(name, **changes), PACKING, root)
