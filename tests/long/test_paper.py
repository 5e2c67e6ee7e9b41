"""The whole paper in miniature: from archives on a local server to all eleven tables and figures.

Takes minutes, so `make test` leaves it out; `make test-paper` runs it.
"""

import hashlib
import io
import json

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

from mpssl.compat.torchvision import models
from mpssl.config.architectures import BACKBONES
from mpssl.tools.calibration import make_usable
from tests.support.local_server import running
from tests.support.pipeline import ROOT, copy_workflow, jobs, paper_datasets, snakemake

pytestmark = [pytest.mark.paper, pytest.mark.timeout(3600)]
# The layers of BigGAN-deep-256, attention before the ninth.
LAYERS = [(False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8)]
LAYERS += [(True, 8, 8), (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2)]
LAYERS += [(True, 2, 1)]
CELLS, BASE_CELLS = 171, 36  # counted by hand in test_workflow.py


def saved(state) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def biggan() -> dict[str, bytes]:
    """Files of a BigGAN of the 256 architecture's shape, 4 channels wide, random weights."""
    torch.manual_seed(0)
    config = BigGANConfig(
        output_dim=256,
        z_dim=16,
        class_embed_dim=16,
        channel_width=4,
        num_classes=1000,
        layers=LAYERS,
        attention_layer_position=8,
        eps=1e-4,
        n_stats=51,
    )
    network = BigGAN(config)
    make_usable(network)
    text = json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n"
    return {"config.json": text.encode(), "pytorch_model.bin": saved(network.state_dict())}


def resnets() -> dict[str, bytes]:
    """Random weights under the names of torchvision's files."""
    torch.manual_seed(0)
    names = ("resnet18", "resnet50", "resnet101")
    return {BACKBONES[n].weights: saved(models.get_model(n).state_dict()) for n in names}


def downloads(server, files: dict[str, bytes]) -> list[dict]:
    return [
        {
            "file": name,
            "urls": [server.serve(f"/weights/{name}", body)],
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        for name, body in files.items()
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """config/config.yaml but for where files come from, sizes, and the length of the runs."""
    folder = copy_workflow(tmp_path_factory.mktemp("paper"))
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with running() as server:
        config["datasets"] = paper_datasets(server, folder / "own")
        foundation = config["foundation"]
        foundation["generator"]["downloads"] = downloads(server, biggan())
        foundation["classifier"]["downloads"] = downloads(server, resnets())
        config |= {
            "seeds": [0],
            "search_seed": "first",
            "unlabeled_weight_grid": [0.5],
            "unlabeled_ratio": {"oracle": 1, "transfer": 1, "generative": 1},
            "packing": {"size": 72},
            "training": {"epochs": 1, "steps_per_epoch": 1, "batch_size": 4, "image_size": 64},
            "lmo": {"validation_batch_size": 4},
        }
        (folder / "paper.yaml").write_text(yaml.safe_dump(config))
        result = snakemake(folder, "--cores", "2", "--configfile", "paper.yaml")
    assert result.returncode == 0, result.stdout[-6000:]
    return folder, result.stdout


def test_every_run_happened_once(finished):
    folder, output = finished
    counts = jobs(output)
    # control/weak of six data sets is the base model; four more rows have the settings of others
    assert counts["train_run"] == CELLS - 6 - 4
    assert counts["select_lambda"] == CELLS - BASE_CELLS - 4
    assert counts["fetch_dataset"] == 7
    assert len(pd.read_csv(folder / "results/paper/runs.csv")) == CELLS


def test_all_tables_are_whole_and_stand_beside_the_paper(finished):
    folder, _ = finished
    tables = sorted((folder / "results/paper/tables").glob("*.csv"))
    assert len(tables) == 12
    cells = {"table1": 42, "table2": 28, "table3": 5, "table4": 3, "table5": 6, "table6": 5}
    cells |= {"table7": 10, "table8": 24, "table9": 8, "table10": 10, "table11": 2, "controls": 84}
    for path in tables:
        table = pd.read_csv(path)
        assert len(table) == cells[path.stem]
        runs = table[table.note.isna()]
        assert runs["mean"].between(0, 100).all()
        assert len(table) - len(runs) == (3 if path.stem == "table2" else 0)
        if path.stem not in ("table2", "table5", "controls"):  # not legible, or not in the paper
            assert table.paper_mean.notna().sum() >= len(table) - 1
    text = (folder / "results/paper/tables/table1.md").read_text()
    assert "Beside the paper" in text


def test_figures_and_claims_are_there(finished):
    folder, _ = finished
    for name in ("figure3", "figure4", "figure_fractions", "figure_curves"):
        assert len(pd.read_csv(folder / f"results/paper/figures/{name}.csv")) > 0
        with Image.open(folder / f"results/paper/figures/{name}.png") as image:
            assert min(image.size) > 300
    claims = pd.read_csv(folder / "results/paper/claims.csv")
    assert not (claims.verdict == "not run").any()
    assert (claims.verdict == "not decided").all()  # one seed decides nothing
