"""The configuration is typed and closed; names that one part uses are defined by another."""

from itertools import product

import pytest
from pydantic import ValidationError

from mpssl.common.errors import nearest
from mpssl.config.experiment import Config
from mpssl.config.fields import merge
from mpssl.config.method import Lmo, split_row


def test_paper_values_are_the_defaults(content):
    """Sec. 4.1 and the objectives' own papers, as literals."""
    config = Config.model_validate(content | {"seeds": [0, 1, 2]})
    training, lmo, objectives = config.training, config.lmo, config.objectives
    assert (training.epochs, training.batch_size, training.image_size) == (200, 64, 224)
    assert (training.learning_rate, training.momentum, training.decay) == (0.01, 0.9, 0.1)
    assert [round(200 * part) for part in training.milestones] == [60, 120, 160]
    assert (lmo.mapper_learning_rate, lmo.converter_learning_rate) == (1e-4, 1e-4)
    assert (lmo.gap_weight, lmo.gap, lmo.validation_weight) == (10, "pairwise", 1)
    assert config.split.validation_fraction == 0.1
    assert (objectives.uda.confidence_threshold, objectives.uda.temperature) == (0.8, 0.4)
    assert objectives.fixmatch.confidence_threshold == 0.95
    freematch = objectives.freematch
    assert (freematch.threshold_momentum, freematch.fairness_weight) == (0.999, 0.05)
    assert config.unlabeled_weight == "search"
    del content["unlabeled_weight_grid"]
    grid = Config.model_validate(content).unlabeled_weight_grid
    assert grid == pytest.approx([0.1 * k for k in range(1, 11)])


def test_nothing_can_be_changed_afterwards(content):
    config = Config.model_validate(content)
    with pytest.raises(ValidationError, match="frozen"):
        config.training.epochs = 1


POSITIVE = [
    "training.learning_rate",
    "training.decay",
    "lmo.mapper_learning_rate",
    "lmo.converter.temperature",
    "objectives.uda.temperature",
    "foundation.truncation",
    "split.validation_fraction",
    "training.epochs",
    "training.batch_size",
    "packing.size",
    "unlabeled_ratio.oracle",
    "lmo.mapper.hidden",
    "threads",
]
NOT_NEGATIVE = [
    "training.weight_decay",
    "training.momentum",
    "lmo.gap_weight",
    "objectives.freematch.fairness_weight",
    "objectives.freematch.threshold_momentum",
    "objectives.fixmatch.confidence_threshold",
    "unlabeled_weight",
]
ABOVE_ONE = [
    "training.momentum",
    "foundation.truncation",
    "split.validation_fraction",
    "objectives.freematch.threshold_momentum",
    "objectives.fixmatch.confidence_threshold",
    "objectives.uda.confidence_threshold",
]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *product(POSITIVE, [0]),
        *product(POSITIVE + NOT_NEGATIVE, [-1, float("nan"), float("inf"), "much", None]),
        *product(ABOVE_ONE, [1.5]),
        ("training.milestones", [0.5, 1.0]),
        ("training.epochs", 1.5),
        ("seeds", []),
        ("seeds", [-1]),
        ("unlabeled_weight_grid", []),
        ("unlabeled_weight_grid", [0.1, 0]),
        ("roles.fractions.all", [0]),
        ("roles.fractions.all", [101]),
        ("tables.first.rows", []),
        ("figures.d", {"title": "D", "kind": "differences", "rows": ["base/base"]}),
        ("lmo.gap", "mse"),
        ("lmo.mapper.form", "linear"),
        ("lmo.converter.kind", "gumbel"),
        ("augmentation.weak.crop", "random"),
        ("augmentation.strong.randaugment.operations", ["rotat"]),
        ("augmentation.strong.randaugment", {"n": 16}),
        ("augmentation.strong.randaugment", {"operations": ["rotate"]}),  # n is 2
        ("packing.resize", "stretch"),
        ("device", "gpu"),
        ("foundation.generator.kind", "biggan"),
        ("datasets.mnist.adapter", "mnits"),
        ("methods.base.base.source", "nothing"),
        ("methods.base.base.objective", "nothing"),
    ],
)
def test_values_out_of_range(content, changed, key, value):
    Config.model_validate(content)
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(changed(key, value))
    where = [".".join(map(str, error["loc"])) for error in caught.value.errors()]
    assert all(
        place.startswith(key.removesuffix(".kind").removesuffix(".adapter")) for place in where
    )


