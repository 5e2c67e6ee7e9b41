"""A user's own images as a data set."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mpssl.config.dataset_settings import DatasetSettings
from mpssl.config.fields import AS_IN_YAML_1_2, Expression, Place


class ImageFolder(DatasetSettings):
    """Your own images: a folder of class folders, or a CSV of path and label."""

    adapter: Literal["folder"] = Field(description="Kind of the data set.")
    title: str = Field(description="Name of the data set in tables and figures.")
    path: Place = Field(
        description="Place of the images: a folder with `CLASS/IMAGE` in it, a folder with "
        "`train/CLASS/IMAGE` and `test/CLASS/IMAGE`, or a CSV with the columns `path` and `label`.",
        examples=["images/birds", "images/birds.csv"],
    )
    test: Place | None = Field(
        None, description="Place of the test images, laid out as `path` is without `train/`."
    )
    test_fraction: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.2,
        description="Part of each class that is held out as test images if neither `test` nor a "
        "folder `test/` says which they are.",
    )
    validation: Literal["train", "given"] = Field(
        "train",
        description="Use of the validation images that folders or a list name beside test images: "
        "`train` adds them to the training images, from which D_val is drawn; `given` makes them "
        "D_val at every label fraction and seed, and `split.validation_fraction` does not count.",
    )
    unlabeled: Place | None = Field(
        None,
        description="Folder of unlabeled images at any depth, which may be inside `path` and is no "
        "class there, or a CSV with a column `path`; they join D_u of the oracle methods.",
    )
    root: Place | None = Field(
        None,
        description="Folder that the relative paths of a CSV start at; empty: the CSV's own.",
    )
    merge_classes: bool = Field(
        False,
        description="Whether classes whose names differ only in case, blanks or Unicode form are "
        "one, under the name that most images have; else they are refused.",
    )
    group_by: Expression | None = Field(
        None,
        description="Regular expression that finds, in an image's path below `path`, the name of "
        "what it shares with others, such as a patient; no split divides them. What is in "
        "parentheses is the name. A CSV may have a column `group` instead.",
        examples=["patient[0-9]+", "^([^/]+)/(session[0-9]+)_"],
    )
    exclude: Place | None = Field(
        None,
        description="List of images to leave out: a CSV with the columns `file`, a path below the "
        "folder that the column `place` names, and `place`: `path`, `test` or `unlabeled`.",
    )
    near_duplicates: Literal["leave_out", "keep"] = Field(
        "leave_out",
        description="What `mpssl init` and `mpssl data-check` do with a training image that is a "
        "test image saved again or at another size: leave it out, or say so and keep it.",
    )
    seed: int = Field(0, description="Seed of the choice of the held-out test images.")

    @property
    def own_copy(self) -> Path:
        """The user's own files."""
        return self.path

    @property
    def has_unlabeled(self) -> bool:
        """Whether a folder of unlabeled images is named."""
        return self.unlabeled is not None
