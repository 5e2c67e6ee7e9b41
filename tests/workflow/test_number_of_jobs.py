"""The numbers of an experiment do not depend on how many jobs run at a time."""

import shutil

from tests.support.pipeline import copy_workflow, results, snakemake

RECORDS = ["results/small/runs.csv", "results/small/search.csv"]


def test_one_job_at_a_time_gives_the_numbers_of_two(small, tmp_path):
    folder, packed = copy_workflow(tmp_path), "resources/small/packed"
    shutil.copytree(small / packed, folder / packed)  # made before any run, by a job of its own
    result = snakemake(folder, *RECORDS, "--cores", "1", "--configfile", "small.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    expected = results(small, "small")
    assert len(expected) == 2 + 6 * 2 + 2  # two tables, history and weights of six runs, selections
    assert results(folder, "small") == expected
