"""Write `mpssl/shipped/timm.csv`: what timm's classifiers need, and which cannot be split.

    python -m benchmarks.list_timm              # all: about a second of one core for each
    python -m benchmarks.list_timm --families   # docs/timm.md: a step of MP-SSL in each family

The list is gone on with: small networks with published weights first, one of each family after the
other. They are described without memory (on torch's meta device). A family is a module of timm; of
each the smallest network is built and takes a step of MP-SSL on random images, in float64.
"""

import argparse
import csv
import itertools
import re
import warnings
from collections import defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.list_torchvision import maps, works
from mpssl.common.files import csv_text, write_text
from mpssl.config.architectures import BACKBONES, TIMM
from mpssl.models import timm_network
from mpssl.models.classifier import Classifier
from mpssl.shipped import TIMM_MODELS
from mpssl.training.meta_gradient import validation_gradient
from mpssl.training.objectives import build_objective

SIDES = (32, 64, 96, 128, 160, 192, 224, 240, 256, 288, 299, 320, 384, 448, 512)
SMALL = re.compile(r"test_|tiny|small|nano|pico|atto|femto|_xx?s|_s_|_s$|_?b0|18|26|34|50|_0\d\d")
COLUMNS = ["name", "bytes", "features", "maps", "smallest", "fixed", "multiple", "reason"]
PAGE = Path("docs/timm.md")
HEAD = """# Classifiers of timm

[`roles.architectures`](configuration.md#roles) takes `timm/NAME`, a classifier of the package timm
(`pip install 'mpssl[timm]'`). This page is made by `python -m benchmarks.list_timm --families` with
timm {version}. `mpssl/shipped/timm.csv` lists {listed} of its {all} networks; {usable} of them
can be split into features and head, and the list has the reason for each of the rest. Networks of
later versions are refused until `python -m benchmarks.list_timm` has described them.

A family is a module of timm. `networks` counts those that can be split, of those in the list. Of
each family the smallest network was built with random weights, split, and took a step of MP-SSL in
float64, unless it has more than 1 GB of weights, or its turn had not come. Networks without a
single linear head serve as classifiers, but their weights know no classes, which P-SSL needs.

| family | networks | tried | split | step of MP-SSL | notes |
|---|---|---|---|---|---|
"""
MOST_BYTES = 1_000_000_000  # of the weights of a network that takes a step, float32; HEAD says it


