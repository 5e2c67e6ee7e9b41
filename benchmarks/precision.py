"""How far bf16's gradients point from float32's, on a finished experiment's data and networks.

    python -m benchmarks.precision [--config config/mini.yaml] [--steps 60] RUN ...

Each RUN (a folder below results/EXPERIMENT/runs/) is trained for some steps in float32; then one
more step is made in float32, and one from the same state and the same draws in bf16
(`training.precision`). Printed are the cosines of their gradients at phi, xi and theta.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.runs.runner import prepare
from mpssl.training.train import Loop

RUNS = [
    "mnist/25/generative/mpssl/default/resnet8/lambda-1/seed-0",
    "mnist/25/generative/pssl/default/resnet8/lambda-1/seed-0",
    "mnist/25/oracle/freematch/default/resnet8/lambda-1/seed-0",
]


def gradients(experiment: Experiment, run: Run, steps: int, precision: str) -> dict[str, Tensor]:
    """Gradients at phi, xi and theta of the step after `steps` steps in float32."""
    config = experiment.config
    device = torch.device(config.device if config.device != "auto" else "cpu")
    task, _ = prepare(experiment, run, device)
    loop, rate = Loop(task), config.training.learning_rate
    task.model.train()
    for number in range(steps):
        loop.step(number, rate)
    task.model.precision = precision
    found: dict[str, Tensor] = {}

    def keep(optimizer: torch.optim.Optimizer, parts: dict[str, nn.Module]) -> None:
        def step(*_) -> None:
            for name, part in parts.items():
                flat = [p.grad.flatten() for p in part.parameters() if p.grad is not None]
                found[name] = torch.cat(flat).double()

        optimizer.step = step

    keep(loop.optimizer, {"theta": task.model})
    if hasattr(task.source, "mapper"):
        keep(task.source.optimizer, {"phi": task.source.mapper, "xi": task.source.converter})
    loop.step(steps, rate)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", default="config/mini.yaml")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("runs", nargs="*", default=RUNS)
    options = parser.parse_args()
    experiment = Experiment.load(options.config)
    torch.set_num_threads(experiment.config.threads)
    for name in options.runs:
        both = (
            gradients(experiment, Run.parse(name), options.steps, p) for p in ("float32", "bf16")
        )
        exact, got = both
        cosines = {key: F.cosine_similarity(exact[key], got[key], dim=0).item() for key in exact}
        text = "  ".join(f"{key} {value:.4f}" for key, value in sorted(cosines.items()))
        print(f"{name}, after {options.steps} steps: {text}", flush=True)


if __name__ == "__main__":
    main()
