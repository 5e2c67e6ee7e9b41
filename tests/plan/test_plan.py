"""From tables to cells to runs, counted by hand."""

import pytest

from mpssl.config.experiment import Config
from mpssl.config.reading import load
from mpssl.plan.cells import SELECTED, Cell, Column, Run, cell_of
from mpssl.plan.names import Names
from mpssl.plan.plan import Plan, run_modules

BASE = Cell("mnist", 50, "base", "base", "default", "resnet8")
MPSSL = Cell("mnist", 50, "generative", "mpssl", "default", "resnet8")
NO_LMO = Cell("mnist", 50, "generative", "mpssl", "no_lmo", "resnet8")
PSSL = Cell("mnist", 50, "generative", "pssl", "default", "resnet8")
FIXMATCH = Cell("mnist", 50, "oracle", "fixmatch", "default", "resnet8")
FREEMATCH = Cell("mnist", 50, "oracle", "freematch", "default", "resnet8")
TRANSFER = Cell("mnist", 50, "transfer", "scr", "default", "resnet8")
COLUMN = Column("mnist", 24, "resnet8")  # of config/mini.yaml
CELLS = [BASE, MPSSL, NO_LMO, PSSL, FIXMATCH, FREEMATCH, TRANSFER]


@pytest.fixture
def plan(content):
    return Plan(Config.model_validate(content))


# ------------------------------------------------------------------------------ cells and runs


@pytest.mark.parametrize("view", ["weak", "strong"])
def test_labels_have_the_view_of_the_configuration_unless_the_method_says_its_own(view):
    config = load("config/mini.yaml")
    augmentation = config.augmentation.model_copy(update={"labeled_view": view})
    plan, column = Plan(config.model_copy(update={"augmentation": augmentation})), COLUMN
    strong = augmentation.strong.randaugment
    expected = {row: strong if view == "strong" else None for row in ("base/base", "oracle/scr")}
    expected |= {"control/weak": None, "oracle/scr/weak": None}
    expected |= {"control/strong": strong, "control/longer": strong, "oracle/scr/strong": strong}
    for row, randaugment in expected.items():
        settings = plan.settings(cell_of(row, column))
        assert settings.augmentation.labeled.randaugment == randaugment, row
    base, same = (plan.settings(cell_of(row, column)) for row in ("base/base", f"control/{view}"))
    assert base == same


def test_each_objective_may_have_its_own_lambda(content):
    plan = Plan(Config.model_validate(content | {"unlabeled_weight": {"scr": 3}}))
    lambdas = {cell: {run.lambda_ for run in plan.runs([cell])} for cell in (MPSSL, FIXMATCH)}
    assert lambdas == {MPSSL: {"3"}, FIXMATCH: {"1"}}


def test_cells_are_rows_times_columns(plan):
    # first: 3 rows x 2 data sets; second: 2 rows x 2 fractions
    assert len(plan.cells("first")) == 6
    assert len(plan.cells("second")) == 4
    assert plan.columns("first") == [
        Column("mnist", 50, "resnet8"),
        Column("digits", 50, "resnet8"),
    ]
    assert plan.cells("first")[:2] == [
        BASE,
        Cell("digits", 50, "base", "base", "default", "resnet8"),
    ]


def test_tables_share_cells(plan):
    # base on mnist at 50 % is in both: 6 + 4 - 1
    assert len(plan.all_cells()) == 9
    assert set(plan.cells("first")) & set(plan.cells("second")) == {BASE}


def test_runs_by_hand(plan):
    # base: 3 cells (mnist, digits at 50, mnist at 100) x 3 seeds = 9
    # the others: 6 cells x (grid of 2 on a seed of its own + 3 seeds) = 30
    runs = list(plan.runs(plan.all_cells()))
    assert len(runs) == 39
    assert len({run.id for run in runs}) == 39


def test_runs_of_one_cell(plan):
    assert plan.search_runs(MPSSL) == [Run(MPSSL, "0.25", 100), Run(MPSSL, "1", 100)]
    assert plan.fixed_runs(MPSSL) == [Run(MPSSL, SELECTED, seed) for seed in (3, 4, 5)]
    assert plan.fixed_runs(BASE) == [Run(BASE, "0", seed) for seed in (3, 4, 5)]
    assert not plan.searched(BASE)
    assert list(plan.runs([BASE])) == plan.fixed_runs(BASE)


def test_the_search_may_be_on_the_first_seed(content):
    plan = Plan(Config.model_validate(content | {"search_seed": "first"}))
    assert plan.search_runs(MPSSL) == [Run(MPSSL, "0.25", 3), Run(MPSSL, "1", 3)]
    assert plan.fixed_runs(MPSSL) == [Run(MPSSL, SELECTED, 4), Run(MPSSL, SELECTED, 5)]
    assert plan.fixed_runs(BASE) == [Run(BASE, "0", seed) for seed in (3, 4, 5)]
    assert len(list(plan.runs(plan.all_cells()))) == 39 - 6  # its best run is the first seed's


