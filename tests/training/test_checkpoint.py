"""Checkpoints: whole or not used, and the last two are kept."""

import os
import random

import pytest
import torch

from mpssl.common.errors import UserError
from mpssl.training import checkpoint

IDENTITY = {"seed": 0}


def state(epoch):
    return {"identity": IDENTITY, "epoch": epoch, "model": torch.arange(1000.0) + epoch}


@pytest.fixture
def path(tmp_path):
    for epoch in (1, 2, 3):
        checkpoint.save(tmp_path / "c.pt", state(epoch))
    return tmp_path / "c.pt"


def test_the_last_two_are_kept_and_removed(path):
    assert checkpoint.load(path, IDENTITY)["epoch"] == 3
    path.unlink()  # as by a stop between two renames
    assert checkpoint.load(path, IDENTITY)["epoch"] == 2
    checkpoint.remove(path)
    assert list(path.parent.iterdir()) == []
    assert checkpoint.load(path, IDENTITY) is None


def test_damage_anywhere_is_seen_and_costs_one_epoch(path, capsys):
    whole = path.read_bytes()
    rng = random.Random(0)
    places = [0, 31, 32, len(whole) - 1] + [rng.randrange(len(whole)) for _ in range(30)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert checkpoint.load(path, IDENTITY)["epoch"] == 2
        assert "is damaged; using the one before it" in capsys.readouterr().out
    for length in (0, 1, 31, 32, 33, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert checkpoint.load(path, IDENTITY)["epoch"] == 2


def test_two_damaged_ones_are_refused_by_name(path):
    for file in (path, checkpoint.previous(path)):
        file.write_bytes(b"half")
    with pytest.raises(UserError, match=r"c\.pt and .*c\.previous\.pt is damaged; delete it"):
        checkpoint.load(path, IDENTITY)


def test_another_identity_is_not_resumed(path):
    assert checkpoint.load(path, {"seed": 1}) is None


class Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickled_code_is_not_executed(tmp_path):
    path, made = tmp_path / "c.pt", str(tmp_path / "executed")
    checkpoint.save(path, {"identity": IDENTITY, "model": Code(made)})  # its checksum is right
    with pytest.raises(UserError, match="is damaged"):
        checkpoint.load(path, IDENTITY)
    assert not os.path.exists(made)
