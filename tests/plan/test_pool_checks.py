"""What generated images lack for the user's own data is said before any are made."""

import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment
from mpssl.plan.pool_checks import check

COLUMN = Column("mnist", 100, "resnet8")
USES = "uses_of_images"


def texts(*classes, images_per_class=20):
    prompts = {"classes": {name: name for name in classes}}
    model = {"kind": "diffusers", "model": "some/model", "revision": "0123456", "prompts": prompts}
    make = {"generator": model, "images_per_class": images_per_class}
    return {"kind": "images", "path": "generated", "make": make}


@pytest.fixture
def experiment(tmp_path):
    """A function: an experiment on ten images of each of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for k in range(10):
            Image.new("RGB", (8, 8), (k, k, k)).save(tmp_path / "own" / name / f"{k}.png")

    def of(generator, **foundation):
        content = reading.load("config/mini.yaml").model_dump(mode="json")
        content["datasets"]["mnist"] = {
            "adapter": "folder",
            "title": "own",
            "path": str(tmp_path / "own"),
        }
        content["roles"] |= {"datasets": {"main": ["mnist"]}, "fractions": {"default": [100]}}
        content |= {"wanted": [USES], "tables": {USES: content["tables"][USES]}}
        content |= {"figures": {}, "claims": {}, "split": {"validation_fraction": 0.2}}
        content["foundation"] |= {"generator": generator, "class_map": {}} | foundation
        return Experiment(reading.resolve(content))

    return of


POOL = "the pool generated has 4 images, a step takes"
MISSING = "no generated images for the class dog; did you mean 'dogs'?; add its folder or prompt"
UNMAPPED = "class_map names no foundation classes for the class dog; did you mean 'dogs'?; add"


@pytest.mark.parametrize(
    ("generator", "class_map", "message"),
    [
        (texts("cat", "dog"), {}, None),
        (texts("cat", "dogs"), {}, MISSING),
        (texts("cat", "dog", "tree"), {}, "the generated class tree is none of the data"),
        (texts("cat", "dog", images_per_class=2), {}, POOL),
        ({"kind": "shipped"}, {"cat": ["1"], "dog": ["2", "3-4"]}, None),
        ({"kind": "shipped"}, {"cat": ["1"], "dogs": ["2"]}, UNMAPPED),
    ],
)
def test_images_that_do_not_fit_the_data_are_refused_before_they_are_made(
    experiment, generator, class_map, message
):
    made = experiment(generator, class_map=class_map)
    if message is None:
        report(made, [])
        return
    with pytest.raises(UserError) as caught:
        report(made, [])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_without_classes_ask_for_none(experiment):
    plan = experiment(texts("cat", "dogs")).plan
    check(plan, [cell_of("generative/scr", COLUMN)])
    with pytest.raises(UserError, match=r"the class dog;"):
        check(plan, [cell_of("generative/scr/mapped", COLUMN)])
