"""Separate random streams, so that methods can be compared in pairs.

So the labeled order of a run does not depend on how many numbers its generator draws. All code,
kornia's included, draws from torch's global generators; a stream lends them its state.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from mpssl.data.batches import Batches


class Streams:
    """Named random streams of one run, made on first use from the seed and the name."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed = seed
        self.device = device
        self._states: dict[str, list[torch.Tensor]] = {}

    @contextmanager
    def use(self, name: str) -> Iterator[None]:
        """Let torch's global generators run the stream `name` inside the block."""
        outside = self._get()
        if name in self._states:
            self._set(self._states[name])
        else:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            torch.manual_seed(int.from_bytes(digest[:7], "big"))
        try:
            yield
        finally:
            self._states[name] = self._get()
            self._set(outside)

    def state_dict(self) -> dict[str, list[torch.Tensor]]:
        """The state of every stream that was used."""
        return dict(self._states)

    def load_state_dict(self, states: dict[str, list[torch.Tensor]]) -> None:
        """Continue from `states`, which `state_dict` returned."""
        self._states = dict(states)

    def _get(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def _set(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self.device)


class Shuffled:
    """Endless batches of row numbers; each pass over the rows is a new permutation.

    `announce`, if given, is called with the rows of the next batch, so that they can be read ahead.
    It is not called at the end of a pass, as the next one is not drawn yet.
    """

    def __init__(self, size: int, announce: Callable[[torch.Tensor], None] | None = None) -> None:
        if size < 1:
            raise ValueError("there are no rows to shuffle")
        self.size = size
        self.announce = announce
        self.order = torch.empty(0, dtype=torch.long)

    def next(self, count: int) -> torch.Tensor:
        """The next `count` row numbers, int64 [count], drawn from torch's global generator."""
        while len(self.order) < count:
            self.order = torch.cat([self.order, self._pass()])
        batch, self.order = self.order[:count], self.order[count:]
        if self.announce is not None and len(self.order) >= count:
            self.announce(self.order[:count])
        return batch

    def _pass(self) -> torch.Tensor:
        """The rows of one pass."""
        return torch.randperm(self.size)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The rows still to come in this pass."""
        return {"order": self.order}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from `state`, which `state_dict` returned."""
        self.order = state["order"]


class Balanced(Shuffled):
    """Endless batches that have each class equally often, or once more or less.

    A pass has as many rounds as the largest class has rows; a round has one row of each class, in
    an order of its own. The rows of the largest class come once a pass, those of a smaller class
    again and again, each as often as the others or once more.

    Args:
        labels: class of each row, int64 [N], on the CPU.
        announce: as of `Shuffled`.
    """

    def __init__(
        self, labels: torch.Tensor, announce: Callable[[torch.Tensor], None] | None = None
    ) -> None:
        super().__init__(len(labels), announce)
        self.by_class = [torch.nonzero(labels == label)[:, 0] for label in labels.unique()]

    def _pass(self) -> torch.Tensor:
        rounds = max(map(len, self.by_class))
        drawn = [_repeated(rows, rounds) for rows in self.by_class]
        order = torch.rand(rounds, len(drawn)).argsort(dim=1)
        return torch.stack(drawn, dim=1).gather(1, order).flatten()


def _repeated(rows: torch.Tensor, count: int) -> torch.Tensor:
    """The first `count` of permutations of the rows, one after the other."""
    passes = -(-count // len(rows))
    return torch.cat([rows[torch.randperm(len(rows))] for _ in range(passes)])[:count]


def labeled_order(labeled: Batches, sampling: str) -> Shuffled:
    """The order of the labeled images, as `training.labeled_sampling` says."""
    if sampling == "balanced":
        return Balanced(labeled.labels.cpu(), labeled.prefetch)
    return Shuffled(len(labeled), labeled.prefetch)
