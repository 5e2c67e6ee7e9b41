"""What a pool cannot serve is said by the plan, with the keys to change."""

import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment
from mpssl.plan.job_memory import COPIES, PROGRAM_MB, training_mb

COLUMN = Column("mnist", 24, "resnet8")
MINI = "config/mini.yaml"
MAKE = {"generator": {"kind": "shipped"}, "images_per_class": 2}


def experiment(tmp_path, files=(), make=None, **foundation):
    for name in files:
        (tmp_path / "pool" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pool" / name)
    content = reading.load(MINI).model_dump(mode="json")
    generator = {"kind": "images", "path": str(tmp_path / "pool"), "make": make}
    content["foundation"] |= {"generator": generator} | foundation
    return Experiment(reading.resolve(content))


FLAT, FOLDERS = ("1.png", "2.png"), ("a/1.png", "b/1.png")


@pytest.mark.parametrize(
    ("files", "make", "row", "reason"),
    [
        (FOLDERS, None, "generative/mpssl", "has no gradient|have no gradient"),
        (FLAT, None, "generative/mpssl", "foundation.generator (kind: shipped, trained,"),
        ((), MAKE, "generative/mpssl", "the source lmo learns through the generator"),
        (FLAT, None, "generative/pssl", "has no folders of classes"),
        (FLAT, None, "generative/supervised", "has no folders of classes"),
        (FLAT, None, "generative/scr/related", "take a row of the source uniform"),
        (FLAT, None, "generative/scr", None),
        (FLAT, None, "oracle/scr", None),
        (FOLDERS, None, "generative/supervised", None),  # of the same names
        (FOLDERS, None, "generative/pssl", None),
        ((), MAKE, "generative/supervised", "foundation.class_map is empty"),
        ((), MAKE, "generative/pssl", None),
    ],
)
def test_what_a_pool_cannot_serve(tmp_path, files, make, row, reason):
    plan = experiment(tmp_path, files, make, class_map={}).plan
    found = plan.impossible(cell_of(row, COLUMN))
    if reason is None:
        assert found is None
    else:
        assert any(part in found for part in reason.split("|"))
        assert "\n" not in found


def test_a_class_map_serves_a_pool_that_is_made(tmp_path):
    plan = experiment(tmp_path, make=MAKE).plan
    assert plan.impossible(cell_of("generative/supervised", COLUMN)) is None


def test_a_pool_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="pool does not exist; foundation.generator.path"):
        experiment(tmp_path).plan.cells("controls")


def test_tables_leave_out_what_needs_gradients(tmp_path):
    made = experiment(tmp_path, [f"{name}/{k}.png" for name in "ab" for k in range(15)])
    assert "generative/mpssl" not in {
        c.id.split("/", 2)[2][:16] for c in made.plan.cells("controls")
    }
    text = report(made, ["controls"])
    assert "left out, 1 cells: the source lmo learns through the generator" in text


def test_a_pool_takes_disk_and_memory(tmp_path):
    many = [f"a/{k}.png" for k in range(400)]
    made = experiment(tmp_path, many)
    cell = cell_of("generative/scr", COLUMN)
    mb = 400 * 32 * 32 * 3 // 2**20
    assert training_mb(made, cell, {"mnist": 10}.get) == PROGRAM_MB + COPIES * (10 + mb)
    assert mb == 1
    assert "packed pool" in report(experiment(tmp_path, make=MAKE), ["uses_of_images"])


def test_the_maker_is_the_generator_that_makes_the_images(tmp_path):
    made = experiment(tmp_path, make=MAKE)
    assert made.maker.config.foundation.generator.kind == "shipped"
    assert made.maker.paths.generator_files() != made.paths.generator_files()
    assert experiment(tmp_path, FLAT).maker is None
    plain = Experiment.load(MINI)
    assert plain.maker is plain