def describe(name: str) -> tuple[dict, str]:
    """A network's facts and why it cannot be split, which is empty if it can."""
    with torch.device("meta"):
        network = timm_network.build(TIMM + name, num_classes=0).eval()
        whole = timm_network.build(TIMM + name).eval()
    own = whole.pretrained_cfg["input_size"][1]
    sides = [side for side in sorted({*SIDES, own}) if side <= own or side <= 64]
    multiple = 1
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if getattr(network, "dynamic_img_size", False) and patch:
        multiple = max(patch)
        sides = [(side + multiple - 1) // multiple * multiple for side in sides]
    smallest = next((side for side in sides if works(network, side)), None)
    if smallest is None:
        return {}, f"no square of {sides[0]} to {sides[-1]} pixels passes"
    features = network(torch.empty(2, 3, smallest, smallest, device="meta"))
    width = getattr(network, "head_hidden_size", None) or network.num_features
    if features.shape != (2, width):
        return {}, f"its features are {tuple(features.shape[1:])}, not ({width},)"
    missing = set(network.state_dict()) - set(whole.state_dict())
    if missing:
        return {}, f"without its head it has a layer {min(missing)} of its own"
    head = timm_network.head_of(whole)
    if head is not None and head.weight.shape[1] != width:
        return {}, f"its head reads {head.weight.shape[1]} of {width} features"
    facts = {
        "bytes": sum(v.numel() * v.element_size() for v in network.state_dict().values()),
        "features": width,
        "maps": maps(network, max(smallest, own // multiple * multiple)),
        "smallest": smallest,
        "fixed": int(not works(network, smallest + 32 * multiple)),
        "multiple": multiple,
    }
    return facts, "" if head is not None else "no single linear head"


def of_weights(name: str, headless: bool) -> dict:
    """What timm says of a network's published weights."""
    config = timm_network.import_timm().get_pretrained_cfg(name)
    hub = config.hf_hub_id or ""
    known = hub.startswith("timm/") and not config.hf_hub_filename
    side, part, way = config.input_size[1], config.crop_pct, config.interpolation
    return {
        "classes": 0 if headless else config.num_classes,
        "mean": " ".join(f"{value:.7g}" for value in config.mean),
        "std": " ".join(f"{value:.7g}" for value in config.std),
        "trained_at": f"{side} pixels, {part:g} of the image, {way}",
        "hub": hub if known else "",
    }


def in_order(names: list[str], tagged: dict[str, list[str]]) -> list[str]:
    """Names with published weights first, small networks first, a family after the other."""
    by_family = defaultdict(list)
    for name in sorted(names, key=lambda n: (not tagged[n], not SMALL.search(n))):
        by_family[family(name)].append(name)
    rounds = itertools.zip_longest(*by_family.values())
    return [name for one_each in rounds for name in one_each if name is not None]


def write_list() -> None:
    timm = timm_network.import_timm()
    # Without memory there is nothing to draw, and drawing in Python is a third of the time.
    timm.layers.weight_init._trunc_normal_ = lambda tensor, *_: tensor
    tagged = defaultdict(list)
    for name in timm.list_pretrained():
        tagged[name.partition(".")[0]].append(name)
    with open(TIMM_MODELS, newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["name"] for row in rows}
    left = [name for name in in_order(timm.list_models(), tagged) if name not in known]
    for number, name in enumerate(left, start=1):
        try:
            facts, reason = describe(name)
        except Exception as error:  # each network has its own
            facts, reason = {}, f"{type(error).__name__}: {error}"[:120]
        headless = bool(facts and reason)
        row = {"name": name} | facts | {"reason": " ".join(reason.split())}
        rows.append(row | of_weights(name, headless))
        if facts:
            for tag in sorted(set(tagged[name]) - {name}):
                rows.append({"name": tag} | of_weights(tag, headless))
        if number % 10 == 0 or number == len(left):
            rows.sort(key=lambda row: row["name"])
            write_text(TIMM_MODELS, csv_text(rows, COLUMNS))
            print(f"{number} of {len(left)}", flush=True)


# ------------------------------------------------------------------------------------- families


def take_step(name: str, side: int) -> str:
    """What went wrong in a step of MP-SSL with a network; empty if nothing did."""
    torch.manual_seed(0)
    model = Classifier(name, 3, (0.5,) * 3, (0.5,) * 3).double().train()
    x, y = torch.rand(3, 3, side, side), torch.tensor([0, 1, 2])
    images = torch.rand(3, 3, side, side, requires_grad=True)
    loss = build_objective("scr", 3, {"views": "joint"})
    labeled = torch.autograd.grad(
        F.cross_entropy(model(x), y), model.trained, allow_unused=True, materialize_grads=True
    )
    (gradient,), _ = validation_gradient(
        model,
        lambda u: loss.on_views(model, u.flip(3), u * 0.9, update=False),
        [images],
        list(labeled),
        learning_rate=0.1,
        lambda_=1.0,
        x_val=x,
        y_val=y,
    )
    if not gradient.isfinite().all():
        return "the meta-gradient is not finite"
    return "" if gradient.abs().max() > 0 else "the meta-gradient is zero"


def failing_layer(error: Exception) -> str:
    """The innermost function of timm in which an error was raised."""
    frames, place = [], error.__traceback__
    while place is not None:
        code = place.tb_frame
        if "timm" in code.f_code.co_filename and isinstance(code.f_locals.get("self"), nn.Module):
            frames.append(type(code.f_locals["self"]).__name__)
        place = place.tb_next
    return f"in {frames[-1]}: " if frames else ""


def family(name: str) -> str:
    timm = timm_network.import_timm()
    return timm.model_entrypoint(name).__module__.rpartition(".")[2]


def tried(name: str, members: list[dict[str, str]], step: bool = True) -> str:
    """The row of a family in the table, with a step or before it."""
    usable = [row for row in members if row["features"]]
    counts = f"{len(usable)} of {len(members)}"
    reasons = sorted({row["reason"] for row in members if row["reason"]})
    if not usable:
        return f"| {name} | {counts} | | no | | {reasons[0]} |"
    smallest = min(usable, key=lambda row: int(row["bytes"]))
    found = TIMM + smallest["name"]
    if int(smallest["bytes"]) > MOST_BYTES:
        return f"| {name} | {counts} | | yes | not tried | all are large |"
    if not step:
        return f"| {name} | {counts} | | yes | not tried | |"
    try:
        result = take_step(found, BACKBONES[found].smallest)
    except Exception as error:  # each network has its own
        result = failing_layer(error) + " ".join(str(error).split())[:120]
    note = "; ".join(filter(None, [result, *reasons[:1]]))
    step = "no" if result else "yes"
    return f"| {name} | {counts} | `timm/{smallest['name']}` | yes | {step} | {note} |"


def work(members: list[dict[str, str]]) -> float:
    """What the step of a family takes, in arbitrary units: weights and pixels."""
    usable = [row for row in members if row["features"]]
    each = (int(row["bytes"]) * (1 + int(row["smallest"]) / 32) ** 2 for row in usable)
    return min(each, default=0)


def write_families() -> None:
    with open(TIMM_MODELS, newline="") as file:
        rows = [row for row in csv.DictReader(file) if "." not in row["name"]]
    groups = defaultdict(list)
    for row in rows:
        groups[family(row["name"])].append(row)
    timm, usable = timm_network.import_timm(), sum(bool(row["features"]) for row in rows)
    counts = {"listed": len(rows), "usable": usable, "all": len(timm.list_models())}
    head = HEAD.format(version=timm.__version__, **counts)
    lines = {name: tried(name, groups[name], step=False) for name in groups}
    torch.set_default_dtype(torch.float64)
    for name in sorted(groups, key=lambda name: work(groups[name])):
        lines[name] = tried(name, groups[name])
        print(lines[name], flush=True)
        write_text(PAGE, head + "\n".join(sorted(lines.values())) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--families", action="store_true")
    warnings.simplefilter("ignore")
    (write_families if parser.parse_args().families else write_list)()
