"""Batches of a packed data set as float images on the training device."""

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
    """Some images of a data set, P x P pixels each, and their classes, read as float batches.

    A batch is named by its row numbers, int64 [B], which count the images held here from 0 and are
    a tensor on the CPU.

    Args:
        labels: classes of the images, int64 [N], on the device that batches are wanted on.
        size: side of the images that `centre` returns, pixels.
    """

    def __init__(self, labels: Tensor, size: int) -> None:
        self.labels = labels
        self.size = size

    def __len__(self) -> int:
        return len(self.labels)

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, P, P] in [0, 1] as packed, and their classes [B]."""
        raise NotImplementedError

    def prefetch(self, rows: Tensor) -> None:
        """Begin to read the batch `rows` ahead of its use; resident images need nothing of it."""

    def centre(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The central `size` x `size` pixels of the images, in [0, 1], and their classes [B]."""
        images, labels = self.whole(rows)
        start = (images.shape[-1] - self.size) // 2
        window = slice(start, start + self.size)
        return images[:, :, window, window], labels

    def centre_images(self, rows: Tensor) -> Tensor:
        """The images of `centre`, without their classes."""
        return self.centre(rows)[0]


def batches_of(
    packed: Packed, rows: ArrayLike, size: int, device: torch.device, share: float = 1
) -> Batches:
    """Batches of the given rows: `Resident` if their images fit in the memory, else `Streamed`.

    Args:
        packed: the data set.
        rows: numbers of the images to hold, int [N].
        size: side of the images that `centre` returns, pixels.
        device: the device that batches are wanted on.
        share: fraction of the memory that the images may take, 0 to 1. The memory is a GPU's free
            memory; on a CPU it is the machine's memory divided by its cores, as many jobs run at
            once.
    """
    rows = np.asarray(rows)
    fits = rows.size * packed.images[0].nbytes <= share * _memory(device)
    return (Resident if fits else Streamed)(packed, rows, size, device)


def _memory(device: torch.device) -> int:
    """Bytes of a GPU's free memory, or of a CPU's memory for each of its cores."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // os.cpu_count()


class Resident(Batches):
    """Images that are kept on the device as uint8."""

    def __init__(self, packed: Packed, rows: np.ndarray, size: int, device: torch.device) -> None:
        super().__init__(torch.from_numpy(packed.labels[rows]).to(device), size)
        images = torch.from_numpy(np.ascontiguousarray(packed.images[rows]))
        self.images = images.permute(0, 3, 1, 2).contiguous().to(device)

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, P, P] in [0, 1] as packed, and their classes [B]."""
        rows = _to_device(rows, self.labels.device)
        return self.images[rows].float() / 255, self.labels[rows]


class Streamed(Batches):
    """Images that stay in the memory-mapped file, whose pages all jobs of the machine share.

    A thread copies each batch through pinned memory on a CUDA stream of its own. The batch that
    `prefetch` names is copied while the present one is used.
    """

    def __init__(self, packed: Packed, rows: np.ndarray, size: int, device: torch.device) -> None:
        super().__init__(torch.from_numpy(packed.labels[rows]).to(device), size)
        self.file, self.rows, self.device = packed.images, rows, device
        self.on_gpu = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.on_gpu else None
        self.reader = ThreadPoolExecutor(max_workers=1)
        # The next batch is named when the present one is drawn, so two reads may be pending.
        self.pending: deque[tuple[Tensor, Future]] = deque(maxlen=2)

    def prefetch(self, rows: Tensor) -> None:
        """Begin to read the batch `rows` in the thread."""
        self.pending.append((rows, self.reader.submit(self._read, rows)))

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, P, P] in [0, 1] as packed, and their classes [B]."""
        labels = self.labels[_to_device(rows, self.device)]
        ready = [future for named, future in self.pending if torch.equal(named, rows)]
        images, copied = ready[0].result() if ready else self._read(rows)
        if copied is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(copied)
            images.record_stream(current)
        return images.permute(0, 3, 1, 2).contiguous().float() / 255, labels

    def _read(self, rows: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        """Images uint8 [B, P, P, 3] on the device, ready to be read once the event has come."""
        wanted = self.rows[rows.cpu().numpy()]
        shape = (len(wanted), *self.file.shape[1:])
        host = torch.empty(shape, dtype=torch.uint8, pin_memory=self.on_gpu)
        np.take(self.file, wanted, axis=0, out=host.numpy(), mode="clip")  # "raise" copies twice
        with torch.cuda.stream(self.stream) if self.on_gpu else nullcontext():
            images = host.to(self.device, non_blocking=True)
            return images, self.stream.record_event() if self.on_gpu else None


def _to_device(rows: Tensor, device: torch.device) -> Tensor:
    return rows.to(device, non_blocking=True)  # a blocking copy would wait for all work of the GPU
