"""Weights files: their checksum covers every tensor and the metadata."""

import json
import random

import pytest
import safetensors.torch
import torch

from mpssl.models import tensor_file

TENSORS = {"a": torch.randn(3, 4), "b.count": torch.tensor(7), "empty": torch.zeros(0, 2)}


def test_round_trip(tmp_path):
    tensor_file.save(tmp_path / "w.safetensors", TENSORS, {"classes": ["ä"], "side": 32})
    loaded, metadata = tensor_file.load(tmp_path / "w.safetensors")
    assert metadata == {"classes": ["ä"], "side": 32}
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)


def test_every_changed_bit_and_every_cut_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    tensor_file.save(path, TENSORS, {"classes": "abc"})
    whole = path.read_bytes()
    rng = random.Random(0)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded, metadata = tensor_file.load(path)
        except ValueError:
            continue
        # The header's layout is no content: padding, or the same text in another form.
        assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS), place
        assert metadata == {"classes": "abc"}
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError):
            tensor_file.load(path)


def test_a_file_without_checksum_is_not_ours(tmp_path):
    path = tmp_path / "w.safetensors"
    for metadata in (None, {"mpssl": "{}"}, {"mpssl": "[]"}):
        safetensors.torch.save_file(TENSORS, path, metadata)
        with pytest.raises(ValueError, match="checksum"):
            tensor_file.load(path)
    safetensors.torch.save_file(TENSORS, path, {"mpssl": "[" * 100_000})
    with pytest.raises(ValueError):
        tensor_file.load(path)


def test_equal_content_gives_equal_bytes(tmp_path):
    metadata = {name: name for name in "abcdef"}
    for i in range(6):
        ordered = dict([*metadata.items()][i:] + [*metadata.items()][:i])
        tensor_file.save(tmp_path / f"{i}", TENSORS, ordered)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    with safetensors.safe_open(tmp_path / "0", "pt") as file:  # still one of theirs
        assert json.loads(file.metadata()["mpssl"]).items() > metadata.items()
        assert set(file.keys()) == set(TENSORS)
