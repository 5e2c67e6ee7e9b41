"""The summary of `mpssl init` warns if one class has ten times as many images as another."""

from collections import Counter

import pytest

from mpssl.config.data import ImageFolder
from mpssl.tools.init_project import Report, summary


@pytest.mark.parametrize(
    ("train", "warning"),
    [
        ({"ant": 100, "bee": 11}, ""),
        (
            {"ant": 100, "bee": 10},
            "warning: unbalanced: 100 images of ant, 10 of bee (training.labeled_sampling: "
            "balanced shows each class equally often)",
        ),
        ({"ant": 4, "bee": 100, "cat": 50}, "warning: unbalanced: 100 images of bee, 4 of ant"),
        ({"ant": 9, "bee": 1}, ""),
        ({"ant": 500}, ""),
    ],
)
def test_ten_to_one_is_unbalanced(tmp_path, train, warning):
    dataset = ImageFolder(adapter="folder", title="T", path=tmp_path)
    lines = summary(dataset, Report(Counter(train), Counter(train), 0)).splitlines()
    found = [line for line in lines if "unbalanced" in line]
    assert found == [] if not warning else found[0].startswith(warning)
