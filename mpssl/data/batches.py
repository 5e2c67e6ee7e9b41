"""Whole batches from a packed data set, on the training device."""

import numpy as np
import torch
from torch import Tensor

from mpssl.data.store import Packed


class Batches:
    """Some rows of a packed data set as uint8 on a device, read as float batches.

    Args:
        packed: the data set.
        rows: the row numbers to hold, int [N].
        size: side of the images that `centre` returns, pixels.
        device: where the images lie.
    """

    def __init__(self, packed: Packed, rows, size: int, device: torch.device) -> None:
        rows = np.asarray(rows)
        images = torch.from_numpy(np.ascontiguousarray(packed.images[rows]))
        self.images = images.permute(0, 3, 1, 2).contiguous().to(device)
        self.labels = torch.from_numpy(packed.labels[rows]).to(device)
        self.size = size

    def __len__(self) -> int:
        return len(self.labels)

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, P, P] in [0, 1] as packed, and their classes [B]."""
        rows = rows.to(self.labels.device)
        return self.images[rows].float() / 255, self.labels[rows]

    def centre(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The central `size` x `size` of the images, in [0, 1], and their classes [B]."""
        images, labels = self.whole(rows)
        start = (images.shape[-1] - self.size) // 2
        window = slice(start, start + self.size)
        return images[:, :, window, window], labels

    def centre_images(self, rows: Tensor) -> Tensor:
        """The images of `centre`, without their classes."""
        return self.centre(rows)[0]
