"""Which files of a person's folder are read, as which class, and what is said of the rest."""

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Split
from mpssl.data.folder import list_images
from mpssl.data.parts import (
    layout,
    left_aside,
    list_unlabeled,
    loose_pictures,
    nested,
    other_files,
)
from mpssl.tools.check import check, summary
from mpssl.tools.predict import find_images

PIXELS = np.random.default_rng(0)


def fill(folder, *names):
    """Files of these names; pictures hold noise, so that none are equal."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg", ".gif"):
            Image.fromarray(PIXELS.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
        else:
            path.write_text("nothing")
    return folder


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


def counts(dataset) -> dict[str, tuple[int, int]]:
    """Training and test files by class."""
    train, test = list_images(dataset)[:2]
    return {name: (len(train.get(name, [])), len(test.get(name, []))) for name in train | test}


def pictures(*folders, count=5):
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


LABELS = [f"images/{name}/{i}.png,{name}\n" for name in ("cat", "dog") for i in range(5)]
HELD_OUT = {"cat": (4, 1), "dog": (4, 1)}
GIVEN = {"cat": (5, 5), "dog": (5, 5)}
BOTH = {"cat": (10, 5), "dog": (10, 5)}
LAYOUTS = {
    "class folders": (pictures("cat", "dog"), HELD_OUT),
    "nested": (pictures("cat/monday", "dog", count=5), HELD_OUT),
    "one folder too high": (pictures("data/cat", "data/dog"), HELD_OUT),
    "three folders too high": (pictures("a/b/c/cat", "a/b/c/dog"), HELD_OUT),
    "parts too high": (pictures("d/train/cat", "d/train/dog", "d/test/cat", "d/test/dog"), GIVEN),
    "only train too high": (pictures("a/train/cat", "a/train/dog"), HELD_OUT),
    "train and test": (pictures("train/cat", "train/dog", "test/cat", "test/dog"), GIVEN),
    "Train and Test": (pictures("Train/cat", "Train/dog", "Test/cat", "Test/dog"), GIVEN),
    "training and testing": (
        pictures("training/cat", "training/dog", "testing/cat", "testing/dog"),
        GIVEN,
    ),
    "train, valid, test": (
        pictures(*(f"{part}/{name}" for part in ("train", "valid", "test") for name in HELD_OUT)),
        BOTH,
    ),
    "train and val": (pictures("train/cat", "train/dog", "val/cat", "val/dog"), GIVEN),
    "only train": (pictures("train/cat", "train/dog"), HELD_OUT),
    "a class called train": (pictures("train", "bus"), {"train": (4, 1), "bus": (4, 1)}),
    "unlabeled beside parts": (
        pictures("train/cat", "train/dog", "val/cat", "test/cat", "test/dog", "unlabeled"),
        {"cat": (10, 5), "dog": (5, 5)},
    ),
    "unlabeled beside train": (pictures("train/cat", "train/dog", "Un-Labelled"), HELD_OUT),
    "unlabeled beside the only folder": (pictures("a/cat", "a/dog", "UNLABELED/b"), HELD_OUT),
    "unlabeled beside classes": (pictures("cat", "dog", "un_labeled"), HELD_OUT),
    "unlabeled beside classes of a part": (
        pictures("train/cat", "train/dog", "train/unlabeled", "test/cat", "test/dog"),
        GIVEN,
    ),
    "left behind by systems": (
        [
            *pictures("cat", "dog", ".ipynb_checkpoints", "__MACOSX", "@eaDir", "lost+found"),
            *("cat/._0.png", "cat/.hidden.png", "cat/Thumbs.db", ".DS_Store"),
        ],
        HELD_OUT,
    ),
}


@pytest.mark.parametrize(("names", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_is_understood(tmp_path, names, expected):
    assert counts(of(fill(tmp_path / "images", *names))) == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("class folders", ""),
        ("three folders too high", "classes: those in {folder}/a/b/c"),
        ("Train and Test", "training: Train; test: Test"),
        ("train, valid, test", "training: train and valid; test: test"),
        ("train and val", "training: train; test: val"),
        ("only train", "training: train; test: held out of train"),
        ("a class called train", ""),
    ],
)
def test_how_a_layout_was_understood_is_said(tmp_path, name, said):
    assert layout(of(fill(tmp_path / "images", *LAYOUTS[name][0]))) == said.format(
        folder=tmp_path / "images"
    )


def test_a_given_d_val_is_said(tmp_path):
    folder = fill(tmp_path / "images", *LAYOUTS["train, valid, test"][0])
    said = layout(of(folder, validation="given"))
    assert said == "training: train; validation: valid; test: test"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.png", "1.png"], r"holds pictures, but no folder for each class"),
        (
            pictures("test/cat", "test/dog", "rest/cat"),
            r"images has test, rest, but no labeled train/CLASS/IMAGE.jpg; .*: --images FOLDER "
            r"--test .*/test$",
        ),
        (
            pictures("train/cat", "train/dog", "rest/cat"),
            r"images has rest beside train; .*: --images .*/train \(and --test .*/rest if that is",
        ),
        (
            pictures("train/cat", "val/cat", "test/cat", "rest/cat", "more/cat", "unlabeled"),
            r"images has more, rest beside test, train, val; move .*, or name what to use: "
            r"--images .*/train --test .*/test$",
        ),
        (
            [*pictures("train/cat", "train/dog"), "test/0.png"],
            r"images/test holds pictures, but no .*: --images .*/train --unlabeled .*/test",
        ),
        (["cat/0.txt"], "has no images"),
        (pictures("unlabeled"), "has no images in folders of classes; expected .*/CLASS/IMAGE.jpg"),
    ],
)
def test_what_is_not_understood_is_one_line(tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        list_images(of(fill(tmp_path / "images", *names)))


@pytest.mark.parametrize("key", ["path", "test", "unlabeled"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zip", r"a\.zip is an archive; unpack it and name the folder"),
        ("a.tar.gz", r"a\.tar\.gz is an archive"),
        ("0.png", r"0\.png is one picture; name the folder of all, "),
        ("a.xlsx", r"a\.xlsx is no folder of images and no list"),
        ("nothing", r"the image folder .*nothing does not exist"),
    ],
)
def test_what_is_there_is_never_said_to_be_missing(tmp_path, key, name, message):
    fill(tmp_path, *pictures("images/cat", "images/dog"), *([] if name == "nothing" else [name]))
    with pytest.raises(UserError, match=message):
        list_images(of(**{"path": tmp_path / "images", key: tmp_path / name}))


def test_unlabeled_images_may_be_in_a_list(tmp_path):
    fill(tmp_path, *pictures("images/cat", "images/dog", "more"))
    (tmp_path / "list.csv").write_text("path\nmore/1.png\nmore/2.png\n")
    images = list_images(of(tmp_path / "images", unlabeled=tmp_path / "list.csv"))
    assert [file.name for file in images.unlabeled] == ["1.png", "2.png"]


@pytest.mark.parametrize(
    ("names", "unlabeled", "expected"),
    [
        (pictures("cat", "dog", "unlabeled"), "unlabeled", HELD_OUT),
        (pictures("cat", "dog", "more/a", "more/b"), "more", HELD_OUT),
        (pictures("cat", "dog", "more/a"), "more/a", HELD_OUT),
        (pictures("cat", "dog", "cat/later"), "cat/later", HELD_OUT),
        (pictures("train/cat", "train/dog", "more"), "more", HELD_OUT),
        (pictures("train/cat", "train/dog", "train/more"), "train/more", HELD_OUT),
        (pictures("train/cat", "train/dog", "test"), "test", HELD_OUT),
    ],
)
def test_unlabeled_images_inside_of_the_folder_have_no_class(tmp_path, names, unlabeled, expected):
    folder = fill(tmp_path / "images", *names)
    (tmp_path / "link").symlink_to(folder / unlabeled)
    for place in (folder / unlabeled, tmp_path / "link"):
        dataset = of(folder, unlabeled=place)
        assert counts(dataset) == expected
        assert sorted(f.resolve() for f in list_images(dataset).unlabeled) == sorted(
            (folder / unlabeled).rglob("*.png")
        )
        assert "left aside" not in summary(check(dataset), Split())


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("unlabeled beside parts", "unlabeled"),
        ("unlabeled beside train", "Un-Labelled"),
        ("unlabeled beside the only folder", "UNLABELED"),
        ("unlabeled beside classes", "un_labeled"),
        ("unlabeled beside classes of a part", "train/unlabeled"),
    ],
)
def test_a_folder_called_unlabeled_that_is_not_used_is_said(tmp_path, name, folder):
    images = fill(tmp_path / "images", *LAYOUTS[name][0])
    place = images / folder
    said = f"\nleft aside: {place}, 5 images; --unlabeled {place} makes them unlabeled ones\n"
    assert said in f"{summary(check(of(images)), Split())}\n"
    fill(tmp_path, "more/0.png")
    assert said in f"{summary(check(of(images, unlabeled=tmp_path / 'more')), Split())}\n"
    (tmp_path / "list.csv").write_text(f"path\n{next(place.rglob('*.png'))}\n")
    for used in (images, tmp_path / "list.csv"):
        assert left_aside(of(images, unlabeled=used)) == []


def test_a_list_may_have_a_class_called_unlabeled(tmp_path):
    assert counts(listed(tmp_path, lines().replace(",dog", ",unlabeled")))["unlabeled"] == (4, 1)


@pytest.mark.parametrize("unlabeled", ["images", "images/cat/../dog", "list.csv"])
def test_unlabeled_images_that_are_all_labeled_are_refused(tmp_path, unlabeled):
    fill(tmp_path, *pictures("images/cat", "images/dog"))
    (tmp_path / "list.csv").write_text("path\nimages/cat/0.png\n")
    path = tmp_path / "images" if "dog" not in unlabeled else tmp_path / "labels.csv"
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(LABELS))
    with pytest.raises(UserError, match="no image of .* is left as unlabeled, .*; name others"):
        list_images(of(path, unlabeled=tmp_path / unlabeled))


def test_pictures_beside_the_folders_of_classes_are_found(tmp_path):
    parts = pictures("train/cat", "train/dog", "test/cat", "test/dog")
    folder = fill(tmp_path, *parts, "train/lost.png", "test/lost.gif", "test/a.txt")
    assert loose_pictures(of(folder)) == [folder / "test/lost.gif", folder / "train/lost.png"]
    assert loose_pictures(of(fill(tmp_path / "more", *pictures("a", "b")))) == []


def test_a_folder_that_links_lead_to_twice_is_read_once(tmp_path):
    folder = fill(tmp_path / "images", *pictures("cat", "dog"))
    (folder / "cat/again").symlink_to(folder / "cat")
    fill(tmp_path / "elsewhere", *pictures("more"))
    (folder / "dog/more").symlink_to(tmp_path / "elsewhere/more")
    assert counts(of(folder)) == {"cat": (4, 1), "dog": (8, 2)}


def test_folders_inside_of_classes_are_said(tmp_path):
    names = [
        *pictures("train/cat/monday", "train/cat/tuesday", "train/dog"),
        *pictures("test/cat/w", "test/dog"),
    ]
    dataset = of(fill(tmp_path / "images", *names))
    inner = nested(dataset, [f for part in list_images(dataset)[:2] for c in part for f in part[c]])
    inside = ["test/cat/w", "train/cat/monday", "train/cat/tuesday"]
    assert inner == [tmp_path / "images" / name for name in inside]
    text = summary(check(dataset), Split())
    assert f"nested: 3 folders inside of classes, such as {inner[0]}, read as their class" in text
    (tmp_path / "list.csv").write_text("path,label\nimages/test/cat/w/0.png,monday\n")
    plain = of(tmp_path / "images/train/cat", test=tmp_path / "list.csv")
    assert "nested" not in summary(check(plain), Split())


def test_files_of_other_kinds_are_counted(tmp_path):
    folder = fill(tmp_path / "images", *pictures("cat", "dog"), "cat/a.txt", "dog/b.TXT", "dog/raw")
    assert other_files(of(folder)) == {".txt": 2, "": 1}
    assert other_files(of(folder, test=folder / "dog")) == {".txt": 2, "": 1}


def test_the_same_files_are_read_everywhere(tmp_path):
    names = ["a.png", "deep/b.gif", ".hidden/c.png", "__MACOSX/d.png", "e.txt"]
    folder = fill(tmp_path / "images", *names)
    expected = [folder / "a.png", folder / "deep/b.gif"]
    assert list_unlabeled(folder, folder) == expected
    assert find_images([folder]) == expected


# ------------------------------------------------------------------------------------------- lists


def listed(tmp_path, text, name="list.csv"):
    fill(tmp_path, *pictures("cat", "dog"))
    (tmp_path / name).write_text(text)
    return of(tmp_path / name)


def lines(separator=",", split="", slash="/"):
    head = ["path", "label", *(["split"] if split else [])]
    rows = [head]
    for name in ("cat", "dog"):
        for i in range(5):
            parts = split.split() if split else []
            rows.append([f"{name}{slash}{i}.png", name, *parts[i : i + 1]])
    return "\n".join(separator.join(row) for row in rows) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_of_a_list_is_found(tmp_path, separator):
    assert counts(listed(tmp_path, lines(separator))) == HELD_OUT


def test_a_list_may_have_another_suffix(tmp_path):
    assert counts(listed(tmp_path, lines("\t"), "list.tsv")) == HELD_OUT


def test_backslashes_of_windows_are_read(tmp_path):
    assert counts(listed(tmp_path, lines(slash="\\"))) == HELD_OUT


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train train train test test", (3, 2)),
        ("train train train val val", (3, 2)),
        ("train train train val test", (4, 1)),
    ],
)
def test_the_column_split_is_used(tmp_path, split, expected):
    assert set(counts(listed(tmp_path, lines(split=split))).values()) == {expected}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train train test", "\nno split: 4 rows, read as train\n"),
        ("train train train train test", ""),
        ("", ""),
    ],
)
def test_rows_without_a_split_are_counted(tmp_path, split, said):
    text = summary(check(listed(tmp_path, lines(split=split))), Split())
    assert said in text if said else "no split" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,cat\n", "no column 'path' in its first line; its columns are file, l"),
        ("path,cat,dog\na.png,1,0\nb.png,0,1\n", "cat, dog say by 0 and 1 which classes hold"),
        ("path,label,split\ncat/0.png,cat,later\n", "line 2: the split is 'later'"),
        ("path,label,site\nx/a.png,cat,1\n", "the columns are path, label, site"),
        ("path,label\nhttps://x/a.png,cat\n", r"none of the 1 files .*: 1 are web addresses"),
        (
            "path,label\nx/a.png,cat\nx/b.png,dog\n",
            "exists: 2 are not there; the first is 'x/a.png",
        ),
        ("path,label\n" + "".join(f"cat/{i},cat\n" for i in range(5)), r"5 are .* \(add \.png\)"),
        ("path,label\nx/cat/0.png,cat\n", "1 are there without 'x/' in front"),
        ("path,label\n{here}/cat/0.png,cat\n", r"1 are there below (.*) \(--root \1\);"),
        ("path,label\nC:\\cat\\0.png,cat\n", "1 are paths of Windows"),
        (
            "path,label\nx/a.png,cat\nftp://x/a.png,cat\nx/b.png,dog\n",
            "2 are not there, 1 are web addresses",
        ),
        ("path,label\n", "has no lines below the first"),
        (
            "path,label\ncat/0.png,cat\ncat/1.png,cat|dog\ndog/0.png,dog\n",
            "'cat|dog' is cat and dog",
        ),
    ],
)
def test_a_list_that_is_refused_says_why(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        list_images(listed(tmp_path, text.replace("{here}", tmp_path.name)))


def test_a_list_of_another_encoding_says_what_to_do(tmp_path):
    dataset = listed(tmp_path, "")
    (tmp_path / "list.csv").write_bytes("path,label\ncat/0.png,Bär\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"list\.csv: it is not UTF-8; save it as UTF-8"):
        list_images(dataset)


@pytest.mark.parametrize("label", ["cat, small", "hot dog", "cat|lion"])
def test_a_label_of_several_words_is_one(tmp_path, label):
    text = lines().replace(",dog", f',"{label}"').replace("path,label", "path, label")
    assert counts(listed(tmp_path, text)) == {"cat": (4, 1), label: (4, 1)}


def test_a_file_that_is_listed_for_training_and_the_test_is_for_the_test(tmp_path):
    text = (
        lines(split="train train train test test")
        + "cat/0.png,cat,test\n./dog/x/../0.png,dog,test\n"
    )
    assert counts(listed(tmp_path, text)) == {"cat": (2, 3), "dog": (2, 3)}


def test_a_file_that_is_listed_twice_with_one_label_is_one_file(tmp_path):
    text = lines()
    again = "".join(text.splitlines(keepends=True)[1:4]) + "./dog/x/../0.png,dog\n"
    assert counts(listed(tmp_path, text + again)) == HELD_OUT


def test_labeled_files_are_not_among_the_unlabeled_ones(tmp_path):
    folder = fill(tmp_path, *pictures("images/cat", "images/dog"), "more/0.png")
    unlabeled = list_images(of(folder / "images", unlabeled=folder)).unlabeled
    assert unlabeled == [folder / "more/0.png"]


def test_a_test_class_that_training_lacks_is_named_with_the_nearest(tmp_path):
    folder = fill(tmp_path, *pictures("train/cat", "train/dog", "test/cat", "test/dogs"))
    with pytest.raises(UserError, match="the test class 'dogs'; did you mean 'dog'"):
        list_images(of(folder))
