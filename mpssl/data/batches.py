"""Whole batches from a packed data set, on the training device."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mpssl.data.store import Packed


class Batches:
    """Some rows of a packed data set, read as float batches on a device.

    Images that fit lie on the device as uint8. Others stay in the memory-mapped file, whose pages
    all jobs of the machine share: each batch is copied through pinned memory on a stream of its
    own, the next one while the present one is used where `prefetch` names it.

    Args:
        packed: the data set.
        rows: the row numbers to hold, int [N].
        size: side of the images that `centre` returns, pixels.
        device: where batches are wanted.
        share: part of the device's memory that the images may take: of what is free on a GPU, of
            a core's part of the machine's memory on the CPU.
    """

    def __init__(
        self, packed: Packed, rows: ArrayLike, size: int, device: torch.device, share: float = 1
    ) -> None:
        rows = np.asarray(rows)
        self.labels = torch.from_numpy(packed.labels[rows]).to(device)
        self.size = size
        self.device = device
        self.resident = rows.size * packed.images[0].nbytes <= share * _memory(device)
        if self.resident:
            images = torch.from_numpy(np.ascontiguousarray(packed.images[rows]))
            self.images = images.permute(0, 3, 1, 2).contiguous().to(device)
        else:
            self.images = _Ahead(packed.images, rows, device)

    def __len__(self) -> int:
        return len(self.labels)

    def prefetch(self, rows: Tensor) -> None:
        """Begin to read a batch that will be asked for; nothing to do where images are at hand."""
        if not self.resident:
            self.images.prefetch(rows)

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, P, P] in [0, 1] as packed, and their classes [B]."""
        there = rows.to(self.device, non_blocking=True)  # else the host waits for all GPU work
        images = self.images[there if self.resident else rows]
        return images.float() / 255, self.labels[there]

    def centre(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The central `size` x `size` of the images, in [0, 1], and their classes [B]."""
        images, labels = self.whole(rows)
        start = (images.shape[-1] - self.size) // 2
        window = slice(start, start + self.size)
        return images[:, :, window, window], labels

    def centre_images(self, rows: Tensor) -> Tensor:
        """The images of `centre`, without their classes."""
        return self.centre(rows)[0]


def _memory(device: torch.device) -> int:
    """Free bytes of a GPU; on the CPU the machine's bytes a core, as many jobs run at once."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // os.cpu_count()


class _Ahead:
    """Images of a file as uint8 batches [B, 3, P, P] on a device, one read ahead in a thread."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, device: torch.device) -> None:
        self.file, self.rows, self.device = images, rows, device
        self.on_gpu = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.on_gpu else None
        self.reader = ThreadPoolExecutor(max_workers=1)
        # The batch to come is announced when the present one is drawn, so two may be under way.
        self.pending: deque[tuple[Tensor, Future]] = deque(maxlen=2)

    def prefetch(self, rows: Tensor) -> None:
        self.pending.append((rows, self.reader.submit(self._read, rows)))

    def __getitem__(self, rows: Tensor) -> Tensor:
        ready = [future for named, future in self.pending if torch.equal(named, rows)]
        images, copied = ready[0].result() if ready else self._read(rows)
        if copied is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(copied)
            images.record_stream(current)
        return images.permute(0, 3, 1, 2).contiguous()

    def _read(self, rows: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        """Images [B, P, P, 3] on the device once the event, if any, has come."""
        wanted = self.rows[rows.cpu().numpy()]
        shape = (len(wanted), *self.file.shape[1:])
        host = torch.empty(shape, dtype=torch.uint8, pin_memory=self.on_gpu)
        np.take(self.file, wanted, axis=0, out=host.numpy(), mode="clip")  # "raise" copies twice
        with torch.cuda.stream(self.stream) if self.on_gpu else nullcontext():
            images = host.to(self.device, non_blocking=True)
            return images, self.stream.record_event() if self.on_gpu else None
