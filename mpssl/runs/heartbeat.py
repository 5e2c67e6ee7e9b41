"""What a run shows while it trains: a heartbeat file, and TensorBoard's event files."""

import os
import socket
import time
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import write_json
from mpssl.training.train import Loop


class Heartbeat:
    """Write where training is, after each epoch, for `mpssl status` on any machine.

    Keys: `epoch` of `epochs`; `val_accuracy` (percent) of the last epoch and the best so far, null
    before the first; `seconds` of training so far; `time` of writing (Unix); `host` and `pid`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, loop: Loop) -> None:
        """Write the file, whole or not at all."""
        history = loop.history
        beat = {
            "epoch": loop.epoch,
            "epochs": loop.task.training.epochs,
            "val_accuracy": history[-1]["val_accuracy"] if history else None,
            "best_val_accuracy": loop.best_accuracy if history else None,
            "seconds": round(loop.seconds, 3),
            "time": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        write_json(self.path, beat)


class EventFiles:
    """Write each epoch's line of the history as TensorBoard scalars.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "tensorboard: true needs the package tensorboard: pip install -e '.[tensorboard]'"
            ) from None
        self.open = lambda epoch: SummaryWriter(str(folder), purge_step=epoch + 1)
        self.writer = None

    def __call__(self, loop: Loop) -> None:
        """Add the last epoch; a resumed run hides what it had written of later ones."""
        if self.writer is None:  # the start, of training or of what is left of it
            self.writer = self.open(loop.epoch)
            return
        for name, value in loop.history[-1].items():
            if name != "epoch":
                self.writer.add_scalar(name, value, loop.epoch)
        self.writer.flush()
        if loop.epoch == loop.task.training.epochs:
            self.writer.close()
