"""The workflow as a module of another one, from a folder and from a git URL with a tag."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mpssl.common.once import DONE
from mpssl.config.reading import load
from mpssl.plan.cells import Run, cell_of
from mpssl.plan.experiment import Experiment
from tests.support.pipeline import copy_workflow, environment, jobs, snakemake

TAG = "v1"
# As snakedeploy 0.17 writes it into workflow/Snakefile.
MODULE = """\
configfile: "config/config.yaml"
module mpssl:
    snakefile:
        {snakefile}
    config:
        config
"""
ALL = "use rule * from mpssl\n"
RENAMED = "use rule * from mpssl as mpssl_*\n"
CHANGED = "use rule make_report from mpssl with:\n    threads: 2\n"
GIT = f"git+file://{{}}/workflow/Snakefile@{TAG}"
FOLDER = "{}/workflow/Snakefile"
PREFIX = '    prefix: "deep/er"\n'
WITHOUT_PACKAGE = "import sys; sys.modules['mpssl'] = None; from snakemake.cli import main; main()"


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The workflow, not the package, in a git repository with a tag."""
    folder = copy_workflow(tmp_path_factory.mktemp("repository"))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"], ["tag", TAG]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def other(tmp_path) -> Path:
    """The folder of another workflow, with a configuration of ours."""
    (tmp_path / "config").mkdir()
    (tmp_path / "workflow").mkdir()
    shutil.copy("tests/support/small.yaml", tmp_path / "config/config.yaml")
    return tmp_path


def write(folder: Path, source: str, more: str = "", rules: str = ALL) -> None:
    """A Snakefile that uses the module; `more` are lines of the module, `rules` follow it."""
    text = MODULE.format(snakefile=f'"{source}"') + more + rules
    (folder / "workflow/Snakefile").write_text(text)


def outputs(text: str) -> list[str]:
    """The files of a dry run's jobs."""
    lines = re.findall(r"^ +output: (.+)$", text, re.MULTILINE)
    return [path for line in lines for path in line.split(", ")]


@pytest.fixture(scope="module")
def alone(repository) -> dict[str, int]:
    """Jobs by rule if the workflow is no module."""
    return jobs(snakemake(repository, "-n", "--configfile", "small.yaml").stdout)


@pytest.mark.parametrize(
    ("source", "more", "rules", "start", "root"),
    [
        (FOLDER, "", ALL, "", ""),
        ("{}/Snakefile", "", RENAMED, "mpssl_", ""),
        (GIT, "", ALL, "", ""),
        (GIT, PREFIX, RENAMED, "mpssl_", "deep/er/"),
        (GIT, PREFIX, ALL + CHANGED, "", "deep/er/"),
    ],
    ids=["folder", "checkout", "git", "prefix", "changed rule"],
)
def test_a_module_has_the_jobs_of_the_workflow(
    repository, alone, other, source, more, rules, start, root
):
    write(other, source.format(repository), more, rules)
    done = snakemake(other, "-n", "--cores", "1")
    assert done.returncode == 0, done.stdout[-3000:]
    assert jobs(done.stdout) == {
        name if name == "total" else start + name: count for name, count in alone.items()
    }
    places = (f"{root}results/", "store/")
    assert all(path.startswith(places) for path in outputs(done.stdout))


def test_a_run_of_a_module_is_trained_below_the_prefix(repository, other):
    write(other, GIT.format(repository), PREFIX, RENAMED)
    experiment = Experiment(load(other / "config/config.yaml"), root=Path("deep/er"))
    cell = cell_of("base/base", experiment.plan.columns("table1")[0])
    run: Run = experiment.plan.fixed_runs(cell)[0]
    whole = experiment.paths.run(run).folder / DONE
    done = snakemake(other, "--cores", "1", str(whole))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (other / whole).exists() and (other / experiment.paths.train_log(run)).exists()
    made = {path.name for path in other.iterdir()}
    assert made == {"config", "deep", "store", "workflow", ".snakemake"}
    again = snakemake(other, "--cores", "1", str(whole))
    assert "Nothing to be done" in again.stdout
    # A person's command takes the folder from the file.
    status = [sys.executable, "-m", "mpssl", "status", "--config", experiment.paths.resolved_config]
    shown = subprocess.run(status, cwd=other, env=environment(), capture_output=True, text=True)
    assert "1 done" in shown.stdout, shown


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "    config:",
            '    replace_prefix: {"results/": "x/"}\n    config:',
            "give the module a `prefix`",
        ),
        ("        config\n", '        config | {"sedes": [1]}\n', "key 'sedes'"),
    ],
)
def test_a_wrong_module_is_one_line(repository, other, old, new, line):
    write(other, FOLDER.format(repository))
    path = other / "workflow/Snakefile"
    path.write_text(path.read_text().replace(old, new))
    done = snakemake(other, "-n", "--cores", "1")
    assert done.returncode == 1 and line in done.stdout, done.stdout
    assert "Traceback" not in done.stdout


def test_a_missing_package_is_said(repository, other):
    write(other, GIT.format(repository))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGE, "-n", "--cores", "1"],
        cwd=other,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "the package mpssl is not installed in the Python that runs Snakemake" in done.stdout


def test_a_preflight_starts_no_module(repository, other):
    """Its check runs when the workflow itself starts, and a module's never does."""
    write(other, FOLDER.format(repository))
    command = [sys.executable, "-m", "mpssl", "preflight", "--profile", "profiles", "--cores", "1"]
    (other / "profiles").mkdir()
    (other / "profiles/config.yaml").write_text("cores: 1\n")
    done = subprocess.run(
        command, cwd=other, env=environment(), text=True, stdout=-1, stderr=subprocess.STDOUT
    )
    assert done.returncode == 1 and "not where mpssl is a module" in done.stdout
    assert not (other / "resources").exists()
