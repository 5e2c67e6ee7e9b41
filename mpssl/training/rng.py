"""Separate random streams, so that methods can be compared in pairs.

So the labeled order of a run does not depend on how many numbers its generator draws. All code,
kornia's included, draws from torch's global generators; a stream lends them its state.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


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
            self.order = torch.cat([self.order, torch.randperm(self.size)])
        batch, self.order = self.order[:count], self.order[count:]
        if self.announce is not None and len(self.order) >= count:
            self.announce(self.order[:count])
        return batch

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The rows still to come in this pass."""
        return {"order": self.order}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from `state`, which `state_dict` returned."""
        self.order = state["order"]
