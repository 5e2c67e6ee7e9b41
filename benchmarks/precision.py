"""How far bf16's gradients point from float32's, on a finished experiment's data and networks.

    python -m benchmarks.precision [--config config/mini.yaml] [--steps 60] RUN ...

Each RUN (a folder below results/EXPERIMENT/runs/) is trained for some steps in float32; then one
more step is made in float32, with the generator in bf16, with the classifier in bf16, and with both
(`training.precision: bf16`), from the same state and the same draws. Printed are the cosines of the
gradients at phi, xi and theta with float32's.
"""

import argparse
import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl import configfile, runner
from mpssl.config import Config
from mpssl.plan import Plan, Run
from mpssl.train import Loop

RUNS = [
    f"mnist/25/generative/{method}/default/resnet8/lambda-1/seed-0" for method in ("mpssl", "pssl")
]
WAYS = {"generator": (True, False), "classifier": (False, True), "both": (True, True)}


def gradients(config: Config, run: Run, steps: int, generator: bool, classifier: bool) -> dict:
    """Gradients at phi, xi and theta of the step after `steps` steps."""
    device = torch.device(config.device if config.device != "auto" else "cpu")
    settings = Plan(config).settings(run.cell)
    task, _ = runner._prepare(config, run, settings, device)
    loop, rate = Loop(task), config.training.learning_rate
    task.model.train()
    for number in range(steps):
        loop.step(number, rate)
    if generator:
        task.source.generator.use_bf16()
    task.model.precision = "bf16" if classifier else "float32"
    found: dict[str, Tensor] = {}

    def keep(optimizer: torch.optim.Optimizer, parts: dict) -> None:
        def step(*_) -> None:
            for name, part in parts.items():
                flat = [p.grad.flatten() for p in part.parameters() if p.grad is not None]
                found[name] = torch.cat(flat).double()

        optimizer.step = step

    keep(loop.optimizer, {"theta": task.model})
    if hasattr(task.source, "mapper"):
        keep(task.source.optimizer, {"phi": task.source.mapper, "xi": task.source.converter})
    loop.step(steps, rate)
    return copy.deepcopy(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", default="config/mini.yaml")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("runs", nargs="*", default=RUNS)
    options = parser.parse_args()
    config = configfile.load(options.config)
    torch.set_num_threads(config.threads)
    for name in options.runs:
        run = Run.parse(name)
        print(f"{name}, after {options.steps} steps")
        reference = gradients(config, run, options.steps, False, False)
        for way, (generator, classifier) in WAYS.items():
            got = gradients(config, run, options.steps, generator, classifier)
            cosines = {k: F.cosine_similarity(got[k], reference[k], dim=0).item() for k in got}
            text = "  ".join(f"{key} {value:.4f}" for key, value in sorted(cosines.items()))
            print(f"  {way:<11} in bf16: {text}", flush=True)


if __name__ == "__main__":
    main()
