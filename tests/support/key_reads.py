"""Which keys of the configuration the package reads: it is run, and every read is written down.

    python -m tests.support.key_reads OUT.json

in an empty folder: a small experiment goes through every step of the pipeline in this one process,
and each read of a field of a configuration model, `settings.epochs`, is recorded as a pair of model
and field. Reads of the checks that a configuration goes through when it is loaded do not count.
"""

import json
import sys
from pathlib import Path
from types import FrameType

import yaml
from PIL import Image

from mpssl.cli.main import cli
from mpssl.config.fields import Closed
from tests.support import fake_diffusers
from tests.support.local_server import running
from tests.support.pipeline import ROOT, copy_workflow, served

LOADING = ("mpssl.config.checks", "mpssl.config.reading")
RUNS = "digits/50/{}/default/resnet8/lambda-{}/seed-{}"
FIGURES = ("dots", "differences", "fractions", "samples", "curves", "classes", "trajectory")
GENERATOR = """
import torch


class Plain(torch.nn.Module):
    z_dim, classes, output_range = 3, 2, (-1.0, 1.0)

    def forward(self, z, y):
        return torch.tanh(z[:, :, None, None] + y.sum(1)[:, None, None, None]).expand(-1, 3, 32, 32)


def build(scale):
    return Plain()
"""


def checking(model: type[Closed], frame: FrameType) -> bool:
    """Whether a read is of the checks that a configuration goes through when it is loaded."""
    validators = model.__pydantic_decorators__.model_validators
    return frame.f_code.co_name in validators or frame.f_globals.get("__name__") in LOADING


def record(reads: set[tuple[str, str]]) -> None:
    """Write down every read of a field from now on."""

    def spy(self, name):
        model = type(self)
        if name in model.__pydantic_fields__ and not checking(model, sys._getframe(1)):
            reads.add((model.__name__, name))
        return object.__getattribute__(self, name)

    Closed.__getattribute__ = spy


def draw(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (value, value, value)).save(path)


def own_images() -> dict:
    """A folder of images in its own layout, unlabeled ones, and one that is left out."""
    for k in range(12):
        draw(Path(f"own/{'ab'[k % 2]}/{k}.png"), 10 * k)
        draw(Path(f"more/{k}.png"), 200 + k)
    Path("out.csv").write_text("file\na/0.png\n")
    more = {"unlabeled": "more", "exclude": "out.csv"}
    return {"adapter": "folder", "title": "Own", "path": "own"} | more


def imagenet() -> dict:
    for k in range(6):
        draw(Path(f"imagenet/train/n{k % 2}/{k}.JPEG"), 10 * k)
    sizes = {"images_per_class": 2, "classes": 2}
    return {"adapter": "imagenet", "path": "imagenet"} | sizes


def experiment(server) -> dict:
    """A configuration with every kind of part."""
    small = yaml.safe_load((ROOT / "tests/support/small.yaml").read_text())
    columns = {"datasets": "main"}
    rows = ["base/base", "generative/mpssl"]
    claim = {"text": "It helps.", "place": "Table 1", "row": rows[1], "than": [rows[0]]} | columns
    every = ["oracle/uda", "oracle/fixmatch", "oracle/freematch", "transfer/scr"]
    every += ["transfer/scr/far", "generative/supervised"]
    return small | {
        "experiment": "keys",
        "wanted": ["table1", *FIGURES],
        "datasets": small["datasets"]
        | {"own": own_images(), "dtd": served(server, "dtd"), "imagenet": imagenet()},
        "tables": {
            "table1": {"title": "Small", "rows": rows, "note": "A note."} | columns,
            "table2": {"title": "Every setting and objective", "rows": every} | columns,
        },
        "figures": {
            kind: {"kind": kind, "title": kind, "rows": rows[kind != "differences" :]} | columns
            for kind in FIGURES
        },
        "claims": {"helps": claim},
        "answer": {"rows": [rows[1]]} | columns,
        "domain": {"images": 10},
        "seeds": [0],
        "foundation": small["foundation"]
        | {"class_groups": {"far": ["61-97"]}, "class_map": {str(k): [k] for k in range(10)}},
        "training": small["training"] | {"epochs": 2, "steps_per_epoch": 2},
        "augmentation": small["augmentation"] | {"labeled": {"crop": "resized"}},
    }


def other_foundation(content: dict) -> dict:
    """The same with a generator in Python and without pretrained features."""
    Path("plain.py").write_text(GENERATOR)
    generator = {"kind": "python", "entry": "plain:build", "options": {"scale": 1}}
    return content | {
        "foundation": content["foundation"] | {"generator": generator},
        "training": content["training"] | {"pretrained": False},
        "unlabeled_weight": 0.5,
    }


