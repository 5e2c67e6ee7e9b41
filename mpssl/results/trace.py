"""What a table or figure was made from."""

from pathlib import Path

import pandas as pd

from mpssl.common.errors import UserError, nearest
from mpssl.config import reading
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan
from mpssl.results.records import Records
from mpssl.results.tables import texts

COLUMNS = ["run", "seed", "lambda", "test_accuracy", "commit"]


def trace(path: Path) -> str:
    """The runs behind a table or figure, with seed, lambda, accuracy, commit and digests, as csv.

    Args:
        path: of a file in results/EXPERIMENT/tables or figures.

    Raises:
        UserError: there is no such table or figure, its runs are missing or do not belong
            together, or a table is not what its runs give.
    """
    config = reading.load(path.parent.parent / "config.json")
    plan, name, kind = Plan(config), path.stem, path.suffix.removeprefix(".")
    if name not in plan.grids or not path.exists():
        raise UserError(f"{path} is no table or figure of a run{nearest(name, plan.grids)}")
    records = Records(config, plan.cells(name))
    rows = [row for cell in plan.cells(name) for row in records.of(cell).records]
    if name in config.tables:
        made = texts(config, name).get(kind)
        if path.resolve() != Paths(config).table(name, kind).resolve():
            raise UserError(f"{path} is not below the folder that mpssl was started in")
        if path.read_text() != made:
            raise UserError(
                f"{path} is not what its {len(rows)} runs give; run snakemake again to make it anew"
            )
    lines = [{key: row[key] for key in COLUMNS} | row["digests"] for row in rows]
    return pd.DataFrame(lines).to_csv(index=False).rstrip("\n")
