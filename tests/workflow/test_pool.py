"""config/pool.yaml at a tiny size: images made once, packed, compared, and used in every way."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from PIL import Image

from tests.support.pipeline import ROOT, copy_workflow, jobs, snakemake

pytestmark = pytest.mark.usefixtures("forked_jobs")

FILES = ("--configfile", "config/mini.yaml", "config/pool.yaml", "tiny_pool.yaml")
SMALL = {
    "seeds": [0, 1],
    "device": "cpu",
    "datasets": {"mnist": {"pool_size": 600, "test_size": 100}},
    "foundation": {"generator": {"make": {"images_per_class": 2}}},
    "training": {"epochs": 1, "steps_per_epoch": 2},
}


def test_images_that_a_step_lacks_are_missed_before_a_job(tmp_path):
    folder = copy_workflow(tmp_path)
    (folder / "few/0").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "few/0/1.png")
    pool = {"kind": "images", "path": "few", "make": None}
    (folder / "tiny_pool.yaml").write_text(yaml.safe_dump({"foundation": {"generator": pool}}))
    result = snakemake(folder, "-n", *FILES)
    assert result.returncode == 1
    assert "the pool few has 1 images, a step takes 30; make more" in result.stdout


def test_a_pool_is_made_once_and_used_in_every_way(tmp_path):
    folder = copy_workflow(tmp_path)
    (folder / "tiny_pool.yaml").write_text(yaml.safe_dump(SMALL))
    result = snakemake(folder, "--cores", "2", *FILES)
    assert result.returncode == 0, result.stdout[-4000:]
    done = jobs(result.stdout)
    rows = yaml.safe_load((ROOT / "mpssl/shipped/tables.yaml").read_text())["tables"]
    rows = rows["uses_of_images"]["rows"]
    assert [done[name] for name in ("make_pool", "pack_pool", "check_pool")] == [1, 1, 1]
    assert done["train_run"] == 2 * len(rows)
    runs = pd.read_csv(folder / "results/pool/runs.csv")
    assert set(runs.setting + "/" + runs.method) == {"/".join(row.split("/")[:2]) for row in rows}
    assert runs.test_accuracy.between(0, 100).all()
    table = (folder / "results/pool/tables/uses_of_images.md").read_text()
    assert "Generated images with labels" in table
    images = list((folder / "resources/pool/images").glob("*/*.png"))
    assert len(images) == 2 * 98

    planned = snakemake(folder, "-n", *FILES)
    assert not jobs(planned.stdout)  # nothing is left to do

    made = folder / "resources/pool/images/generator.json"
    assert json.loads(made.read_text())["images_per_class"] == 2
    before = {image: image.stat().st_mtime_ns for image in images}
    shutil.rmtree(images[0].parent)
    made.unlink()
    result = snakemake(folder, "--cores", "2", "--until", "make_pool", *FILES)
    assert result.returncode == 0, result.stdout[-4000:]
    kept = [image for image in images if image.stat().st_mtime_ns == before[image]]
    assert len(kept) == 2 * 97  # of the others the same pixels came again
