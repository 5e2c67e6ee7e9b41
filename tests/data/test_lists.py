"""Lists of labeled files: separators, paths, splits, and what a refused one is told."""

import pytest

from mpssl.common.errors import UserError
from mpssl.config.data import Split
from mpssl.data.folder import list_images
from mpssl.tools.check import check, summary
from tests.support.image_folders import counts, fill, of, pictures

HELD_OUT = {"cat": (4, 1), "dog": (4, 1)}


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


def test_a_list_may_have_a_class_called_unlabeled(tmp_path):
    assert counts(listed(tmp_path, lines().replace(",dog", ",unlabeled")))["unlabeled"] == (4, 1)
