"""Images that belong together, as those of one patient, are on one side of each split."""

import numpy as np
import pytest
import yaml

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.config.data import ImageFolder, Packing, Split
from mpssl.data import store
from mpssl.data.excluded import add_excluded
from mpssl.data.folder import list_images, read_folder
from mpssl.data.split import split_pool, write_split
from mpssl.tools import init_project
from mpssl.tools.check import check, summary
from tests.support.pictures import picture, put


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


def patients(folder, count=12, each=4):
    """Each patient has pictures of one class, but every third has both."""
    seed = 0
    for patient in range(count):
        for k in range(each):
            name = ["ill", "well"][(patient + (k % 2 if patient % 3 == 0 else 0)) % 2]
            seed += 1
            path = folder / name / f"p{patient}_{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed).save(path)
    return folder


def patient_of(file):
    return file.name.partition("_")[0]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_has_images_on_two_sides(tmp_path, seed):
    dataset = of(patients(tmp_path / "images"), group_by="p[0-9]+_", seed=seed)
    images = list_images(dataset)
    sides = [{patient_of(f) for f in images.parts[part]} for part in ("training", "test")]
    assert all(sides) and not sides[0] & sides[1]
    assert sorted(images.test) == ["ill", "well"]
    assert "groups: " in summary(check(dataset), Split(validation_fraction=0.3))


@pytest.mark.parametrize("fraction", [50, 100])
@pytest.mark.parametrize("validation", ["random", "stratified"])
def test_groups_are_packed_and_kept_whole_in_d_d_val_and_d_u(tmp_path, fraction, validation):
    more = put(tmp_path / "more", u=range(100, 124))
    for k, path in enumerate(sorted(more.rglob("*.png"))):
        path.rename(path.with_name(f"p{k // 2}_{k}.png"))
    whole = of(patients(tmp_path / "images"), group_by="p[0-9]+", unlabeled=more)
    out = {"exclude": tmp_path / "excluded.csv"}
    report = check(whole)  # unlabeled pictures of patients in the test
    assert len(report.excluded) == len(
        {f for f in report.listed.unlabeled if patient_of(f) in people_in_test(report.images)}
    )
    add_excluded(out["exclude"], whole, report.excluded)
    dataset = of(patients(tmp_path / "images"), group_by="p[0-9]+", unlabeled=more, **out)
    images = list_images(dataset)
    packing = Packing(size=8)
    store.save(tmp_path / "packed", read_folder(dataset, packing), packing.size)
    packed = store.load(tmp_path / "packed")
    files = [f for part in ("training", "test", "unlabeled") for f in images.parts[part]]
    assert len(set(packed.groups)) == len({patient_of(f) for f in files})
    settings = Split(validation_fraction=0.3, validation=validation)
    write_split(tmp_path / "split.json", packed, fraction, settings)
    parts = yaml.safe_load((tmp_path / "split.json").read_text())
    groups = {
        part: set(packed.groups[parts[part]]) for part in ("labeled", "validation", "unlabeled")
    }
    groups["test"] = set(packed.groups[packed.test])
    assert all(groups.values())
    for one, other in (("labeled", "validation"), ("unlabeled", "validation")):
        assert not groups[one] & groups[other]
    assert not groups["test"] & (groups["labeled"] | groups["validation"] | groups["unlabeled"])
    pool = [row for part in ("labeled", "validation", "unlabeled") for row in parts[part]]
    assert len(set(pool)) == len(pool)
    of_pool = set(packed.groups[[row for row in parts["unlabeled"] if row < packed.pool]])
    assert not of_pool & groups["labeled"]


def people_in_test(images):
    return {patient_of(f) for f in images.parts["test"]}


def test_the_column_group_of_a_list(tmp_path):
    folder = patients(tmp_path / "images")
    files = sorted(folder.rglob("*.png"))
    rows = [f"{f.relative_to(tmp_path)},{f.parent.name},{patient_of(f)}" for f in files]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *rows]))
    images = list_images(of(tmp_path / "list.csv"))
    sides = [{patient_of(f) for f in images.parts[part]} for part in ("training", "test")]
    assert all(sides) and not sides[0] & sides[1]
    with pytest.raises(UserError, match="has a column group; remove it"):
        list_images(of(tmp_path / "list.csv", group_by="p"))


def test_given_test_images_take_their_group_out_of_training(tmp_path):
    patients(tmp_path / "images/train")
    for name in ("ill", "well"):
        put(tmp_path / "images/test", **{name: [500 + len(name)]})
    (tmp_path / "images/test/ill/503.png").rename(tmp_path / "images/test/ill/p3_9.png")
    (tmp_path / "images/test/well/504.png").rename(tmp_path / "images/test/well/p99_9.png")
    dataset = of(tmp_path / "images", group_by="p[0-9]+")
    with pytest.raises(UserError, match="4 images have test images in their group, such as .*p3"):
        list_images(dataset)
    assert set(check(dataset).excluded.values()) == {"test images are in its group p3"}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("q[0-9]+", r"group_by: 'q\[0-9\]\+' finds nothing in 48 of 48 paths"),
        ("p1_", "finds nothing in 44 of 48 paths"),
        ("p(", "is no regular expression"),
    ],
)
def test_an_expression_that_is_refused(tmp_path, expression, message):
    images = patients(tmp_path / "images")
    with pytest.raises(UserError, match=message):
        init_project.initialize(tmp_path / "p", images, foundation="small", group_by=expression)


def test_init_writes_the_groups_into_the_configuration(tmp_path):
    images, keys = patients(tmp_path / "images", 20), {"group_by": "/(p[0-9]+)_"}
    text = init_project.initialize(tmp_path / "p", images, foundation="small", **keys)
    assert reading.load(tmp_path / "p/config.yaml").datasets["p"].group_by == "/(p[0-9]+)_"
    assert "for the test; none has images on two sides" in text


def test_a_share_of_whole_groups_is_near_the_fraction():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    labels = groups % 3
    for seed in range(10):
        parts = split_pool(labels, fraction=50, validation_fraction=0.2, seed=seed, groups=groups)
        labeled = np.array(parts["labeled"] + parts["validation"])
        assert 0.4 < len(labeled) / 600 < 0.6
        assert 0.1 < len(parts["validation"]) / len(labeled) < 0.3
        assert set(labels[parts["labeled"]]) == {0, 1, 2}
        assert not set(groups[parts["labeled"]]) & set(groups[parts["validation"]])
        assert not set(groups[labeled]) & set(groups[parts["unlabeled"]])
