"""The record of a finished run: the one thing that tables, claims, answer and report read."""

from pydantic import ConfigDict, Field

from mpssl.config.fields import Frozen
from mpssl.config.run_settings import RunSettings
from mpssl.plan.cells import Run


class Digests(Frozen):
    """Digests of what a run was made from; None for an input that it does not read."""

    code: str
    configuration: str
    data: str
    split: str
    foundation_images: str | None = None
    generator: str | None = None
    foundation_classifier: str | None = None


class RunRecord(Frozen):
    """What a run leaves in numbers, and what it was made from. Accuracies are in percent."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    experiment: str
    run: Run
    lambda_: float = Field(alias="lambda")
    """The weight of the unlabeled loss; for a searched run, the one that the search chose."""
    best_epoch: int
    val_accuracy: float
    test_accuracy: float
    images: int
    """Images that passed the classifier in its own steps, each view counted."""
    seconds: float
    """Of training, over all of its interruptions."""
    wall_seconds: float
    """Of the job that ended the run."""
    device: str
    device_type: str
    commit: str
    source_statistics: dict[str, float]
    sample_statistics: dict[str, float]
    feature_norm: float
    gradient_norms: dict[str, list[float]]
    """By LMO's term and parameter (phi, xi), one value an epoch in which it was recorded."""
    images_per_pass: int | None = None
    """Images of a part of a step; as many as the larger batch has, or more, if it is whole."""
    memory_ran_out: bool = False
    """Whether a part was halved because a step did not fit in the memory."""
    labeled: int
    """Images of D."""
    validation: int
    """Images of D_val that chose the epoch."""
    versions: dict[str, str]
    settings: RunSettings
    digests: Digests
    files: dict[str, str]
    """Digests of the files beside the record, by their names in the run's folder."""

    def measure(self, name: str) -> float | None:
        """The number that a claim compares, or None if this run does not have it."""
        return self.sample_statistics.get(name, getattr(self, name, None))

    def inputs(self, split: str) -> dict[tuple[str, str], str]:
        """The digests of the inputs that all runs with the same input must share.

        Args:
            split: what the run's split is called.

        Returns:
            Digest by its name and of what it is: a data set, split, architecture or method's code.
        """
        cell = self.run.cell
        of = {
            "data": cell.dataset,
            "split": split,
            "foundation_classifier": cell.architecture,
            "code": f"{self.settings.source} and {self.settings.objective}",
            "generator": "",
            "foundation_images": "",
        }
        digests = self.digests.model_dump(include=set(of), exclude_none=True)
        return {(name, of[name]): digest for name, digest in digests.items()}
