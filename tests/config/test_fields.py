"""Types of single values, and lists of names that code elsewhere has too."""

from typing import get_args

import pytest

from mpssl.config.experiment import Config
from mpssl.config.fields import Setting, SourceName, models_in
from mpssl.config.method import Converter, Lmo, Mapper
from mpssl.config.training import UnlabeledRatio
from mpssl.training.sources import SOURCES


def test_every_source_is_reachable_from_the_configuration():
    assert set(get_args(SourceName)) == set(SOURCES)


def test_every_setting_with_unlabeled_images_has_a_ratio():
    ratio = UnlabeledRatio(oracle=2, transfer=3, generative=4)
    expected = {"base": 0, "control": 4, "oracle": 2, "transfer": 3, "generative": 4}
    assert {setting: ratio.of(setting) for setting in get_args(Setting)} == expected


@pytest.mark.parametrize(
    ("annotation", "models"),
    [
        (int, []),
        (dict[str, list[Mapper]], [Mapper]),
        (Mapper | None | dict[str, Converter], [Mapper, Converter]),
        (Config.model_fields["lmo"].annotation, [Lmo]),
    ],
)
def test_models_in(annotation, models):
    assert models_in(annotation) == models
