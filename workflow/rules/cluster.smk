# If SLURM runs the jobs: what it would not start, and why it did not run what it was given.
import os
import sys

from mpssl.compat import slurm
from mpssl.tools import preflight
from mpssl.tools.slurm_words import Reasons

reasons = Reasons()

if MODULE and os.environ.get(preflight.SWITCH) == "only":
    raise WorkflowError("mpssl preflight works in a checkout, not where mpssl is a module")


def check_cluster():
    """Called when the workflow starts; if `mpssl preflight` has started it, it ends here."""
    executor, switch = slurm.slurm_executor(workflow), os.environ.get(preflight.SWITCH)
    try:
        if switch == "only":
            report_cluster(executor)
        if executor and switch != "off":
            preflight.check_start(slurm.submissions(workflow, executor))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if executor:
        slurm.tell_reasons(executor, reasons.tell)


def report_cluster(executor):
    if executor is None:
        raise UserError("the profile runs no jobs by SLURM: it has no `executor: slurm`")
    own_images = [d.own_copy for d in settings.datasets.values() if d.own_copy]
    said, well = preflight.report(
        slurm.submissions(workflow, executor),
        slurm.written_files(workflow),
        slurm.read_files(workflow) + own_images,
    )
    print("\n".join(said), flush=True)
    sys.exit(0 if well else 1)