def test_the_searchs_seed_is_none_of_the_others(content):
    with pytest.raises(ValueError, match="search_seed: 4 is one of `seeds`"):
        Config.model_validate(content | {"search_seed": 4})
    Config.model_validate(content | {"search_seed": 4, "unlabeled_weight": 0.5})


def test_a_number_needs_no_search(content):
    plan = Plan(Config.model_validate(content | {"unlabeled_weight": 0.5}))
    assert not plan.searched(MPSSL)
    assert plan.fixed_runs(MPSSL) == [Run(MPSSL, "0.5", seed) for seed in (3, 4, 5)]
    assert plan.fixed_runs(BASE) == [Run(BASE, "0", seed) for seed in (3, 4, 5)]
    assert len(list(plan.runs(plan.all_cells()))) == 27  # 9 cells x 3 seeds


def test_wanted(content):
    first = Plan(Config.model_validate(content | {"wanted": ["first", "first"]}))
    assert first.wanted == ["first"]
    assert first.wanted_cells() == first.cells("first")
    every = Plan(Config.model_validate(content | {"wanted": ["second", "all"]}))
    assert every.wanted == ["first", "second"]
    assert len(every.wanted_cells()) == 9


def test_figures_have_cells_too(content):
    content["figures"] = {"curves": content["tables"]["second"] | {"kind": "curves"}}
    plan = Plan(Config.model_validate(content))
    assert plan.cells("curves") == plan.cells("second")
    assert len(plan.all_cells()) == 9


def test_no_unlabeled_images_are_left_at_100_percent(content):
    content["tables"]["third"] = {
        "title": "Third",
        "fractions": "all",
        "rows": ["oracle/fixmatch", "transfer/scr", "generative/mpssl"],
    }
    plan = Plan(Config.model_validate(content))
    # 3 rows x 2 fractions, without the oracle at 100 %
    assert len(plan.cells("third")) == 5
    oracle = Cell("mnist", 100, "oracle", "fixmatch", "default", "resnet8")
    assert oracle not in plan.cells("third")
    assert "100 %" in plan.impossible(oracle)
    assert plan.impossible(FIXMATCH) is None


def test_transfer_needs_images_of_the_foundation(content):
    part = {"kind": "pretrained", "path": "weights"}
    content["foundation"] = {"dataset": None, "generator": part, "classifier": part}
    plan = Plan(Config.model_validate(content))
    assert "foundation.dataset" in plan.impossible(TRANSFER)
    assert plan.impossible(MPSSL) is None


def test_paper_plan_of_table_1():
    """6 data sets x 7 methods; 6 base cells x 3 seeds + 36 cells x (grid of 10 + 3 seeds)."""
    plan = Plan(load("config/config.yaml"))
    cells = plan.cells("table1")
    assert len(cells) == 42
    assert len(list(plan.runs(cells))) == 486


def test_paper_tables_3_to_6_share_table_1s_row():
    plan = Plan(load("config/config.yaml"))
    ours = Cell("cars", 50, "generative", "mpssl", "default", "resnet18")
    assert all(ours in plan.cells(f"table{n}") for n in (1, 2, 3, 4, 5, 6, 9, 11))
    # Table 2: 7 methods x 4 fractions, without 3 oracle methods at 100 %
    assert len(plan.cells("table2")) == 25
    # Table 10: 5 methods x 2 architectures
    assert len(plan.cells("table10")) == 10


# ------------------------------------------------------------------------- what a run depends on


def test_needs(content):
    def needs(**training):
        plan = Plan(Config.model_validate(content | {"training": training}))
        return [plan.needs(cell) for cell in (BASE, FIXMATCH, TRANSFER, PSSL, MPSSL)]

    generator, classifier = {"generator"}, {"foundation_classifier"}
    images = [{"unlabeled"}, {"foundation_images"}]
    assert needs(pretrained=False) == [set(), *images, generator | classifier, generator]
    with_features = needs(pretrained=True)
    assert with_features == [found | classifier for found in needs(pretrained=False)]


def affected(content, changes):
    """The cells whose settings another configuration changes."""
    before = Plan(Config.model_validate(content))
    after = Plan(Config.model_validate(content | changes))
    return [cell for cell in CELLS if before.settings(cell) != after.settings(cell)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objectives": {"freematch": {"fairness_weight": 0.5}}}, [PSSL, FREEMATCH]),
        ({"objectives": {"freematch": {"threshold_momentum": 0.5}}}, [PSSL, FREEMATCH]),
        ({"objectives": {"fixmatch": {"confidence_threshold": 0.5}}}, [FIXMATCH]),
        ({"objectives": {"uda": {"temperature": 0.5}}}, []),
        ({"lmo": {"mapper": {"hidden": 7}}}, [MPSSL]),
        ({"unlabeled_ratio": {"oracle": 3}}, [FIXMATCH, FREEMATCH]),
        ({"unlabeled_ratio": {"transfer": 3}}, [TRANSFER]),
        ({"unlabeled_ratio": {"generative": 3}}, [MPSSL, NO_LMO, PSSL]),
        ({"augmentation": {"weak": {"padding": 3}}}, CELLS[1:]),
        ({"augmentation": {"strong": {"padding": 3}}}, CELLS[1:]),
        ({"augmentation": {"labeled": {"padding": 3}}}, CELLS),
        ({"training": {"epochs": 3}}, CELLS),
        ({"split": {"seed": 1}}, []),  # reaches the run as a file
        ({"packing": {"size": 300}}, []),  # so does this
        ({"seeds": [7]}, []),
        ({"unlabeled_weight": 0.5}, []),
        ({"threads": 2, "device": "cpu"}, []),
    ],
)
def test_settings_hold_what_the_run_depends_on(content, changes, expected):
    assert affected(content, changes) == expected


