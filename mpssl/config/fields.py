"""Types of single values, and the base of all configuration models."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)

from mpssl.common.errors import nearest


def _number(value: Any) -> Any:
    """PyYAML reads 1e-4 as a text, YAML 1.2 as a number."""
    text = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,20}[eE][-+]?[0-9]{1,3}", value)
    return float(value) if text else value


def _place(value: Any, info: ValidationInfo) -> Any:
    """A path that a file system can have; one with a dot before it starts at the context's `base`.

    So a folder with a configuration, and what that names in it, can be copied or moved.
    """
    base = (info.context or {}).get("base")
    if base is not None and isinstance(value, str) and value.startswith(("./", "../")):
        value = os.path.normpath(base / value)
    return _possible(value)


def _possible(value: Any) -> Any:
    """A path that a file system can have."""
    if value == "":
        raise ValueError("the path is empty")
    parts = [os.fsencode(part) for part in str(value).split("/")]
    if max(map(len, parts)) > 255 or sum(map(len, parts)) + len(parts) > 4095:
        raise ValueError("the path, or a name in it, is too long")
    return value


def _inside(value: str) -> str:
    """A path that does not lead out of the folder where it starts."""
    path = PurePosixPath(_possible(value or "."))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("the path leads out of the data set's folder")
    return value


def _expression(value: str) -> str:
    """A regular expression."""
    try:
        re.compile(value)
    except (re.error, OverflowError) as error:
        raise ValueError(f"'{value}' is no regular expression: {error}") from None
    return value


def as_text(value: Any) -> Any:
    """YAML reads a single number as a number."""
    return str(value) if type(value) is int else value


def _ascending(parts: list[float]) -> list[float]:
    """Parts of a training, each later than the one before."""
    if sorted(set(parts)) != parts or not 0 < parts[0] <= parts[-1] < 1:
        raise ValueError("the parts must ascend, above 0 and below 1")
    return parts


AS_IN_YAML_1_2 = BeforeValidator(_number)
Number = Annotated[float, AS_IN_YAML_1_2]
Place = Annotated[Path, BeforeValidator(_place)]
Inside = Annotated[str, AfterValidator(_inside)]
Expression = Annotated[str, AfterValidator(_expression)]
Positive = Annotated[float, Field(gt=0), AS_IN_YAML_1_2]
NonNegative = Annotated[float, Field(ge=0), AS_IN_YAML_1_2]
Probability = Annotated[float, Field(ge=0, le=1), AS_IN_YAML_1_2]
Rungs = Annotated[list[Probability], Field(min_length=1), AfterValidator(_ascending)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=10_000)]
Percent = Annotated[int, Field(ge=1, le=100)]
Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
CellRow = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.-]+)?$")]
BASE_ROW = "base/base"
Setting = Literal["base", "control", "oracle", "generative", "transfer"]
SourceName = Literal["none", "labeled", "real", "foundation", "uniform", "mapped", "pseudo", "lmo"]
ObjectiveName = Literal[
    "none", "uda", "fixmatch", "freematch", "scr", "l1", "l2", "smooth_l1", "supervised"
]
View = Literal["weak", "strong"]
Resize = Literal["crop", "squash", "pad"]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class Frozen(BaseModel):
    """A typed record: no unknown fields, no changes, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Closed(Frozen):
    """Base of all configuration models: no unknown keys, no changes, no NaN."""


def models_in(annotation: Any) -> list[type[Closed]]:
    """The models that a value of this type may be or hold."""
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def merge(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes`, recursively; a new dictionary."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def moved(error: ValidationError, place: tuple[str, ...]) -> ValidationError:
    """The same error, as of a value at `place`."""
    details = [
        {key: value for key, value in line.items() if key in ("type", "input", "ctx")}
        | {"loc": place + line["loc"]}
        for line in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, details)


def known(where: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is not among `names`.

    Raises:
        ValueError: it is not; with a hint.
    """
    if name not in names:
        raise ValueError(f"{where}: unknown name '{name}'{nearest(name, names)}")
