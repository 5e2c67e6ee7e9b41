"""Names of what an experiment makes, by what it is made of: settings, inputs, code.

A thing that was made under other settings, from other inputs or by other code has another name, so
that it can neither be taken for this one nor overwritten by it. A name is known before the thing is
made: it is a digest of the names of what goes in.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from mpssl.common.code_digest import code_digest
from mpssl.common.entry_points import entry_source
from mpssl.common.files import json_digest
from mpssl.config.architectures import BACKBONES
from mpssl.config.data import ImageFolder
from mpssl.config.downloads import Download
from mpssl.config.experiment import Config
from mpssl.data.fingerprint import PLACES, contents, fingerprint
from mpssl.models.file_names import GENERATOR_CONFIG, generator_weights
from mpssl.models.pipelines import weight_files
from mpssl.plan.cells import Cell, Run
from mpssl.plan.plan import Plan, run_modules
from mpssl.plan.pool import maker_of
from mpssl.shipped import FOUNDATION, shipped_classifier

UNSEEN = {"title", "licence"}  # keys of a data set that change none of its images
POOL = "(pool)"  # stands for a pool among the names of data sets


class Names:
    """The names of one experiment.

    Args:
        config: the experiment.
        plan: its runs.
        fingerprints: of the data sets of the user's own images, by name, where they are known.
    """

    def __init__(self, config: Config, plan: Plan, fingerprints: dict[str, str]) -> None:
        self.config, self.plan = config, plan
        self._fingerprints = dict(fingerprints)
        self._known: dict[tuple, str] = {}

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Digests of the images of the user's own data sets, by the data set's name."""
        own = [n for n, data in self.config.datasets.items() if isinstance(data, ImageFolder)]
        pool = self.config.foundation.generator
        given = [POOL] if pool.kind == "images" and pool.make is None else []
        return {name: self._fingerprint(name) for name in [*own, *given]}

    def packed(self, dataset: str) -> str:
        """Name of a packed data set."""
        return f"{dataset}-{self._once('packed', self._packed, dataset)}"

    def split(self, dataset: str, fraction: int, seed: int) -> str:
        """Name of a split at a label fraction (percent), for the runs of a seed."""
        own = seed if self.config.split.drawn_for == "seed" else None
        return f"{dataset}-{fraction}-{self._once('split', self._split, dataset, fraction, own)}"

    def generator(self) -> str:
        """Name of the generator."""
        return self._once("generator", self._generator)

    def pool_made(self) -> str:
        """What the images of a pool are made with, where the pipeline makes them."""
        maker, config = maker_of(self.config), self.config
        names = Names(maker, Plan(maker), self._fingerprints)
        making = config.foundation.generator.make.model_dump(mode="json", exclude={"generator"})
        of_images = [making, config.training.image_size, config.foundation.truncation]
        if varied := config.foundation.generator.make.variations:
            of_images.append(self.split(varied.dataset, varied.fraction, seed=0))
        return json_digest([names.generator(), of_images, code_digest("mpssl.foundation.pool")])

    def pool_check(self, dataset: str) -> str:
        """Name of the comparison of a pool with a data set, its test images and its classes."""
        cells = [cell for cell in self.plan.all_cells() if cell.dataset == dataset]
        asked = [[cell.id, self.plan.ratio(cell)] for cell in cells]
        of_steps = [self.config.training.batch_size, self.config.foundation.class_map, asked]
        packed, code = self.packed(dataset), code_digest("mpssl.data.pool")
        return json_digest([self.generator(), packed, of_steps, code])

    def classifier(self, architecture: str) -> str:
        """Name of the foundation classifier of an architecture."""
        return f"{architecture}-{self._once('classifier', self._classifier, architecture)}"

    def domain(self, dataset: str, architecture: str) -> str:
        """Name of the measured distance between the generator and a data set."""
        return json_digest(
            {
                "settings": self.config.domain.model_dump(mode="json"),
                "of": [self.packed(dataset), self.generator(), self.classifier(architecture)],
                "code": code_digest("mpssl.foundation.domain_distance"),
            }
        )

    def run(self, run: Run) -> str:
        """Name of a run whose lambda is a number."""
        return json_digest([*self._of(run.cell, run.seed), float(run.lambda_)])

    def distinct(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells without those whose runs are the runs of an earlier one, under another name."""
        found: dict[tuple, Cell] = {}
        for cell in cells:
            found.setdefault(tuple(self._of(cell, seed=0)), cell)
        return list(found.values())

    def search(self, cell: Cell) -> str:
        """Name of the outcome of a cell's search for lambda."""
        return self._once("search", self._search, cell)

    def chosen(self, run: Run) -> str:
        """Name of a run whose lambda is the one that the search chooses."""
        return json_digest([*self._of(run.cell, run.seed), self.search(run.cell)])

    # ------------------------------------------------------------------- what the names are made of

    def _once(self, kind: str, make: Callable[..., str], *arguments) -> str:
        key = kind, *arguments
        if key not in self._known:
            self._known[key] = make(*arguments)
        return self._known[key]

    def _fingerprint(self, dataset: str) -> str:
        if dataset not in self._fingerprints:
            pool = self.config.foundation.generator
            settings = pool if dataset == POOL else self.config.datasets[dataset]
            self._fingerprints[dataset] = fingerprint(settings, self.config.store)
        return self._fingerprints[dataset]

    def _packed(self, dataset: str) -> str:
        settings, made_of = self.config.datasets[dataset], {}
        if isinstance(settings, ImageFolder):
            # Where the images are does not matter: what they are does.
            made_of["images"] = self._fingerprint(dataset)
            unseen = UNSEEN.union(PLACES, ["root"])
        else:
            unseen = UNSEEN
        return json_digest(
            {
                **made_of,
                "settings": settings.model_dump(mode="json", exclude=unseen),
                "packing": self.config.packing.model_dump(mode="json"),
                "code": code_digest("mpssl.data.adapters", "mpssl.data.store"),
            }
        )

    def _split(self, dataset: str, fraction: int, seed: int | None) -> str:
        return json_digest(
            {
                "packed": self.packed(dataset),
                "settings": self.config.split.model_dump(mode="json"),
                "of": [fraction, seed],
                "code": code_digest("mpssl.data.split", "mpssl.data.store"),
            }
        )

    def _generator(self) -> str:
        generator = self.config.foundation.generator
        if generator.kind == "trained":
            return self._trained(generator.model_dump(mode="json"))
        if generator.kind == "images":
            return self._pool()
        if generator.kind == "diffusers":
            return self._pipeline()
        if generator.kind == "python":
            files = [entry_source(generator.entry), *generator.files]
            return json_digest([generator.entry, generator.options, self._contents(files)])
        folder = FOUNDATION if generator.kind == "shipped" else generator.path
        files = [folder / GENERATOR_CONFIG, generator_weights(folder)]
        return json_digest(self._contents(files, generator.to_download))

    def _pipeline(self) -> str:
        pipeline = self.config.foundation.generator
        files = [] if pipeline.of_hub else weight_files(pipeline.folder)
        files += [] if pipeline.lora is None else weight_files(pipeline.lora)
        settings = pipeline.model_dump(mode="json", exclude={"lora"})
        return json_digest([settings, self._contents(files)])

    def _pool(self) -> str:
        making, packing = self.config.foundation.generator.make, self.config.packing
        return json_digest(
            {
                "images": self.pool_made() if making else self._fingerprint(POOL),
                "packing": packing.model_dump(mode="json", exclude={"size"}),
                "size": self.config.training.image_size,
                "code": code_digest("mpssl.data.pool", "mpssl.data.store"),
            }
        )

    def _classifier(self, architecture: str) -> str:
        classifier, training = self.config.foundation.classifier, self.config.training
        if classifier.kind == "trained":
            normalization = [training.normalize_mean, training.normalize_std]
            return self._trained([architecture, classifier.model_dump(mode="json"), normalization])
        if classifier.kind == "shipped":
            return json_digest(self._contents([shipped_classifier(architecture)]))
        known = BACKBONES[architecture]
        if known.weights is not None:  # published, and fetched if it is not there
            # torchvision's names of files end in a digest; timm's say no version, but a pin does.
            pins = [d for d in classifier.to_download if d.file == known.weights and known.url]
            pinned = [pin.sha256 or pin.urls for pin in pins]
            return json_digest([known.weights, *pinned] if pinned else known.weights)
        file = classifier.path / f"{architecture}.pth"
        return json_digest(self._contents([file], classifier.to_download))

    def _trained(self, settings) -> str:
        return json_digest(
            {
                "packed": self.packed(self.config.foundation.dataset),
                "settings": settings,
                "code": code_digest("mpssl.foundation.jobs"),
            }
        )

    def _contents(self, files: list[Path], downloads: Iterable[Download] = ()) -> list[Any]:
        """What files hold; of one that the pipeline fetches, the digest or address that it says.

        So a name is the same before the file is there.
        """
        pinned = {download.file: download.sha256 or download.urls for download in downloads}
        given = contents([file for file in files if file.name not in pinned], self.config.store)
        return [given, [pinned[file.name] for file in files if file.name in pinned]]

    def _of(self, cell: Cell, seed: int) -> list:
        """All that makes a run but its lambda."""
        split = self.split(cell.dataset, cell.fraction, seed)
        return [self._once("cell", self._cell, cell), split, seed]

    def _cell(self, cell: Cell) -> str:
        needs, settings = self.plan.needs(cell), self.plan.settings(cell)
        inputs = {}
        if "generator" in needs:
            inputs["generator"] = self.generator()
        if "foundation_classifier" in needs:
            inputs["foundation_classifier"] = self.classifier(cell.architecture)
        if "foundation_images" in needs:
            inputs["foundation_images"] = self.packed(self.config.foundation.dataset)
        return json_digest(
            {
                "architecture": cell.architecture,
                "inputs": inputs,
                "settings": settings.model_dump(mode="json"),
                "code": code_digest(*run_modules(settings)),
            }
        )

    def _search(self, cell: Cell) -> str:
        runs = {run.lambda_: self.run(run) for run in self.plan.search_runs(cell)}
        if self.plan.halves:
            rungs = self.plan.rungs(len(runs))
            code = code_digest("mpssl.runs.halving", *run_modules(self.plan.settings(cell)))
            return json_digest({"runs": runs, "rungs": rungs, "code": code})
        return json_digest({"runs": runs, "code": code_digest("mpssl.results.collect")})