def test_settings_of_a_variant(content):
    plan = Plan(Config.model_validate(content))
    settings = plan.settings(MPSSL)
    assert (settings.source, settings.objective) == ("lmo", "scr")
    assert settings.lmo.gap_weight == 10
    no_gap = Cell("mnist", 50, "generative", "mpssl", "no_gap", "resnet8")
    assert plan.settings(no_gap).lmo.gap_weight == 0
    assert plan.settings(NO_LMO).lmo is None


def test_a_change_of_one_variant_is_that_variants_alone(content):
    plan = Plan(Config.model_validate(content))
    tau, no_gap = (
        Cell("mnist", 50, "generative", "mpssl", variant, "resnet8")
        for variant in ("tau", "no_gap")
    )
    assert plan.settings(tau).lmo.converter.temperature == 0.5
    content["methods"]["generative"]["mpssl"]["variants"]["tau"]["lmo"] = {"gap": "mmd"}
    other = Plan(Config.model_validate(content))
    changed = [c for c in (MPSSL, tau, no_gap) if plan.settings(c) != other.settings(c)]
    assert changed == [tau]


def test_run_modules(plan):
    def modules(cell):
        return run_modules(plan.settings(cell))

    assert modules(BASE) == ["mpssl.runs.runner", "mpssl.training.sources.base"]
    assert modules(MPSSL) == [
        "mpssl.runs.runner",
        "mpssl.training.sources.lmo",
        "mpssl.training.objectives.distances",
    ]
    assert modules(PSSL) == [
        "mpssl.runs.runner",
        "mpssl.training.sources.pseudo",
        "mpssl.training.objectives.freematch",
    ]


def test_a_head_alone_leaves_objectives_on_features_out(content):
    plan = Plan(Config.model_validate(content | {"training": {"train": "head"}}))
    assert "training.train: head trains none" in plan.impossible(MPSSL)
    assert plan.impossible(FIXMATCH) is None
    assert "mpssl" not in {cell.method for cell in plan.cells("first")}


def test_weights_without_classes_leave_pssl_out(content):
    content["roles"]["architectures"]["default"] = ["timm/vit_small_patch14_dinov2.lvd142m"]
    content["training"] = {"image_size": 42}
    content["foundation"]["classifier"] = {"kind": "pretrained", "path": "weights"}
    plan = Plan(Config.model_validate(content))
    (column, *_) = plan.columns("first")
    assert column.architecture == "timm.vit_small_patch14_dinov2.lvd142m"
    assert "needs classes of the foundation classifier" in plan.impossible(
        cell_of("generative/pssl", column)
    )
    assert plan.impossible(cell_of("generative/mpssl", column)) is None
    folder, download = plan.weight_downloads()[0]
    assert str(folder) == "weights"
    assert download.file == f"{column.architecture}.safetensors"
    assert "huggingface.co/timm/vit_small_patch14_dinov2.lvd142m/" in download.urls[0]


def test_a_pin_of_timms_weights_is_fetched_and_names_what_is_made_with_them(content):
    """Their name on the hub says no version, as torchvision's names of files do."""
    content["roles"]["architectures"]["default"] = ["timm/resnet18.a1_in1k", "resnet18"]
    files = ["timm.resnet18.a1_in1k.safetensors", "resnet18-f37072fd.pth"]

    def named(**pin):
        pins = [{"file": file, "urls": ["https://a.b/c"]} | pin for file in files if pin]
        content["foundation"]["classifier"] = {"kind": "pretrained", "path": "w", "downloads": pins}
        plan = Plan(Config.model_validate(content))
        names = Names(plan.config, plan, {})
        return {d.file: d for _, d in plan.weight_downloads()}, [
            names.classifier(name) for name in ("timm.resnet18.a1_in1k", "resnet18")
        ]

    (_, main), (fetched, pinned) = named(), named(urls=["https://hub/COMMIT"])
    assert fetched[files[0]].urls == ["https://hub/COMMIT"]
    digests = [named(sha256=digit * 64)[1] for digit in "ab"]
    assert len({names[0] for names in (main, pinned, *digests)}) == 4
    assert len({names[1] for names in (main, pinned, *digests)}) == 1
