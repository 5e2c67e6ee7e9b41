"""Downloads that go on from a partial file, or cannot."""

import pytest

from mpssl.data import download
from mpssl.data.download import fetch
from tests.support.downloads import (
    BODY,
    HALF,
    NAME,
    OTHER,
    PIECE,
    SHORT,
    fails,
    partial,
    wanted,
    whole,
)
from tests.support.local_server import Answer

pytestmark = pytest.mark.usefixtures("no_proxies_and_small_pieces")


def test_only_the_rest_of_a_partial_file_is_asked_for(server, tmp_path):
    partial(tmp_path, BODY[:HALF])
    fetch(wanted(server.serve("/a", BODY)), tmp_path, waits_s=())
    assert whole(tmp_path)
    (request,) = server.requests
    assert (request.range, request.status) == (f"bytes={HALF}-", 206)
    assert request.served == len(BODY) - HALF


def test_a_server_without_ranges_starts_again(server, tmp_path):
    partial(tmp_path, OTHER[:HALF])
    fetch(wanted(server.serve("/a", Answer(BODY, ranges=False))), tmp_path, waits_s=())
    assert whole(tmp_path)
    (request,) = server.requests
    assert (request.range, request.status, request.served) == (f"bytes={HALF}-", 200, len(BODY))


def test_a_broken_connection_is_resumed_in_the_next_round(server, tmp_path):
    breaks = [Answer(BODY, stop_after=SHORT)] * 2
    fetch(wanted(server.serve("/a", *breaks, Answer(BODY))), tmp_path, waits_s=(0.0, 0.0))
    assert whole(tmp_path)
    assert [r.range for r in server.requests] == [None, "bytes=50000-", "bytes=100000-"]
    assert sum(r.served for r in server.requests) == len(BODY)


def test_a_broken_connection_is_resumed_in_the_next_run(server, tmp_path):
    file = wanted(server.serve("/a", Answer(BODY, stop_after=SHORT), Answer(BODY)))
    fails(tmp_path, file)
    assert (tmp_path / f".{NAME}.0.part").read_bytes() == BODY[:SHORT]
    fetch(file, tmp_path, waits_s=())
    assert whole(tmp_path)
    assert server.requests[1].served == len(BODY) - SHORT


def test_a_server_that_falls_silent_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", (1, 0.2))
    silent = Answer(BODY, stop_after=SHORT, stall_s=5)
    file = wanted(server.serve("/silent", silent), server.serve("/b", BODY))
    fetch(file, tmp_path, waits_s=())
    assert whole(tmp_path)
    assert server.requests[1].range is None  # another mirror may have another file


@pytest.mark.parametrize("known", [{}, {"bytes": None}], ids=["size known", "size unknown"])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    "left",
    [OTHER, OTHER + b"more", OTHER[:HALF], b"<html>log in</html>", b""],
    ids=["full size", "longer", "half", "web page", "nothing"],
)
def test_a_wrong_partial_file_is_overcome(server, tmp_path, left, ranges, known):
    partial(tmp_path, left)
    file = wanted(server.serve("/a", Answer(BODY, ranges=ranges)), **known)
    fetch(file, tmp_path, waits_s=(0.0,))
    assert whole(tmp_path)
    assert len(server.requests) <= 2


@pytest.mark.parametrize("known", [{}, {"bytes": None}], ids=["size known", "size unknown"])
def test_a_whole_partial_file_only_gets_its_name(server, tmp_path, known):
    """The process was killed between the last byte and the new name."""
    partial(tmp_path, BODY)
    fetch(wanted(server.serve("/a", BODY), **known), tmp_path, waits_s=())
    assert whole(tmp_path)
    assert sum(r.served for r in server.requests) == 0


@pytest.mark.parametrize("length", [True, False])
def test_a_server_that_sends_more_is_stopped(server, tmp_path, length):
    endless = Answer(BODY + bytes(20_000_000), length=length)
    message = fails(tmp_path, wanted(server.serve("/a", endless)), "sends more than 300000 bytes")
    assert message.count("sends more") == 1
    left = tmp_path / f".{NAME}.0.part"
    assert not left.exists() or left.stat().st_size <= len(BODY) + PIECE
