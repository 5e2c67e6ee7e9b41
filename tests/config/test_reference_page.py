"""docs/configuration.md: what it says of keys, values and defaults."""

import re

import yaml

from mpssl.config.reading import resolve
from mpssl.config.reference_page import EXAMPLE, reference
from mpssl.plan.plan import Plan

PAGE = reference()


def section(name):
    return PAGE.split(f"## {name}\n")[1].split("\n## ")[0]


def row(model, key):
    (line,) = [line for line in section(model).splitlines() if line.startswith(f"| `{key}` |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_example_is_a_whole_experiment_and_names_a_run_of_it():
    plan = Plan(resolve(yaml.safe_load(EXAMPLE)))
    (run,) = re.findall(r"results/my-birds/runs/([^`]*)`", PAGE)
    assert run in {found.id for found in plan.runs(plan.wanted_cells())}


def test_a_row_says_value_default_and_meaning():
    assert "| key | value | default | meaning |" in section("Training")
    assert row("Training", "epochs")[1:3] == ["integer at least 1", "`200`"]
    assert row("Training", "momentum")[1] == "number at least 0 and below 1"
    assert row("Training", "milestones")[1:3] == [
        "list of numbers above 0 and below 1",
        "`[0.3, 0.6, 0.8]`",
    ]
    assert row("Config", "resident_images")[1] == "number from 0 to 1"
    number = "number at least 0"
    assert row("Config", "unlabeled_weight")[1] == f"`search` or {number} or name: {number}"
    assert row("Config", "tensorboard")[1:3] == ["true or false", "`false`"]
    assert row("Config", "tables")[1:3] == ["name: [Table](#table)", "shipped"]
    assert row("Config", "answer")[2] == "empty"
    assert row("Augmentation", "labeled")[2] == "`{crop: resized}`"
    assert row("Roles", "fractions")[2] == "required"
    assert "`{default: [50], small: [10], all: [10, 25, 50, 100]}`" in row("Roles", "fractions")[3]


def test_a_section_leads_back_to_the_one_that_holds_it():
    assert "It is given under `mapper` of [Lmo](#lmo)." in section("Mapper")
    assert "`downloads` of [PaperData](#paperdata), `downloads` of" in section("Download")
    assert "It is given under" not in section("Config").split("| key |")[0]


def test_links_lead_to_sections():
    for name in set(re.findall(r"\]\(#(\w+)\)", PAGE)):
        assert f"## {name}\n" in PAGE.lower()