def shipped_foundation(content: dict) -> dict:
    """The same with the foundation that the package carries."""
    same = {"normalize_mean": [0.5] * 3, "normalize_std": [0.5] * 3}
    return content | {
        "foundation": {"generator": {"kind": "shipped"}, "classifier": {"kind": "shipped"}},
        "training": content["training"] | same,
    }


def pool(content: dict) -> dict:
    """The same with images that a generator made before."""
    make = {"generator": {"kind": "shipped"}, "images_per_class": 1}
    generator = {"kind": "images", "path": "pool", "make": make}
    return content | {
        "foundation": content["foundation"] | {"generator": generator},
        "unlabeled_weight": 0.5,
    }


def texts(content: dict, model: str, **more) -> dict:
    """The same with images that a text-to-image model makes of labeled ones."""
    prompts = {"classes": {str(k): f"digit {k}" for k in range(10)}, "negative": "blur"}
    network = {"kind": "diffusers", "model": model, "prompts": prompts, "guidance": 2}
    make = {"generator": network | more, "images_per_class": 1}
    make["variations"] = {"dataset": "digits", "fraction": 50}
    generator = {"kind": "images", "path": "texts", "make": make}
    return content | {
        "foundation": content["foundation"] | {"generator": generator, "class_map": {}},
        "split": {"drawn_for": "experiment"},
    }


def steps(config: str) -> list[list[str]]:
    """The steps of the pipeline, in order, and what people call before and after."""
    datasets = [["pack", name] for name in ("digits", "glyphs", "own", "dtd", "imagenet")]
    mpssl = "generative/mpssl"
    runs = [RUNS.format("base/base", "0", 0), RUNS.format(mpssl, "0.5", 100)]
    commands = [
        ["plan"],
        ["fetch", "dtd"],
        ["data-check", "dtd"],
        ["data-check", "own"],
        *datasets,
        ["split", "digits", "50"],
        ["train-generator"],
        ["train-classifier", "resnet8"],
        ["domain", "digits", "resnet8"],
        *[["train", run] for run in runs],
        ["select", runs[1].partition("/lambda")[0]],
        ["train", RUNS.format(mpssl, "selected", 0)],
        ["collect"],
        ["table", "table1"],
        *[["figure", kind] for kind in FIGURES],
        ["claims"],
        ["answer"],
        ["report"],
        ["status"],
    ]
    return [[name, "--config", config, *more] for name, *more in commands]


def run(*arguments: str) -> None:
    print("mpssl", *arguments, flush=True)
    cli(list(arguments), standalone_mode=False)


def main(out: Path) -> None:
    from snakemake.cli import main as snakemake

    reads: set[tuple[str, str]] = set()
    copy_workflow(Path())
    sys.path.insert(0, "")
    with running() as server:
        content = experiment(server)
        Path("keys.yaml").write_text(yaml.safe_dump(content))
        Path("python.yaml").write_text(yaml.safe_dump(other_foundation(content)))
        Path("pool.yaml").write_text(yaml.safe_dump(pool(content)))
        model = fake_diffusers.write(Path("model"))
        local = texts(content, f"./{model}", lora="model/unet/weights.safetensors")
        Path("texts.yaml").write_text(yaml.safe_dump(local))
        hub = texts(content, "somebody/model", revision="0123456789")
        Path("hub.yaml").write_text(yaml.safe_dump(hub))
        Path("shipped.yaml").write_text(yaml.safe_dump(shipped_foundation(content)))
        record(reads)
        for arguments in steps("keys.yaml"):
            run(*arguments)
    run("train", "--config", "python.yaml", RUNS.format("generative/naive_gssl", "0.5", 0))
    for arguments in (["generate"], ["pack-pool"], ["check-pool", "digits"]):
        run(arguments[0], "--config", "pool.yaml", *arguments[1:])
    fake_diffusers.install()
    run("generate", "--config", "texts.yaml")
    run("plan", "--config", "hub.yaml")
    run("plan", "--config", "shipped.yaml")
    run("plan", "--config", "config/config.yaml")
    try:
        every = ["--config", 'wanted=["all"]', "--configfile", "keys.yaml"]
        snakemake(["--dry-run", "--quiet", "--cores", "1", "--forceall", *every])
    except SystemExit as end:
        assert not end.code, "the dry run failed"
    out.write_text(json.dumps(sorted(reads)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
