"""What a table was made from."""

import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import write_made
from mpssl.results.tables import make_table
from mpssl.results.trace import trace
from tests.support.records import write_all


def test_a_table_is_traced_to_its_runs_or_refused(experiment):
    write_all(experiment)
    make_table(experiment, "table1")
    write_made(experiment.paths.resolved_config, experiment.config.model_dump(mode="json"))
    path = experiment.paths.table("table1", "csv")
    header, *lines = trace(path).splitlines()
    assert header == "run,seed,lambda,test_accuracy,commit,code,configuration,data,split"
    assert len(lines) == 30  # 5 rows, 2 data sets, 3 seeds
    assert (
        lines[0] == "mnist/50/base/base/default/resnet8/lambda-0/seed-3,3,0.0,60.0,abc,c0de,f,d,s"
    )
    path.write_text(path.read_text() + "table1\n")
    with pytest.raises(UserError, match="is not what its 30 runs give"):
        trace(path)
    with pytest.raises(UserError, match="is no table or figure"):
        trace(path.with_name("table9.csv"))
