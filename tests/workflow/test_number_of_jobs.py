"""The numbers of an experiment do not depend on how many jobs run at a time."""

import shutil

import pytest

from tests.support.pipeline import copy_workflow, results, snakemake

RECORDS = ["results/small/runs.csv", "results/small/search.csv"]


@pytest.mark.usefixtures("forked_jobs")
def test_one_job_at_a_time_gives_the_numbers_of_two(small, tmp_path):
    """Of one seed and the search's: five runs, and the foundation that they start from."""
    folder, packed = copy_workflow(tmp_path), "store/packed"
    shutil.copytree(small / packed, folder / packed)  # made before any run, by a job of its own
    one_seed = ["--config", "seeds=[0]", "--configfile", "small.yaml"]
    result = snakemake(folder, *RECORDS, "--cores", "1", *one_seed)
    assert result.returncode == 0, result.stdout[-4000:]
    found, expected = results(folder, "small"), results(small, "small")
    del found["runs.csv"], expected["runs.csv"]  # of one seed and of two
    expected = {name: value for name, value in expected.items() if "seed-1/" not in name}
    assert len(expected) == 1 + 5 * 2  # search.csv, histories and weights
    assert found == expected
