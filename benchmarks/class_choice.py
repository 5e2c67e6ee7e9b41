"""Ways to choose the foundation classes that images are drawn from, at equal numbers of classes.

    snakemake --cores all --configfile config/mini.yaml config/lmo_readings.yaml
    python -m benchmarks.class_choice     # an hour of a core; it goes on where it was cut

The first line makes the splits of the tuning seeds. For each of them, a run of SCR on images of all
classes is stopped twice; there, and at its end, every foundation class gets scores:

- `influence`: how much a small step down SCR on the class's images lowers the validation loss;
- `horizon`: minus the validation loss after an epoch of training with images of this class alone;
- `near_foundation`, `near_trained`: minus the median distance of its images to the nearest real
  one, in the features of the foundation classifier and of the trained model.

Then SCR is trained on classes that a score puts first or last, on random ones and on letters. No
test image is used before the last accuracy. The table is results/class_choice/class_choice.md.
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor

from mpssl.common.files import atomic, write_made, write_text
from mpssl.data.batches import Batches
from mpssl.machine.cpu import prepare_cpu
from mpssl.plan.cells import Column, Run, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import two_way
from mpssl.runs.runner import prepare
from mpssl.training.evaluate import predict
from mpssl.training.train import Loop, learning_rate_at, train

EXPERIMENT, OUT = Path("results/lmo_readings/config.json"), Path("results/class_choice")
ROW, STOPS, IMAGES, FEW, CPU = "generative/scr", (2, 5), 60, 14, torch.device("cpu")
SCORES = ("influence", "horizon", "near_foundation", "near_trained")


def begin(experiment: Experiment, seed: int) -> tuple[Loop, Batches]:
    """A run of SCR on generated images, before its first step, and the test images."""
    roles = experiment.config.roles
    column = Column(
        roles.datasets["main"][0], roles.fractions["default"][0], roles.architectures["default"][0]
    )
    weight = f"{experiment.config.unlabeled_weight['scr']:g}"
    task, gathered = prepare(experiment, Run(cell_of(ROW, column), weight, seed), CPU)
    return Loop(task), gathered.test


def images_of(loop: Loop, foundation_class: int) -> Tensor:
    """Images of a class; of all classes from the same latents."""
    source = loop.task.source
    source.classes = torch.tensor([foundation_class])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        z = torch.randn(IMAGES, source.generator.z_dim)
    label = F.one_hot(torch.full((IMAGES,), foundation_class), source.generator.classes)
    with torch.no_grad():
        return source.generator(z, label.float())


def validation_loss(loop: Loop) -> Tensor:
    """Cross-entropy on D_val with running statistics."""
    task = loop.task
    with task.model.evaluating():
        x, y = task.validation.centre(torch.arange(len(task.validation)))
        return F.cross_entropy(task.model(x), y)


def influences(loop: Loop, classes: int) -> list[float]:
    """For each class, the product of the gradients of SCR on it and of the validation loss."""
    task, found = loop.task, []
    towards = torch.autograd.grad(validation_loss(loop), task.model.trained)
    for each in range(classes):
        x = images_of(loop, each)
        with torch.random.fork_rng(devices=[]), task.model.statistics_frozen():
            torch.manual_seed(1)
            loss = task.objective.on_views(task.model, loop.weak(x), loop.strong(x), update=False)
            gradient = torch.autograd.grad(loss, task.model.trained, allow_unused=True)
        pairs = zip(gradient, towards, strict=True)
        found.append(sum((g * v).sum().item() for g, v in pairs if g is not None))
    return found


def horizons(loop: Loop, classes: int) -> list[float]:
    """For each class, minus the validation loss after an epoch with images of it alone."""
    state, found = copy.deepcopy(loop.state_dict()), []
    for each in range(classes):
        loop.load_state_dict(copy.deepcopy(state))
        loop.task.source.classes = torch.tensor([each])
        rate, first = learning_rate_at(loop.task.training, loop.epoch), loop.epoch * loop.steps
        loop.task.model.train()
        for number in range(first, first + loop.steps):
            loop.step(number, rate)
        with torch.no_grad():
            found.append(-validation_loss(loop).item())
    loop.load_state_dict(state)
    return found


@torch.no_grad()
def nearness(loop: Loop, space, classes: int) -> list[float]:
    """For each class, minus the median distance of its images to the nearest of D and D_val."""
    task = loop.task
    real = [b.centre_images(torch.arange(len(b))) for b in (task.labeled, task.validation)]
    with space.evaluating():
        real = space.features(torch.cat(real))
        made = [space.features(images_of(loop, each)) for each in range(classes)]
    return [-torch.cdist(each, real).amin(dim=1).median().item() for each in made]


def scores(experiment: Experiment, seed: int) -> dict[str, list[list[float]]]:
    """Each score of each class, once for each place where it was measured."""
    loop, _ = begin(experiment, seed)
    classes = loop.task.source.generator.classes
    everything = torch.arange(classes)
    found = {score: [] for score in SCORES}
    while loop.epoch < loop.task.training.epochs:
        loop.task.source.classes = everything
        loop.run_epoch()
        if loop.epoch in STOPS:
            found["influence"].append(influences(loop, classes))
            found["horizon"].append(horizons(loop, classes))
    found["near_foundation"].append(nearness(loop, loop.task.space, classes))
    found["near_trained"].append(nearness(loop, loop.task.model, classes))
    return found


def ranked(measured: list[list[float]]) -> np.ndarray:
    """Classes by their mean rank over the places, the highest score first."""
    return -np.mean([np.argsort(np.argsort(each)) for each in measured], axis=0)


def choices(found: dict, groups: dict[str, list[int]], seed: int) -> dict[str, list[int]]:
    """What each way of choosing takes."""
    rng, classes = np.random.default_rng(seed), len(found["horizon"][0])
    by = {score: np.argsort(ranked(found[score]), kind="stable").tolist() for score in SCORES}
    many = len(groups["related"])
    chosen = {
        "random": rng.permutation(classes)[:FEW].tolist(),
        "letters": rng.permutation(groups["related"])[:FEW].tolist(),
        "signs and textures": rng.permutation(groups["far"])[:FEW].tolist(),
        "nearest in f_F": by["near_foundation"][:FEW],
        "nearest in the trained model": by["near_trained"][:FEW],
        "best by influence": by["influence"][:FEW],
        "worst by influence": by["influence"][-FEW:],
        "best by the epoch ahead": by["horizon"][:FEW],
        "worst by the epoch ahead": by["horizon"][-FEW:],
    }
    more = {
        "random": rng.permutation(classes)[:many].tolist(),
        "letters": groups["related"],
        "best by the epoch ahead": by["horizon"][:many],
    }
    chosen = {f"{FEW} {way}": taken for way, taken in chosen.items()}
    chosen |= {f"{many} {way}": taken for way, taken in more.items()}
    return chosen | {f"{classes}, all": list(range(classes))}


def right(experiment: Experiment, seed: int, classes: list[int], checkpoint: Path) -> np.ndarray:
    """Train SCR on images of these classes; 100 for each test image that is right, else 0."""
    loop, test = begin(experiment, seed)
    task = loop.task
    task.source.classes = torch.tensor(classes)
    task.identity["classes"] = classes
    train(task, checkpoint)
    checkpoint.unlink()
    predicted, _ = predict(task.model, test, task.training.evaluation_batch_size)
    return 100.0 * (predicted == test.labels).numpy()


def measure(experiment: Experiment, seed: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Scores and results of a seed, read where they were made before."""
    path = OUT / f"scores-{seed}.json"
    if not path.exists():
        write_made(path, scores(experiment, seed))
    found, results = json.loads(path.read_text()), {}
    groups = {n: experiment.config.foundation.classes_of(n) for n in ("related", "far")}
    for way, classes in choices(found, groups, seed).items():
        path = OUT / f"{way}-{seed}.npy".replace(" ", "_").replace(",", "")
        if not path.exists():
            done = right(experiment, seed, classes, OUT / "checkpoint.pt")
            with atomic(path) as temporary, open(temporary, "wb") as file:
                np.save(file, done)
        results[way] = np.load(path)
        print(f"seed {seed}  {way:<32} {results[way].mean():.1f}", flush=True)
    return found, results


