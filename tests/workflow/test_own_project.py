"""A person's project through Snakemake, from outside of the repository."""

import re
import shutil

import pytest

from tests.support.commands import mpssl
from tests.support.pictures import draw_classes
from tests.support.pipeline import ROOT, snakemake

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path):
    """A project x/dig, and a copy of it of the same name."""
    draw_classes(tmp_path / "images")
    words = ["init", "x/dig", "--images", "images", "--foundation", "small"]
    assert mpssl(*words, cwd=tmp_path).returncode == 0
    shutil.copytree(tmp_path / "x/dig", tmp_path / "with blank/dig")
    return tmp_path


def test_a_start_ends_well_before_the_answer_and_claims_the_results(place):
    def start(project):
        words = ["--snakefile", ROOT / "Snakefile", "--cores", "1", "--until", "pack_images"]
        return snakemake(place, *map(str, words), "--configfile", f"{project}/config.yaml")

    first = start("x/dig")
    assert first.returncode == 0, first.stdout
    assert "answer.md" not in first.stdout
    second = start("with blank/dig")
    assert second.returncode == 1
    assert "results/dig has the results of" in second.stdout
    assert "give with blank/dig/config.yaml another name" in second.stdout.replace(f"{place}/", "")
    shutil.rmtree(place / "x")
    third = start("with blank/dig")
    assert third.returncode == 0, third.stdout
    assert "not those of the last start" not in third.stdout
    (place / "images/cat/0.png").unlink()
    fourth = start("with blank/dig")
    assert fourth.returncode == 0, fourth.stdout
    assert "dig: its images, or the list of those to leave out, are not those" in fourth.stdout
    assert re.search(r"pack_images +1\n", fourth.stdout)
