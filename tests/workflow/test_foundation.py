"""The foundation that the package carries: made as by `make foundation`, and trained with."""

import json
import os

import pandas as pd
import pytest
import yaml
from PIL import Image

from mpssl.common.files import file_digest, read_json
from mpssl.config.glyph_classes import GLYPH_NAMES
from mpssl.shipped import FOUNDATION
from tests.support.pipeline import copy_workflow, jobs, snakemake


def test_a_foundation_is_trained_measured_and_made_ready_to_be_shipped(tmp_path):
    folder = copy_workflow(tmp_path)
    content = yaml.safe_load((folder / "config/foundation.yaml").read_text())
    content["datasets"]["glyphs"]["images_per_class"] = 6
    sizes = {"batch_size": 8, "z_dim": 4, "channel_width": 4, "helper_width": 4}
    content["foundation"]["generator"] |= {"steps": 3} | sizes
    content["foundation"]["classifier"] |= {"steps": 3, "batch_size": 8}
    content["roles"]["architectures"] = {"default": ["resnet8"]}
    (folder / "foundation.yaml").write_text(yaml.safe_dump(content))

    target = ["ship_foundation", "--configfile", "foundation.yaml"]
    result = snakemake(folder, "--cores", "2", *target)
    assert result.returncode == 0, result.stdout[-4000:]
    made = folder / "results/foundation/shipped"
    kept = {path.name for path in FOUNDATION.iterdir()} - {"resnet14.safetensors"}
    assert {path.name for path in made.glob("[!.]*")} == kept
    statistics = read_json(made / "statistics.json")["resnet8"]
    assert set(statistics) == set(read_json(FOUNDATION / "statistics.json")["resnet8"])
    assert statistics["class_agreement"] < 0.1  # after three steps
    weights, halved = (
        path.stat().st_size
        for path in (
            next((folder / "store/classifiers").glob("*/resnet8.safetensors")),
            made / "resnet8.safetensors",
        )
    )
    assert halved < 0.51 * weights
    with Image.open(folder / "results/foundation/sheet.png") as sheet:
        assert sheet.height == 10 * 32


@pytest.mark.usefixtures("forked_jobs")
def test_runs_start_from_the_shipped_foundation_and_train_none(tmp_path):
    folder = copy_workflow(tmp_path)
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    columns, rows = {"datasets": "main"}, ["base/base", "generative/pssl", "generative/mpssl"]
    content |= {
        "foundation": {"generator": {"kind": "shipped"}, "classifier": {"kind": "shipped"}},
        "training": content["training"]
        | {"normalize_mean": [0.5] * 3, "normalize_std": [0.5] * 3, "snapshots": 1},
        "seeds": [0],
        "unlabeled_weight": 1,
        "wanted": ["accuracy", "classes"],
        "tables": {"accuracy": {"title": "Accuracy", "rows": rows} | columns},
        "figures": {"classes": {"kind": "classes", "title": "Classes", "rows": rows[1:]} | columns},
        "claims": {},
        "domain": {"images": 20},
    }
    del content["datasets"]["glyphs"]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))

    result = snakemake(folder, "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    done = jobs(result.stdout)
    assert done["train_run"] == 3 and done["pack_images"] == 1
    assert not {"train_generator", "train_foundation_classifier"} & set(done)
    run = "digits/50/generative/pssl/default/resnet8/lambda-1/seed-0"
    record = json.loads((folder / f"results/tiny/runs/{run}/metrics.json").read_text())
    network = [FOUNDATION / name for name in ("config.json", "model.safetensors")]
    assert record["digests"]["generator"] == file_digest(*network)
    classifier = file_digest(FOUNDATION / "resnet8.safetensors")
    assert record["digests"]["foundation_classifier"] == classifier
    numbers = pd.read_csv(folder / "results/tiny/figures/classes.csv")
    likeliest = numbers.top.str.split("\u200e").str[0]
    assert set(likeliest) <= {name.split()[-1] for name in GLYPH_NAMES}

    # An installation gives the same files new times.
    os.utime(network[1])
    os.utime(FOUNDATION / "resnet8.safetensors")
    again = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]