def interval(ours: list[np.ndarray], others: list[np.ndarray]) -> str:
    above = two_way(np.stack(ours) - np.stack(others))
    return f"{above.effect:+.1f} [{above.low:+.1f}, {above.high:+.1f}]"


def table(experiment: Experiment, measured: dict[int, tuple[dict, dict]]) -> str:
    """The accuracies, and each choice against random classes of the same number."""
    groups = {n: experiment.config.foundation.classes_of(n) for n in ("related", "far")}
    letters, lines = set(groups["related"]), []
    of_seeds = [results for _, results in measured.values()]
    by_way = {way: [results[way] for results in of_seeds] for way in of_seeds[0]}
    taken = [choices(found, groups, seed) for seed, (found, _) in measured.items()]
    for way, results in by_way.items():
        accuracies = [each.mean() for each in results]
        of_letters = np.mean([len(letters & set(each[way])) / len(each[way]) for each in taken])
        random = by_way.get(f"{way.split()[0]} random", by_way[f"{FEW} random"])
        text = "" if random is results else interval(results, random)
        lines.append(
            f"| {way} | {np.mean(accuracies):.1f} ± {np.std(accuracies, ddof=1):.1f} | {text} "
            f"| {100 * of_letters:.0f} % |"
        )
    for score in ("influence", "the epoch ahead"):
        best, worst = (by_way[f"{FEW} {end} by {score}"] for end in ("best", "worst"))
        lines.append(f"| {FEW} best above {FEW} worst by {score} | | {interval(best, worst)} | |")
    head = "| classes | test accuracy (%) | to random ones of that number | letters among them |\n"
    return head + "|---|---|---|---|\n" + "\n".join(lines) + "\n"


def agreement(experiment: Experiment, measured: dict[int, tuple[dict, dict]]) -> str:
    """How well a score agrees with itself elsewhere, with other seeds, and with letters."""
    letters = np.zeros(len(next(iter(measured.values()))[0]["horizon"][0]))
    letters[experiment.config.foundation.classes_of("related")] = 1
    lines = []
    for score in SCORES:
        found = [m[score] for m, _ in measured.values()]
        ranks = [-ranked(each) for each in found]
        within = [spearmanr(*each).statistic for each in found if len(each) == 2]
        between = np.corrcoef(np.argsort(np.argsort(ranks, axis=1), axis=1))
        with_letters = [spearmanr(each, letters).statistic for each in ranks]
        others = between[np.triu_indices(len(between), 1)].mean() if len(ranks) > 1 else np.nan
        places = f"{np.mean(within):.2f}" if within else ""
        lines.append(f"| {score} | {places} | {others:.2f} | {np.mean(with_letters):.2f} |")
    head = "| score | other place, same run | other seeds | letters |\n|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    prepare_cpu(parser.parse_args().threads)
    experiment = Experiment.load(EXPERIMENT)
    OUT.mkdir(parents=True, exist_ok=True)
    measured = {}
    for seed in experiment.config.seeds:
        measured[seed] = measure(experiment, seed)
    page = f"{table(experiment, measured)}\n{agreement(experiment, measured)}"
    write_text(OUT / "class_choice.md", page)
    print(page)


if __name__ == "__main__":
    main()
