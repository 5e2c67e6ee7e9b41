"""What a checkpoint is resumed under, and mistakes before a run begins."""

import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, read_made
from mpssl.training.train import train
from tests.support.toys import toy_task


@pytest.mark.parametrize("key", ["lambda", "seed", "generator", "device_type"])
def test_a_checkpoint_of_another_identity_starts_anew(tmp_path, key):
    first, second = toy_task(), toy_task()
    first.identity[key], second.identity[key] = "a", "b"
    train(first, tmp_path / "c.pt")
    before = (tmp_path / "c.pt").read_bytes()
    outcome = train(second, tmp_path / "c.pt")
    assert [row["epoch"] for row in outcome.history] == [1, 2, 3, 4]
    assert (tmp_path / "c.pt").read_bytes() != before


def test_file_digest_sees_every_byte_and_the_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1"), two.write_bytes(b"2")
    digests = {file_digest(one, two), file_digest(two, one), file_digest(one)}
    assert len(digests) == 3
    assert file_digest(one, two) == file_digest(one, two)


def test_a_made_file_that_is_missing_or_damaged_is_named(tmp_path):
    path = tmp_path / "selected.json"
    with pytest.raises(UserError, match="selected.json is missing or damaged"):
        read_made(path)
    path.write_text("{")
    with pytest.raises(UserError, match="selected.json is missing or damaged"):
        read_made(path)
