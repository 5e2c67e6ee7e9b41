"""Hostile configurations, and what may become of them: a strategy and a check a target."""

import copy
import datetime
import functools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import yaml
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mpssl.config import reading
from mpssl.plan.experiment import Experiment
from mpssl.shipped import INCLUDED

ROOT = Path(__file__).resolve().parent.parent.parent
Target = tuple[st.SearchStrategy, Callable[[object], str | None]]

NAMES = ["../x", "/etc/passwd", "", ".", "..", "a/b", "é", "a b", "a\n", "~", "$HOME", "-rf", "{x}"]
NAMES += ["x" * 300, "x" * 100_000, "a/" * 5000]
HOSTILE = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(["1", "0.5", "yes", "true", "null", "nan", "-1", "1e999"]),
    st.sampled_from([math.nan, math.inf, 1e308, -0.0, 5e-324, 10**30]),
    st.sampled_from([b"abc", {1, 2}, datetime.date(2020, 1, 1), (1, 2), {1: 2}, {None: 1}]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=20),
    st.lists(st.integers(-2, 3) | st.text(max_size=3), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
SOUND = st.sampled_from([0, 1, 2, 0.5, True, None, "0.5", "digits", "cpu", [0.5], {}])
HOW = ["set", "set", "sound", "sound", "scale", "scale", "scale", "delete", "add", "wrap", "itself"]
SCALED = st.sampled_from([-1, 0, 0.5, 1, 1.0, 2, 1e9, 1e300])


def places(tree: object, at: tuple = ()) -> list[tuple]:
    """The path of every value in a tree, inner ones too."""
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [path for key, value in inner for path in [(*at, key), *places(value, (*at, key))]]


def value_at(tree: object, path: tuple) -> object:
    """The value at a place."""
    return functools.reduce(lambda part, key: part[key], path, tree)


def mutated(tree: dict, path: tuple, how: str, value: object) -> dict:
    """A copy of a configuration with one place of it changed."""
    tree = copy.deepcopy(tree)
    part = tree
    for key in path[:-1]:
        part = part[key]
    last, old = path[-1], part[path[-1]]
    if how == "scale" and type(old) in (int, float) and type(value) in (int, float):
        part[last] = old * value if abs(value) < 2**64 else value
    elif how == "delete":
        del part[last]
    elif how == "add" and isinstance(part, dict):
        part[value if value.__hash__ else "x"] = old
    elif how == "wrap":
        part[last] = [old]
    elif how == "itself":
        part[last] = tree
    else:
        part[last] = value
    return tree


def configurations(_: Path) -> Target:
    """Complete configurations with one to three values, keys or lists changed."""
    paths = ("tests/support/tiny.yaml", "config/mini.yaml", "config/config.yaml")
    whole = [reading.load(ROOT / path).model_dump(mode="json") for path in paths]
    for tree in whole[:2]:
        tree["datasets"]["own"] = {"adapter": "folder", "title": "Own", "path": "/own"}
    known = [places(tree) for tree in whole]
    numbers = [
        [p for p in known[i] if type(value_at(tree, p)) in (int, float)]
        for i, tree in enumerate(whole)
    ]

    @st.composite
    def cases(draw: st.DrawFn) -> dict:
        which = draw(st.integers(0, len(whole) - 1))
        tree = whole[which]
        for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            how = draw(st.sampled_from(HOW))
            place = draw(st.sampled_from(numbers[which] if how == "scale" else known[which]))
            value = draw(SCALED if how == "scale" else SOUND if how == "sound" else HOSTILE)
            try:
                tree = mutated(tree, place, how, value)
            except (KeyError, IndexError, TypeError):
                continue  # an earlier change took the place away
        return tree

    return cases(), lambda content: wrong_config(reading.resolve(content), content)


SCHEMA = Draft202012Validator(reading.schema())
LMO = Draft202012Validator({**reading.schema()["$defs"]["Lmo"], "$defs": reading.schema()["$defs"]})
SHIPPED = {
    key: value for part in INCLUDED for key, value in yaml.safe_load(part.read_text()).items()
}


def wrong_config(config: object, content: dict) -> str | None:
    """What is wrong with content that was accepted: judged by the JSON schema, by jsonschema."""
    content = SHIPPED | content  # as the loader completes it
    for error in SCHEMA.iter_errors(content):
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    for methods in content.get("methods", {}).values():
        for method in methods.values():
            for variant in method.get("variants", {}).values():
                for error in LMO.iter_errors(variant.get("lmo", {})):
                    return f"lmo of a variant: {error.message}"
    if any(type(v) is float and not math.isfinite(v) for v in leaves(content)):
        return "a number is not finite"
    paths = Experiment(config).paths
    made = [paths.results]
    for name, dataset in config.datasets.items():
        if dataset.own_copy is None:
            made.append(paths.data(name))
        made += [paths.downloads / d.file for d in dataset.to_download]
    for path in made:
        if os.path.normpath(path).split("/")[0] not in ("resources", "results"):
            return f"the path {path}"
    if reading.resolve(json.loads(config.model_dump_json())) != config:
        return "the jobs read another configuration"
    return None


def leaves(tree: object) -> list:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return [tree] if inner is None else [leaf for part in inner for leaf in leaves(part)]


# Each line makes a configuration that must be refused, wherever it is put.
BAD_LINES = [
    b"seeds: [0, 1]\nseeds: [0, 1, 2]\n",
    b"device: cpu\ndevice: auto\n",
    b"lmo: &l {mapper: *l}\n",
    b"x: !!python/object/apply:os.system ['true']\n",
    b"threads: !!binary aGk=\n",
    b"? [1, 2]\n: 3\n",
    b"\xff\xfe\n",
    b"x: " + b"[" * 3000 + b"]" * 3000 + b"\n",
    b"threads: " + b"9" * 5000 + b"\n",
    b"threads: 1:30:00.5\n",
    b"title: " + b"x" * 2**20 + b"\n",
    b"---\na: 1\n",
    b"\tx: 1\n",
    b"threads: .nan\n",
    b"training: {learning_rate: .inf}\n",
    b"__use_yte__: true\n",
]
SNIPPETS = (
    b"&a |*a|<<: |!!str |>\n|\t|\xc3|\0|- |? |'|\"|}|]|%YAML 3\n|\xef\xbb\xbf|...\n|-|0|e|#".split(
        b"|"
    )
)


def configuration_files(folder: Path) -> Target:
    """Configuration files, damaged as bytes."""
    texts = [(ROOT / path).read_bytes() for path in ("tests/support/tiny.yaml", "config/mini.yaml")]
    path = folder / "config.yaml"

    @st.composite
    def cases(draw: st.DrawFn) -> tuple[bytes, bool]:
        text = draw(st.sampled_from(texts))
        how = draw(
            st.sampled_from(
                ["flip", "cut", "insert", "insert", "insert", "repeat", "bad", "random"]
            )
        )
        at = draw(st.integers(0, len(text) - 1))
        if how == "flip":
            return flipped(
                text, draw(st.lists(st.integers(0, 8 * len(text) - 1), min_size=1, max_size=4))
            ), False
        if how == "cut":
            return text[:at], False
        if how == "insert":
            return text[:at] + draw(st.sampled_from(SNIPPETS) | st.binary(max_size=6)) + text[
                at:
            ], False
        if how == "repeat":
            section = draw(st.sampled_from([b"datasets", b"foundation", b"training", b"lmo"]))
            first = text[text.index(b"\n" + section + b":") :].split(b"\n\n")[0]
            return text + b"\n" + first + b"\n", True
        if how == "bad":
            line = draw(st.sampled_from(BAD_LINES))
            return (line + text if draw(st.booleans()) else text + b"\n" + line), True
        return draw(st.binary(max_size=200)), False

    def check(case: tuple[bytes, bool]) -> str | None:
        content, must_refuse = case
        path.write_bytes(content)
        config = reading.load(path)
        if must_refuse:
            return "this file must be refused"
        return wrong_config(config, yaml.safe_load(content))

    return cases(), check


def flipped(data: bytes, bits: list[int]) -> bytes:
    """`data` with some bits the other way round."""
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)
