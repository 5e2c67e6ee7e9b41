from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

# Each experiment's file is complete: config.yaml is read where no --configfile names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


rule all:
    input:
        paths.report,
        [paths.answer("md")] if settings.answer else [],


include: "workflow/rules/data.smk"
include: "workflow/rules/foundation.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/cluster.smk"


# Jobs read the whole configuration from one file; what they depend on is in the names they make.
onstart:
    check_cluster()
    if settings.answer:  # a project of `mpssl init`
        claim_results(paths.results, workflow.configfiles)
    experiment.write()
    register(experiment, index)
    lift_default_rate_limit(workflow.scheduler)


onsuccess:
    if settings.answer and paths.answer("md").exists():  # not after --until
        shell(f"cat {paths.answer('md')}")
    shell("python -m mpssl times --config {paths.resolved_config}")


onerror:
    reasons.tell_all()
    shell("python -m mpssl failures --config {paths.resolved_config} >&2 || true")