@pytest.mark.parametrize(
    "name", ["../x", "..", ".x", "a/b", "a b", "", "A", "x\n", "-x", "a\\b", "~"]
)
@pytest.mark.parametrize(
    "part", ["experiment", "datasets", "methods", "variants", "tables", "figures"]
)
def test_names_are_no_path_tricks(content, part, name):
    mpssl = content["methods"]["generative"]["mpssl"]
    if part == "experiment":
        content["experiment"] = name
    elif part == "datasets":
        content["datasets"][name] = content["datasets"]["mnist"]
    elif part == "methods":
        content["methods"]["oracle"][name] = content["methods"]["oracle"]["fixmatch"]
    elif part == "variants":
        mpssl["variants"][name] = mpssl["variants"]["no_gap"]
    elif part == "tables":
        content["tables"][name] = content["tables"]["first"]
    else:
        content["figures"][name] = content["tables"]["first"] | {"kind": "dots"}
    with pytest.raises(ValidationError, match="should match pattern"):
        Config.model_validate(content)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("wanted", ["frist"], "wanted: unknown name 'frist'; did you mean 'first'?"),
        (
            "roles.datasets.main",
            ["mnits"],
            "roles.datasets.main: unknown name 'mnits'; did you mean",
        ),
        ("foundation.dataset", "glyps", "foundation.dataset: unknown name 'glyps'; did you mean"),
        (
            "tables.first.datasets",
            "mian",
            "first.datasets: unknown name 'mian'; did you mean 'main'?",
        ),
        ("tables.first.fractions", "al", "first.fractions: unknown name 'al'; did you mean 'all'?"),
        (
            "tables.first.architectures",
            "x",
            "first.architectures: unknown name 'x'; known: default",
        ),
        (
            "tables.first.reference",
            "oracle/fixmacth",
            "first.reference: unknown name 'oracle/fixmacth'; did you mean 'oracle/fixmatch'?",
        ),
        ("tables.first.rows", ["orcale/fixmatch"], "unknown name 'orcale'; did you mean 'oracle'?"),
        (
            "tables.first.rows",
            ["oracle/fixmacth"],
            "unknown name 'fixmacth'; did you mean 'fixmatch'?",
        ),
        ("tables.first.rows", ["generative/mpssl/no_lm"], "'no_lm'; did you mean 'no_lmo'?"),
        ("tables.first.labels", {"base/bse": "Base"}, "unknown name 'bse'; did you mean 'base'?"),
    ],
)
def test_unknown_names(changed, key, value, text):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(changed(key, value))
    assert text in str(caught.value)


@pytest.mark.parametrize("row", ["base", "base/base/a/b", "../base", "base/base/", "/base/base"])
def test_rows_have_two_or_three_parts(changed, row):
    with pytest.raises(ValidationError, match="should match pattern"):
        Config.model_validate(changed("tables.first.rows", [row]))


def test_images_are_not_larger_than_packed(content):
    content["packing"], content["training"] = {"size": 32}, {"image_size": 40}
    with pytest.raises(ValidationError):
        Config.model_validate(content)


def test_a_variant_changes_only_what_it_names(content):
    config = Config.model_validate(content | {"lmo": {"gap": "mmd", "mapper": {"hidden": 7}}})
    method, lmo = config.method("generative/mpssl")
    assert (method.label, method.source, method.objective) == ("MP-SSL", "lmo", "scr")
    assert (lmo.gap, lmo.gap_weight, lmo.converter.temperature) == ("mmd", 10, 0.1)

    method, lmo = config.method("generative/mpssl/no_lmo")
    assert (method.label, method.source, method.objective) == ("without LMO", "uniform", "scr")

    method, lmo = config.method("generative/mpssl/no_gap")
    assert (method.source, lmo.gap_weight, lmo.gap, lmo.mapper.hidden) == ("lmo", 0, "mmd", 7)

    _, lmo = config.method("generative/mpssl/tau")
    assert (lmo.converter.temperature, lmo.converter.kind) == (0.5, "hard_gumbel")
    assert config.lmo.converter.temperature == 0.1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"gap_wieght": 0}, "gap_wieght"),
        ({"converter": {"temprature": 1}}, "converter.temprature"),
        ({"converter": {"temperature": 0}}, "converter.temperature"),
        ({"gap": "mdm"}, "gap"),
    ],
)
def test_a_variant_is_checked_even_where_no_table_uses_it(content, changes, key):
    variants = content["methods"]["generative"]["mpssl"]["variants"]
    variants["unused"] = {"label": "x", "lmo": changes}
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(content)
    where = ".".join(map(str, caught.value.errors()[0]["loc"]))
    assert where.endswith(key)


def test_split_row():
    assert split_row("base/base") == ("base", "base", "default")
    assert split_row("generative/mpssl/no_gap") == ("generative", "mpssl", "no_gap")


def test_nearest():
    assert nearest("mnits", ["digits", "mnist"]) == "; did you mean 'mnist'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"


def test_merge_is_deep_and_leaves_its_arguments():
    base, changes = {"a": {"b": 1, "c": 2}, "d": [1, 2]}, {"a": {"b": 3}, "d": [9]}
    assert merge(base, changes) == {"a": {"b": 3, "c": 2}, "d": [9]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert merge({"a": {"b": 1}}, {"a": None}) == {"a": None}


@pytest.mark.parametrize(
    "changes", [{"reuse_samples": True}, {"carry_samples": True}, {"adapt_every": 2}]
)
def test_approximations_are_refused_unless_they_are_asked_for(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))}.*exact: false"):
        Lmo(**changes)
    Lmo(exact=False, **changes)


def test_samples_are_reused_or_carried():
    with pytest.raises(ValueError, match="exclude"):
        Lmo(exact=False, reuse_samples=True, carry_samples=True)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (
            "roles.architectures",
            {"default": ["resnet8"], "larger": ["resnet14", "resnet20"]},
            "no foundation classifier of resnet20 is shipped, only of resnet8 and resnet14; "
            "`foundation.classifier: {kind: trained, steps: 2000}` trains one",
        ),
        ("training.normalize_std", [0.5, 0.5, 0.6], "training.normalize_mean and normalize_std"),
        ("training.normalize_mean", [0.4, 0.4, 0.4], "training.normalize_mean and normalize_std"),
    ],
)
def test_a_shipped_classifier_is_there_and_sees_images_as_in_its_training(
    content, key, value, text
):
    content["foundation"]["classifier"] = {"kind": "shipped"}
    content["training"] = {"normalize_mean": [0.5] * 3, "normalize_std": [0.5] * 3}
    Config.model_validate(content)
    part, name = key.split(".")
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(content | {part: content[part] | {name: value}})
    assert text in str(caught.value)
