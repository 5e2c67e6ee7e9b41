"""What it costs that numbers repeat bit for bit: seconds of a step with and without, as a ratio.

    python -m benchmarks.determinism                            # full size: needs a GPU
    python -m benchmarks.determinism --device cpu --size small  # any machine

Each way runs in processes of its own, as cuBLAS is set up once for all, and in turns, as the
machine may be busier at one time than at another; the least of the rounds counts. The deterministic
way must also repeat: two trainings of some steps from one seed end with the same weights.

Exit code: 0 all is well, 1 the deterministic way does not repeat, 2 there is no GPU.
"""

import argparse
import json
import subprocess
import sys

import torch

from benchmarks.gpu_check import SIZES
from mpssl.machine.determinism import deterministic
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import device_name, measure, random_generator, random_task

ROWS = ["base/base", "oracle/freematch", "generative/naive_gssl", "generative/mpssl"]


def weights_after(plan: Plan, cell: Cell, device: torch.device, frozen, steps: int):
    """Seconds of a step, and the classifier's weights after all of them."""
    task = random_task(plan, cell, device, frozen)
    seconds = measure(task, steps).seconds_per_step
    return seconds, torch.cat([p.detach().flatten() for p in task.model.parameters()])


def observe(options: argparse.Namespace) -> dict:
    """Seconds of a step by row, and whether a second training ends the same; in this process."""
    device, experiment = torch.device(options.device), Experiment.load(SIZES[options.size][0])
    plan = experiment.plan
    roles, seen = plan.config.roles, {}
    column = Column(
        roles.datasets["main"][0], roles.fractions["default"][0], roles.architectures["default"][0]
    )
    with deterministic(options.observe == "deterministic"):
        frozen = random_generator(experiment).to(device)
        for row in options.rows:
            cell = cell_of(row, column)
            first, second = (
                weights_after(plan, cell, device, frozen, options.steps) for _ in range(2)
            )
            repeats = torch.equal(first[1], second[1])
            seen[row] = {"seconds": min(first[0], second[0]), "repeats": repeats}
    return seen


def compare(options: argparse.Namespace, arguments: list[str]) -> int:
    """Run both ways in turns and print a line for each row; returns the exit code."""
    seen: dict[str, list[dict]] = {"plain": [], "deterministic": []}
    for _ in range(options.rounds):
        for way, rounds in seen.items():
            command = [sys.executable, "-m", "benchmarks.determinism", *arguments]
            result = subprocess.run(
                [*command, "--observe", way], check=True, text=True, stdout=subprocess.PIPE
            )
            rounds.append(json.loads(result.stdout.splitlines()[-1]))
    wrong = 0
    for row in options.rows:
        plain, slow = (min(r[row]["seconds"] for r in rounds) for rounds in seen.values())
        repeats = all(r[row]["repeats"] for r in seen["deterministic"])
        by_itself = all(r[row]["repeats"] for r in seen["plain"])
        wrong += not repeats
        print(
            f"{row}: {1000 * plain:.1f} ms a step, deterministic {1000 * slow:.1f} ms, "
            f"ratio {slow / plain:.3f}; deterministic {'repeats' if repeats else 'DIFFERS'}, "
            f"plain {'repeats' if by_itself else 'differs'}"
        )
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--observe", choices=["plain", "deterministic"], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("determinism: there is no GPU here; --device cpu --size small runs on any machine")
        return 2
    if options.observe:
        print(json.dumps(observe(options)))
        return 0
    print(f"{device_name(torch.device(options.device))}; torch {torch.__version__}", flush=True)
    return compare(options, arguments)


if __name__ == "__main__":
    sys.exit(main())
