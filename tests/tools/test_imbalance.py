"""The summary of `mpssl init` warns if one class has ten times as many images as another."""

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import mpssl

REMEDY = "(training.labeled_sampling: balanced shows each class equally often)"


@pytest.mark.parametrize(
    ("train", "warning"),
    [
        ({"ant": 39, "bee": 4}, None),
        ({"ant": 40, "bee": 4}, f"warning: unbalanced: 40 images of ant, 4 of bee {REMEDY}"),
        ({"ant": 3, "bee": 40, "cat": 20}, "warning: unbalanced: 40 images of bee, 3 of ant"),
        ({"ant": 20, "bee": 20, "cat": 20}, None),
    ],
)
def test_ten_to_one_is_unbalanced(tmp_path, train, warning):
    rng = np.random.default_rng(0)
    for part, counts in (("images/train", train), ("images/test", dict.fromkeys(train, 2))):
        for name, count in counts.items():
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{i}.png")
    found = mpssl(
        "init", tmp_path / "project", "--images", tmp_path / "images", "--foundation", "small"
    )
    lines = [line for line in found.stdout.splitlines() if "warning: unbalanced" in line]
    assert found.returncode == 0, found.stderr
    assert lines == [] if warning is None else lines[0].startswith(warning)
