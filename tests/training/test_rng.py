"""Random streams and shuffled rows."""

import pytest
import torch

from mpssl.training.rng import Shuffled, Streams

CPU = torch.device("cpu")


def draw(streams, name, count=3):
    with streams.use(name):
        return torch.rand(count).tolist()


def test_a_stream_does_not_feel_the_others():
    alone, mixed = Streams(0, CPU), Streams(0, CPU)
    expected = [draw(alone, "order"), draw(alone, "order")]
    draw(mixed, "views", 5)
    first = draw(mixed, "order")
    draw(mixed, "latents", 7)
    torch.rand(4)
    assert [first, draw(mixed, "order")] == expected
    assert expected[0] != expected[1]


def test_name_and_seed_choose_the_stream():
    draws = [draw(Streams(seed, CPU), name) for seed in (0, 1) for name in ("order", "views")]
    assert len({tuple(d) for d in draws}) == 4
    assert draw(Streams(0, CPU), "order") == draws[0]


def test_global_generator_is_as_before():
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    streams = Streams(0, CPU)
    draw(streams, "order")
    with pytest.raises(ValueError, match="stop"), streams.use("views"):
        torch.rand(2)
        raise ValueError("stop")
    assert torch.rand(3).tolist() == expected


def test_streams_nest():
    plain, nested = Streams(0, CPU), Streams(0, CPU)
    expected = [draw(plain, "outer", 4), draw(plain, "inner", 1)]
    with nested.use("outer"):
        outer = torch.rand(2).tolist()
        inner = draw(nested, "inner", 1)
        outer += torch.rand(2).tolist()
    assert [outer, inner] == expected


def test_streams_go_on_from_their_state():
    streams, resumed = Streams(0, CPU), Streams(0, CPU)
    draw(streams, "order")
    state = streams.state_dict()
    expected = [draw(streams, "order"), draw(streams, "views")]
    resumed.load_state_dict(state)
    assert [draw(resumed, "order"), draw(resumed, "views")] == expected


@pytest.mark.parametrize("count", [1, 3, 7, 10, 25])
def test_every_pass_covers_all_rows(count):
    torch.manual_seed(0)
    shuffled = Shuffled(10)
    batches = [shuffled.next(count) for _ in range(30)]
    assert all(len(batch) == count and batch.dtype == torch.long for batch in batches)
    rows = torch.cat(batches).tolist()
    passes = [rows[start : start + 10] for start in range(0, len(rows) - 9, 10)]
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert len({tuple(p) for p in passes}) == len(passes)  # each in an order of its own


def test_shuffled_goes_on_from_its_state():
    torch.manual_seed(0)
    shuffled, resumed = Shuffled(10), Shuffled(10)
    shuffled.next(4)
    resumed.load_state_dict(shuffled.state_dict())
    assert resumed.next(6).tolist() == shuffled.next(6).tolist()
