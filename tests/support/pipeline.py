"""The workflow in a folder of its own, and the paper's data sets in miniature."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import safetensors.torch
import yaml

from tests.support.local_server import Answer, without_proxies
from tests.support.official_files import A_CLASS, packed, write
from tests.support.official_fixtures import DATASETS, DOWNLOADABLE

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = yaml.safe_load((ROOT / "mpssl/shipped/datasets.yaml").read_text())["datasets"]
JOBS = "MPSSL_TEST_JOBS"  # names the folder of a job server's python
OWN_COPIES = ("chaoyang", "imagenet")
PLAIN = ("dtd-r1.0.1.tar.gz",)  # said to be a tar without gzip


def copy_workflow(folder: Path) -> Path:
    """The workflow without results, in `folder`."""
    for name in (
        "Snakefile",
        "environment.yml",
        "tests/support/tiny.yaml",
        "tests/support/small.yaml",
        "tests/support/store.yaml",
    ):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def environment() -> dict[str, str]:
    """The environment of Snakemake and its jobs: this Python first, one thread each, no proxies.

    Or first the `python` of tests/support/job_server.py, in tests with the fixture `forked_jobs`.
    """
    places = [*filter(None, [os.environ.get(JOBS)]), str(Path(sys.executable).parent)]
    path = os.pathsep.join([*places, os.environ["PATH"]])
    return without_proxies(os.environ) | {"PATH": path, "OMP_NUM_THREADS": "1"}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Snakemake in `folder`; its whole output is in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def results(folder: Path, experiment: str) -> dict[str, object]:
    """What must not change when an experiment is run again: all numbers of its runs but times."""
    found: dict[str, object] = {}
    for name in ("runs.csv", "search.csv"):
        table = pd.read_csv(folder / "results" / experiment / name)
        found[name] = table.drop(columns=["seconds", "commit"]).to_csv(index=False)
    for link in sorted((folder / "results" / experiment / "runs").rglob("seed-*")):
        key = str(link.relative_to(folder))
        found[f"{key}/history.csv"] = (link / "history.csv").read_text()
        weights = safetensors.torch.load_file(link / "model.safetensors")
        found[f"{key}/model"] = {name: value.tolist() for name, value in weights.items()}
    return found


def jobs(output: str) -> dict[str, int]:
    """Jobs by rule, from the first 'Job stats' of Snakemake's output."""
    if "Job stats:" not in output:
        return {}
    lines = output.split("Job stats:")[1].splitlines()[3:]
    found = {}
    for line in lines:
        if not (match := re.fullmatch(r"(\w+)\s+(\d+)", line.strip())):
            break
        found[match[1]] = int(match[2])
    return found


def trainings(output: str) -> int:
    """Jobs that train a run, of a given lambda or of the chosen one."""
    counts = jobs(output)
    return counts.get("train_run", 0) + counts.get("train_chosen", 0)


def sizes(data):
    """Of the whole data set, which mpssl/shipped/datasets.yaml has of the real one."""
    known = {"pool": data.pool, "test": data.test, "classes": 1}
    return {key: count * len(data.classes) for key, count in known.items()}


def served(server, name):
    """A data set's shipped settings, with the files, addresses and sizes of its fixture."""
    data = DATASETS[DOWNLOADABLE[name]]()
    downloads = []
    for file, body in packed(data, plain=PLAIN).items():
        dead = server.serve(f"/dead/{file}", Answer(status=404))
        url = server.serve(f"/{name}/{file}", body)
        sha256 = hashlib.sha256(body).hexdigest()
        known = {"bytes": len(body), "sha256": sha256}
        if file == "cars_annos.mat":  # only its md5 is published
            known = {"md5": hashlib.md5(body).hexdigest()}
        urls = [dead, url] if name == "birds" else [url]
        downloads.append({"file": file, "urls": urls} | known)
    return SHIPPED[name] | sizes(data) | {"downloads": downloads}


def paper_datasets(server, copies: Path) -> dict[str, dict]:
    """Settings of all nine data sets: seven served as archives, two as copies in a folder."""
    datasets = {name: served(server, name) for name in DOWNLOADABLE}
    for name in OWN_COPIES:
        data = DATASETS[name]()
        write(data, copies / name)
        known = sizes(data) if name == "chaoyang" else {"images_per_class": A_CLASS}
        datasets[name] = SHIPPED[name] | known | {"path": str(copies / name)}
    return datasets
