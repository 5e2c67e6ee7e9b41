"""Which files of a person's folder are read, as which class, and what is said of the rest."""

import pytest

from mpssl.common.errors import UserError
from mpssl.config.data import Split
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
from tests.support.image_folders import counts, fill, of, pictures

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
