"""What several test files share."""

import copy
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filelock import FileLock

# Before torch is imported: on busy cores its threads wait for each other, ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hundreds of jobs begin with an import of the package: they find its byte code.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from mpssl.plan.paths import Paths  # noqa: E402
from tests.support import job_server, pipeline  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SLOW = ("long", "workflow")  # rooms of which every test is slow


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    """Mark the slow rooms; workers of pytest-xdist begin with what is slow, to end together."""
    for item in items:
        if item.path.parent.name in SLOW:
            item.add_marker("slow")
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path.parent.name not in SLOW, item.path not in slow))


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    """Configuration files are named from the root of the repository."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def own_results(monkeypatch, tmp_path):
    """The folder of the test's own for results of every experiment; its store is beside it."""
    folder = tmp_path / "results"
    monkeypatch.setattr(Paths, "results", property(lambda _: folder))
    monkeypatch.setattr(Paths, "store", property(lambda _: tmp_path / "store"))
    return folder


@pytest.fixture
def content():
    """A small configuration of our own, complete but for defaults; fresh for each test."""
    return {
        "experiment": "tiny",
        "datasets": {
            "glyphs": {"adapter": "glyphs", "images_per_class": 4},
            "mnist": {"adapter": "mnist", "title": "MNIST", "pool_size": 20, "test_size": 10},
            "digits": {"adapter": "digits", "title": "UCI", "pool_size": 20, "test_size": 10},
        },
        "foundation": {
            "dataset": "glyphs",
            "generator": {"kind": "trained", "steps": 1},
            "classifier": {"kind": "trained", "steps": 1},
        },
        "roles": {
            "datasets": {"main": ["mnist", "digits"], "ablation": ["mnist"]},
            "fractions": {"default": [50], "all": [50, 100]},
            "architectures": {"default": ["resnet8"]},
        },
        "seeds": [3, 4, 5],
        "unlabeled_weight_grid": [0.25, 1.0],
        "methods": {
            "base": {"base": {"label": "Base", "source": "none", "objective": "none"}},
            "oracle": {
                "fixmatch": {"label": "FixMatch", "source": "real", "objective": "fixmatch"},
                "freematch": {"label": "FreeMatch", "source": "real", "objective": "freematch"},
            },
            "transfer": {"scr": {"label": "SCR", "source": "foundation", "objective": "scr"}},
            "generative": {
                "pssl": {"label": "P-SSL", "source": "pseudo", "objective": "freematch"},
                "mpssl": {
                    "label": "MP-SSL",
                    "source": "lmo",
                    "objective": "scr",
                    "variants": {
                        "no_lmo": {"label": "without LMO", "source": "uniform"},
                        "no_gap": {"label": "without gap", "lmo": {"gap_weight": 0}},
                        "tau": {"label": "tau", "lmo": {"converter": {"temperature": 0.5}}},
                    },
                },
            },
        },
        "tables": {
            "first": {
                "title": "First",
                "datasets": "main",
                "rows": ["base/base", "oracle/fixmatch", "generative/mpssl"],
            },
            "second": {
                "title": "Second",
                "fractions": "all",
                "rows": ["base/base", "generative/mpssl/no_lmo"],
            },
        },
        "figures": {},
        "claims": {},
    }


@pytest.fixture
def changed(content):
    """A function: the small configuration with the value at a dotted key set."""

    def change(key, value):
        whole = copy.deepcopy(content)
        *path, last = key.split(".")
        part = whole
        for name in path:
            part = part.setdefault(name, {})
        part[last] = value
        return whole

    return change


@pytest.fixture(scope="session")
def _job_server():
    with TemporaryDirectory(dir="/tmp") as folder, job_server.serving(Path(folder)):
        yield folder  # of a short name, as a socket must have


@pytest.fixture(scope="module")
def forked_jobs(_job_server):
    """Let Snakemake's jobs be forks of one process, in a test that is not about their start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(pipeline.JOBS, _job_server)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, _job_server):
    """The folder of the tiny experiment, finished, and Snakemake's output. Leave it as it is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(pipeline.JOBS, _job_server)
        return _run_pipeline(tmp_path_factory, "tiny")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of the small experiment, run by two jobs at a time. Leave it as it is."""
    return _run_pipeline(tmp_path_factory, "small")[0]


def _run_pipeline(tmp_path_factory, name: str) -> tuple[Path, str]:
    """Run an experiment of tests/support; workers of pytest-xdist share the one run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, output = shared / f"pipeline_{name}", shared / f"pipeline_{name}.log"
    with FileLock(shared / f"pipeline_{name}.lock"):
        if not output.exists():
            assert not folder.exists(), f"the experiment {name} failed in another worker"
            folder.mkdir()
            result = pipeline.snakemake(
                pipeline.copy_workflow(folder), "--cores", "2", "--configfile", f"{name}.yaml"
            )
            assert result.returncode == 0, result.stdout[-4000:]
            output.write_text(result.stdout)
    return folder, output.read_text()
