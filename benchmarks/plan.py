"""How long `snakemake -n` takes on a plan of 10,000 runs, and how much of that is the plan's own.

    python -m benchmarks.plan [--runs 10000] [--profile]

The configuration is config/config.yaml with many embedded data sets x label fractions in the place
of its own, Table 1's methods, the search over lambda and three seeds. The plan's own part is what
the workflow asks of this package while Snakemake reads the rules and builds the graph: the
configuration's validation, cells, runs, settings, code digests and paths, each job's once. Nothing
is run.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mpssl.common.code_digest import code_digest
from mpssl.config import reading
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan, run_modules

ROOT = Path(__file__).resolve().parent.parent
FRACTIONS = list(range(5, 100, 10))
TABLE = "table1"
BOUND_SECONDS, PLAN_BOUND_SECONDS = 60, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000, help="at least so many")
    parser.add_argument("--profile", action="store_true", help="also print where the time goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.json"
        path.write_text(json.dumps(many_runs(arguments.runs)))
        print(f"{platform.processor() or platform.machine()}, load {os.getloadavg()[0]:.1f}")
        started, used = time.perf_counter(), time.process_time()
        runs = own_part(path)
        print(
            f"the plan's own part: {time.process_time() - used:.2f} s of processor time, "
            f"{time.perf_counter() - started:.2f} s of wall time for {runs} runs "
            f"(bound: {PLAN_BOUND_SECONDS} s)",
            flush=True,
        )
        started = time.perf_counter()
        used = _children_seconds()
        dry_run(path, Path(folder), arguments.profile)
        print(
            f"snakemake -n: {_children_seconds() - used:.1f} s of processor time, "
            f"{time.perf_counter() - started:.1f} s of wall time (bound: {BOUND_SECONDS} s)"
        )


def many_runs(runs: int) -> dict:
    """The paper's configuration with as many data sets as `runs` runs of Table 1 take."""
    content = reading.read_yaml(ROOT / "config/config.yaml")
    content |= {"experiment": "many", "wanted": [TABLE]}
    content["roles"] = {
        "datasets": {},
        "fractions": dict.fromkeys(("default", "small", "all"), FRACTIONS),
        "architectures": {"default": ["resnet18"], "larger": ["resnet50"]},
    }
    # None of the data sets is at hand, so each is also packed and split in the plan.
    embedded = {"adapter": "digits", "pool_size": 1000, "test_size": 400}
    foundation = content["foundation"]["dataset"]
    datasets = {foundation: {"adapter": "imagenet"}}
    count = 0
    while count < runs:
        name = f"digits{len(datasets)}"
        datasets[name] = embedded | {"title": name}
        everywhere = [other for other in datasets if other != foundation]
        content["roles"]["datasets"] = dict.fromkeys(
            ("main", "ablation", "additional", "competitive", "mismatched"), everywhere
        )
        content["datasets"] = datasets
        if len(datasets) == 2:
            plan = Plan(reading.resolve(content))
            per_dataset = sum(1 for _ in plan.runs(plan.cells(TABLE)))
        count += per_dataset
    return content


def own_part(path: Path) -> int:
    """What the rules ask of the package for every run; returns the number of runs."""
    experiment = Experiment.load(path)
    plan, paths, count = experiment.plan, experiment.paths, 0
    for cell in plan.wanted_cells():
        plan.fixed_runs(cell)
        plan.search_runs(cell) if plan.searched(cell) else ()
        for run in plan.runs([cell]):
            count += 1
            settings = plan.settings(run.cell)
            code_digest(*run_modules(settings))
            settings.model_dump_json()
            plan.needs(run.cell)
            paths.run(run)
    return count


def dry_run(path: Path, folder: Path, profile: bool) -> None:
    """`snakemake -n` in a folder without results."""
    command = [sys.executable]
    statistics = folder / "profile"
    if profile:
        command += ["-m", "cProfile", "-o", str(statistics)]
    command += ["-m", "snakemake", "-n"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with open(folder / "plan.txt", "w") as output:  # a line or more for each job
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=output)
    if profile:
        import pstats

        pstats.Stats(str(statistics)).sort_stats("cumulative").print_stats(60)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
