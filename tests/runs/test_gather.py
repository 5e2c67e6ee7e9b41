"""What a run gathers of D_val, if a part of it is kept for the choice of the epoch."""

from types import SimpleNamespace

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.data.split import read_split
from mpssl.data.store import Packed
from mpssl.runs import gather
from mpssl.runs.gather import _validation


def packed(groups=None):
    """Forty images of two classes."""
    images = np.zeros((40, 1, 1, 3), np.uint8)
    groups = None if groups is None else np.array(groups)
    return Packed(images, np.arange(40) % 2, ["a", "b"], 40, "d", groups=groups)


def divided(rows, part, data):
    return _validation(rows, SimpleNamespace(lmo=SimpleNamespace(validation_part=part)), data)


def test_a_part_is_spread_evenly_over_d_val():
    learning, choosing = divided(list(range(0, 40, 2)), 0.5, packed())
    assert learning == list(range(2, 40, 4))
    assert choosing == list(range(0, 40, 4))


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_what_belongs_together_is_in_one_part(part):
    groups = np.repeat(np.arange(10), 4)
    rows = list(range(4, 40))
    learning, choosing = divided(rows, part, packed(groups))
    assert sorted(learning + choosing) == rows
    assert not set(groups[learning]) & set(groups[choosing])
    assert len(learning) / len(rows) == pytest.approx(part, abs=0.12)


def test_a_run_on_an_empty_d_u_is_refused(world, monkeypatch):
    monkeypatch.setattr(gather, "read_split", lambda *_: read_split(*_) | {"unlabeled": []})
    with pytest.raises(UserError, match="fixmatch learns from D_u, of which target has no image"):
        world.run("oracle/fixmatch", seed=99)


def test_one_group_cannot_be_divided():
    with pytest.raises(UserError, match="of 40 images of D_val leaves a part empty"):
        divided(list(range(40)), 0.5, packed([7] * 40))
