"""The configuration reference, docs/configuration.md, from the models of the configuration."""

import re
import types
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from mpssl.config.experiment import Config
from mpssl.config.fields import Closed, models_in
from mpssl.shipped import INCLUDED_KEYS

EXAMPLE = """experiment: my-birds # results go to results/my-birds/
datasets:
  birds: {adapter: folder, title: My birds, path: images/birds}
foundation:
  generator: {kind: pretrained, path: resources/weights/biggan-deep-256}
  classifier: {kind: pretrained, path: resources/weights}
roles: # what the table below means by main, quarter and default
  datasets: {main: [birds]}
  fractions: {quarter: [25]}
  architectures: {default: [resnet18]}
tables:
  accuracy:
    title: Test accuracy (%) with a quarter of the labels
    datasets: main
    fractions: quarter
    rows: [base/base, generative/pssl, generative/mpssl]
figures: {}
claims: {}
training: {epochs: 100}
"""

HEAD = f"""# Configuration

An experiment is a YAML file. A small one, complete:

```yaml
{EXAMPLE}```

`datasets`, `methods`, `tables`, `figures` and `claims` come from the files in `mpssl/shipped/` if
an experiment has none of its own. An unknown key is an error that suggests the nearest. A path that
begins with `./` or `../` starts at the folder of the file (in a module: where Snakemake starts);
other relative paths start where the command is started.

A *cell* is one place of a table: a method on a data set, with a label fraction and an architecture,
here for example `generative/mpssl` on `birds` with 25 % of the labels and ResNet-18. Tables share
cells. A *run* trains a cell once, with one seed and one weight lambda of the unlabeled loss. People
find it by a link such as
`results/my-birds/runs/birds/25/generative/mpssl/default/resnet18/lambda-0.3/seed-100`, one of
the search for lambda, whose seed is `search_seed`. `default` is the method without a variant. In
place of a number, `lambda-selected` is the weight that the search chose for the cell.

The rest of this page has every key. `make generated` writes it from the models in `mpssl/config/`,
and with it the JSON schema `mpssl/shipped/config.schema.json`. An editor that knows the schema
completes keys and shows these explanations; the files in `config/`, and those of `mpssl init`, name
it in their first line.
"""

NAMES = {int: "integer", float: "number", bool: "true or false", str: "text"}
LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def reference() -> str:
    """The page as Markdown: a section a model, a row a key."""
    models = _reachable(Config, {})
    users = defaultdict(list)
    for model in models:
        for name, field in model.model_fields.items():
            for inner in dict.fromkeys(models_in(field.annotation)):
                users[inner].append(f"`{name}` of {_link(model)}")
    return HEAD + "".join(_section(model, users[model]) for model in models)


def _reachable(model: type[Closed], seen: dict) -> dict[type[Closed], None]:
    """`model` and all that its keys hold, in the order in which they are met."""
    seen[model] = None
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            if inner not in seen:
                _reachable(inner, seen)
    return seen


def _section(model: type[Closed], users: list[str]) -> str:
    lines = ["", f"## {model.__name__}", "", " ".join((model.__doc__ or "").split()), ""]
    if users:
        lines += [f"It is given under {', '.join(users)}.", ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        value = _value(field.annotation, field.metadata)
        shipped = model is Config and name in INCLUDED_KEYS
        default = "shipped" if shipped else _default(field)
        cells = (f"`{name}`", value, default, _meaning(field))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _link(model: type[Closed]) -> str:
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _value(annotation: Any, metadata: Iterable = ()) -> str:
    """What may be given, in words; models as links to their sections."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _value(parts[0], annotation.__metadata__)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"name: {_value(parts[1])}"
    if origin in (list, tuple):
        inner = " and ".join(dict.fromkeys(_value(part) for part in parts))
        return "list of " + re.sub(r"\b(integer|number|text|path)\b", r"\1s", inner)
    if origin is types.UnionType or parts:
        return " or ".join(_value(part) for part in parts if part is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        return _link(annotation)
    name = NAMES.get(annotation, getattr(annotation, "__name__", "any").lower())
    return name + _range(metadata)


def _range(metadata: Iterable) -> str:
    """The limits of a number: ` from 0 to 1`, ` above 0`."""
    flat = [m for part in metadata for m in getattr(part, "metadata", [part])]
    limits = {k: v for m in flat for k in LIMITS if (v := getattr(m, k, None)) is not None}
    if limits.keys() == {"ge", "le"}:
        return f" from {limits['ge']:g} to {limits['le']:g}"
    return "".join(
        f"{' and' if i else ''} {LIMITS[key]} {limit:g}"
        for i, (key, limit) in enumerate(limits.items())
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Closed):
        changed = field.default.model_dump(exclude_defaults=True, mode="json")
        return f"`{_yaml(changed)}`" if changed else "its defaults"
    if field.default in (None, "", {}, []):
        return "empty"
    return f"`{_yaml(field.default)}`"


def _meaning(field: FieldInfo) -> str:
    examples = " or ".join(f"`{_yaml(example)}`" for example in field.examples or [])
    return f"{field.description} Example: {examples}." if examples else field.description or ""


def _yaml(value: Any) -> str:
    """A value on one line, as it is written in a configuration."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("...\n").strip()
