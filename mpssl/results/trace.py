"""What a table or figure was made from."""

from pathlib import Path

import pandas as pd

from mpssl.common.errors import UserError, nearest
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import resolved_config
from mpssl.results.records import Records
from mpssl.results.tables import texts


def trace(path: Path) -> str:
    """The runs behind a table or figure, with seed, lambda, accuracy, commit and digests, as csv.

    Args:
        path: of a file in results/EXPERIMENT/tables or figures.

    Raises:
        UserError: there is no such table or figure, its runs are missing or do not belong
            together, or a table is not what its runs give.
    """
    experiment = Experiment.load(resolved_config(path.parent.parent))
    plan, name, kind = experiment.plan, path.stem, path.suffix.removeprefix(".")
    if name not in plan.grids or not path.exists():
        raise UserError(f"{path} is no table or figure of a run{nearest(name, plan.grids)}")
    records = Records(experiment, plan.cells(name))
    rows = [row for cell in plan.cells(name) for row in records.of(cell).records]
    if name in experiment.config.tables:
        made = texts(experiment, name).get(kind)
        if path.resolve() != experiment.paths.table(name, kind).resolve():
            raise UserError(f"{path} is not below the folder that mpssl was started in")
        if path.read_text() != made:
            raise UserError(
                f"{path} is not what its {len(rows)} runs give; run snakemake again to make it anew"
            )
    lines = [
        {
            "run": row.run.id,
            "seed": row.run.seed,
            "lambda": row.lambda_,
            "test_accuracy": row.test_accuracy,
            "commit": row.commit,
            **row.digests.model_dump(exclude_none=True),
        }
        for row in rows
    ]
    return pd.DataFrame(lines).to_csv(index=False).rstrip("\n")
