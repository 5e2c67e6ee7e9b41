"""A generator of the user's own, the one of docs/generators.md, in place of the tiny one."""

import json
import re
import shutil

import pandas as pd
import pytest
import yaml

from tests.support.pipeline import ROOT, jobs, snakemake


@pytest.mark.usefixtures("forked_jobs")
def test_the_documented_generator_is_trained_with(tiny, tmp_path):
    folder = shutil.copytree(tiny[0], tmp_path / "tiny", symlinks=True)
    documented = re.search(r"```python\n(.*?)```", (ROOT / "docs/generators.md").read_text(), re.S)
    (folder / "my_generator.py").write_text(documented[1])
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    generator = {"kind": "python", "entry": "my_generator:build", "options": {"classes": 12}}
    rows = ["base/base", "generative/mpssl"]
    content["foundation"]["generator"] = generator
    content |= {
        "seeds": [0],
        "unlabeled_weight": 1,
        "wanted": ["accuracy"],
        "domain": {"images": 20},
        "tables": {"accuracy": {"title": "Accuracy", "rows": rows}},
        "figures": {},
        "claims": {},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))

    result = snakemake(folder, "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    assert jobs(result.stdout)["train_run"] == 1  # MP-SSL's; the base model has no generator
    assert jobs(result.stdout)["measure_domain"] == 1
    assert "train_generator" not in jobs(result.stdout)
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    assert runs.setting.tolist() == ["base", "generative"]
    run = "digits/50/generative/mpssl/default/resnet8/lambda-1/seed-0"
    record = json.loads((folder / f"results/tiny/runs/{run}/metrics.json").read_text())
    assert record["source_statistics"]["converter_entropy"] <= 2.4850  # ln 12

    with open(folder / "my_generator.py", "a") as file:
        file.write("\n# another one\n")
    planned = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert jobs(planned.stdout)["train_run"] == 1
