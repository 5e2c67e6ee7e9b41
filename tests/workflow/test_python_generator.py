"""A generator of the user's own, docs/generators.md's, through the pipeline."""

import json
import re

import pandas as pd
import yaml

from tests.support.pipeline import ROOT, copy_workflow, jobs, snakemake


def test_the_documented_generator_is_trained_with(tmp_path):
    folder = copy_workflow(tmp_path)
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
        "tables": {"accuracy": {"title": "Accuracy", "rows": rows}},
        "figures": {},
        "claims": {},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))

    result = snakemake(folder, "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    assert jobs(result.stdout)["train_run"] == 2
    assert "train_generator" not in jobs(result.stdout)
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    assert runs.setting.tolist() == ["base", "generative"]
    record = next((folder / "results/tiny/runs").rglob("mpssl/**/metrics.json"))
    assert (
        json.loads(record.read_text())["source_statistics"]["converter_entropy"] <= 2.4850
    )  # ln 12

    with open(folder / "my_generator.py", "a") as file:
        file.write("\n# another one\n")
    planned = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert jobs(planned.stdout)["train_run"] == 1  # MP-SSL's; the base model has no generator
