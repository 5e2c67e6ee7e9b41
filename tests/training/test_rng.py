"""Random streams and shuffled rows."""

import pytest
import torch

from mpssl.training.rng import Balanced, Shuffled, Streams

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


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ((100, 4), 8),
        ((100, 4), 7),
        ((5, 5, 5), 3),
        ((17, 3, 1), 6),
        ((1, 1), 1),
        ((40, 9, 2, 2), 64),
    ],
)
def test_balanced_batches_have_each_class_equally_often(sizes, count):
    torch.manual_seed(0)
    labels = torch.cat([torch.full((n,), 3 * k) for k, n in enumerate(sizes)])
    labels = labels[torch.randperm(len(labels))]
    balanced, rounds = Balanced(labels), max(sizes)
    batches = [balanced.next(count) for _ in range(2 * rounds * len(sizes))]
    assert all(len(batch) == count and batch.dtype == torch.long for batch in batches)
    rows = torch.cat(batches)
    one_pass = rows[: rounds * len(sizes)]
    for round_ in labels[one_pass].view(rounds, -1):
        assert round_.sort().values.tolist() == [3 * k for k in range(len(sizes))]
    if rounds > 1 and len(sizes) > 1:
        assert len(set(map(tuple, labels[one_pass].view(rounds, -1).tolist()))) > 1
    for k, n in enumerate(sizes):  # within a class no image comes more than once more than another
        often = torch.bincount(one_pass, minlength=len(labels))[labels == 3 * k]
        assert set(often.tolist()) <= {rounds // n, -(-rounds // n)}
    for batch in batches:
        often = torch.bincount(labels[batch] // 3, minlength=len(sizes))
        assert often.max() - often.min() <= 2  # a batch may begin and end within a round


def test_balanced_goes_on_from_its_state():
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 0, 0, 0, 1])
    balanced, resumed = Balanced(labels), Balanced(labels)
    balanced.next(4)
    resumed.load_state_dict(balanced.state_dict())
    assert resumed.next(6).tolist() == balanced.next(6).tolist()
