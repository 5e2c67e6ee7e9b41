# What differs if this workflow is a module of another one: docs/module.md.
from importlib.util import find_spec
from pathlib import Path

from snakemake.path_modifier import PathModifier

if find_spec("mpssl") is None:
    raise WorkflowError(
        "the package mpssl is not installed in the Python that runs Snakemake;"
        " install it from where this Snakefile is from, as docs/module.md shows"
    )

# A module's onstart does not run, and the configuration files are those of the other workflow.
MODULE = not workflow.modifier.is_main_snakefile()


def take_prefix():
    """The folder that a module's `prefix` names, for the plan's paths to begin with.

    Snakemake would put it before each file of a rule, but jobs find their other files by the plan.
    """
    modifier = workflow.modifier.path_modifier
    if modifier.modifies_prefixes:
        raise WorkflowError("mpssl has no use for `replace_prefix`; give the module a `prefix`")
    folder = Path(modifier.replace_prefix("file")).parent
    workflow.modifier.path_modifier = PathModifier(None, None, workflow)
    return folder


ROOT = take_prefix() if MODULE else Path()
