"""A trained model as one file with all that its use needs: weights, labels, preprocessing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from mpssl.common.errors import UserError, one_line
from mpssl.config.data import Packing
from mpssl.config.experiment import Config
from mpssl.config.fields import Colour, Positive, Resize, Side
from mpssl.models import tensor_file
from mpssl.models.classifier import Classifier
from mpssl.models.file_names import MODEL


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Description:
    """What the file contains besides the weights."""

    architecture: str
    classes: Annotated[list[str], Field(min_length=1)]
    packing_size: Side
    """Side to which an image is resized first, pixels."""
    resize: Resize
    """Way of that resizing, as in the configuration's `packing`."""
    image_size: Side
    """Side of the centre that the model reads, pixels."""
    mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    background: Colour | None = None
    """Colour below transparent parts and around padded images, as in `packing`."""
    values: list[float] | None = None
    """Values of wide images that become black and white, as in `packing`."""

    def __post_init__(self) -> None:
        if self.image_size > self.packing_size:
            raise ValueError("image_size is larger than packing_size")

    @property
    def packing(self) -> Packing:
        """The first step of the preprocessing."""
        packing = Packing(size=self.packing_size, resize=self.resize, values=self.values)
        if self.background is None:  # a file of before there was the key
            return packing
        return packing.model_copy(update={"background": self.background})


def describe(config: Config, architecture: str, classes: list[str]) -> Description:
    """Describe a model that is trained under a configuration."""
    training = config.training
    mean, std = training.normalization(architecture)
    return Description(
        architecture,
        classes,
        config.packing.size,
        config.packing.resize,
        training.image_size,
        list(mean),
        list(std),
        config.packing.background,
        config.packing.values,
    )


def save(path: Path, model: Classifier, description: Description) -> None:
    """Write a model as safetensors; the description is the file's metadata."""
    tensor_file.save(path, model.state_dict(), asdict(description))


def load(path: Path) -> tuple[Classifier, Description]:
    """Read a model in evaluation mode on the CPU, from its file or from its run's folder.

    Raises:
        UserError: the file is missing, damaged, or not a model of this project.
    """
    path = path / MODEL if path.is_dir() else path
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"the model {path} is not a regular file")
        state, metadata = tensor_file.load(path)
    except FileNotFoundError:
        raise UserError(f"the model {path} does not exist") from None
    except (ValueError, OSError) as error:
        reason = one_line(str(error))
        raise UserError(
            f"{path} is damaged, or not a model that `mpssl train` wrote: {reason}"
        ) from None
    try:
        description = Description(**metadata)
        model = Classifier(
            description.architecture,
            len(description.classes),
            tuple(description.mean),
            tuple(description.std),
        )
        model.load_state_dict(state)
    except (ValueError, TypeError, RuntimeError):
        raise UserError(f"{path} is not a model that `mpssl train` wrote") from None
    return model.eval().requires_grad_(False), description
