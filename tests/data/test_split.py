"""The split into D, D_val and D_u (Sec. 4.1)."""

import json
from itertools import pairwise

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.config.data import Split
from mpssl.data.groups import take_whole
from mpssl.data.split import read_split, split_pool, write_split
from mpssl.data.store import Packed


def labels_of(*counts):
    """`counts[k]` labels of class k, in a mixed order."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(7).permutation(labels)


def split(labels, fraction=50, validation_fraction=0.1, seed=0):
    return split_pool(labels, fraction=fraction, validation_fraction=validation_fraction, seed=seed)


def before_second_step(parts):
    return set(parts["labeled"]) | set(parts["validation"])


@pytest.mark.parametrize("fraction", [10, 37, 50, 100])
def test_parts_are_disjoint_covering_and_sorted(fraction):
    labels = labels_of(31, 47, 22)
    parts = split(labels, fraction)
    assert sorted(row for rows in parts.values() for row in rows) == list(range(100))
    assert all(rows == sorted(rows) for rows in parts.values())


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ((10, 20, 6), 50, [5, 10, 3]),
        ((14, 15, 11), 10, [1, 2, 1]),  # 1.4, 1.5, 1.1: four in all, the half goes up
        ((11, 11, 18), 25, [3, 3, 4]),  # 2.75, 2.75, 4.5: ten in all
        ((3, 5, 2), 100, [3, 5, 2]),
    ],
)
def test_labeled_part_is_stratified(counts, fraction, expected):
    labels = labels_of(*counts)
    parts = split(labels, fraction, validation_fraction=0.3)
    chosen = sorted(before_second_step(parts))
    assert np.bincount(labels[chosen]).tolist() == expected
    rest = np.bincount(labels[parts["unlabeled"]], minlength=3)
    assert rest.tolist() == [n - e for n, e in zip(counts, expected, strict=True)]


def test_nine_to_one_by_hand():
    parts = split(labels_of(40, 60), 50, validation_fraction=0.1)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "labeled": 45,
        "validation": 5,
        "unlabeled": 50,
    }


def test_all_labeled_leaves_nothing_unlabeled():
    assert split(labels_of(10, 10), 100)["unlabeled"] == []


def test_validation_may_be_smaller_than_the_number_of_classes():
    parts = split(labels_of(*[10] * 20), 10)
    assert (len(parts["labeled"]), len(parts["validation"])) == (18, 2)


def test_validation_is_drawn_at_random_not_by_class():
    labels = labels_of(10, 10)
    found = {tuple(sorted(labels[split(labels, 100, seed=s)["validation"]])) for s in range(30)}
    assert found == {(0, 0), (0, 1), (1, 1)}


def test_the_seed_decides():
    labels = labels_of(31, 47, 22)
    assert split(labels, seed=1) == split(labels, seed=1)
    first, second = split(labels, seed=1), split(labels, seed=2)
    assert first["unlabeled"] != second["unlabeled"]
    whole = [split(labels, 100, seed=seed)["validation"] for seed in (1, 2)]
    assert whole[0] != whole[1]


@pytest.mark.parametrize("counts", [(30, 30, 30), (24, 41, 68)])
def test_larger_fractions_contain_smaller_ones(counts):
    labels = labels_of(*counts)
    chosen = [before_second_step(split(labels, fraction)) for fraction in (10, 25, 50, 100)]
    assert all(small < large for small, large in pairwise(chosen))


@pytest.mark.parametrize(
    ("counts", "fraction", "validation_fraction", "text"),
    [
        ((40, 3), 10, 0.1, "10 % of the pool leaves class 1 without a labeled image"),
        ((4, 4), 50, 0.1, "4 labeled images cannot be split"),  # round(0.4) = 0 for D_val
        ((2, 2), 50, 0.9, "2 labeled images cannot be split"),  # round(1.8) = 2, none for D
    ],
)
def test_too_few_images(counts, fraction, validation_fraction, text):
    with pytest.raises(UserError, match=text):
        split(labels_of(*counts), fraction, validation_fraction)


def packed(digest="data", pool=20):
    labels = np.array([0, 1] * 15)
    images = np.zeros((30, 1, 1, 3), np.uint8)
    return Packed(images, labels, ["a", "b"], pool, digest)


def written(path, packed, fraction=50, **settings):
    write_split(path, packed, fraction, Split(**settings))
    return json.loads(path.read_text())


def test_written_split_has_the_pool_only(tmp_path):
    content = written(tmp_path / "deep" / "50.json", packed(), validation_fraction=0.2)
    parts = {name: content[name] for name in ("labeled", "validation", "unlabeled")}
    assert {name: len(rows) for name, rows in parts.items()} == {
        "labeled": 8,
        "validation": 2,
        "unlabeled": 10,
    }
    assert max(row for rows in parts.values() for row in rows) == 19  # test rows begin at 20
    assert content["data"] == "data"
    assert parts == split_pool(packed().labels[:20], fraction=50, validation_fraction=0.2, seed=0)


def test_digest_names_the_data_and_the_rows(tmp_path):
    path = tmp_path / "50.json"
    first = written(path, packed())["digest"]
    assert written(path, packed())["digest"] == first
    assert written(path, packed(), seed=1)["digest"] != first
    assert written(path, packed(), fraction=60)["digest"] != first
    assert written(path, packed(), validation_fraction=0.2)["digest"] != first
    assert written(path, packed("other data"))["digest"] != first


def test_each_seed_has_a_split_of_its_own_if_asked_for(tmp_path):
    def digest(run_seed, **settings):
        path = tmp_path / "50.json"
        write_split(path, packed(), 50, Split(**settings), run_seed)
        return json.loads(path.read_text())["digest"]

    assert digest(1) == digest(2)
    assert digest(1, drawn_for="seed") == digest(1, drawn_for="seed") != digest(2, drawn_for="seed")
    assert digest(1, drawn_for="seed") != digest(1, drawn_for="seed", seed=5)


def test_no_file_where_the_split_fails(tmp_path):
    with pytest.raises(UserError):
        write_split(tmp_path / "1.json", packed(), 1, Split())
    assert list(tmp_path.iterdir()) == []


def test_stratified_validation_leaves_every_class_in_training():
    labels = np.array([0] * 20 + [1] * 8 + [2])
    for seed in range(20):
        parts = split_pool(
            labels, fraction=100, validation_fraction=0.25, seed=seed, stratified=True
        )
        assert set(labels[parts["labeled"]]) == {0, 1, 2}
        counts = np.bincount(labels[parts["validation"]], minlength=3)
        assert counts.tolist() == [5, 2, 0]
        assert sorted(parts["labeled"] + parts["validation"]) == list(range(29))


def test_a_split_is_read_whole_or_refused(tmp_path):
    path = tmp_path / "50.json"
    content = written(path, packed())
    assert read_split(path, packed())["labeled"] == content["labeled"]
    with pytest.raises(UserError, match="is a split of other data"):
        read_split(path, packed("other"))
    path.write_text(
        path.read_text().replace(f'"labeled": [{content["labeled"][0]}', '"labeled": [19')
    )
    with pytest.raises(UserError, match=r"50\.json is missing or damaged"):
        read_split(path, packed())


@pytest.mark.parametrize("seed", range(5))
def test_a_group_with_all_rows_of_a_class_is_left(seed):
    """Though it has exactly as many as are wanted."""
    labels, groups = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 1, 2, 3])
    wanted = np.array([2, 1])

    def taken(leave_one):
        rng = np.random.default_rng(seed)
        return take_whole(labels, groups, wanted, rng.permutation, leave_one=leave_one)

    assert taken(leave_one=False)[:2].all()
    assert not taken(leave_one=True)[:2].any()
    assert taken(leave_one=True).sum() == 1
