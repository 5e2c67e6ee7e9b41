# For a checkout. Each experiment's file is complete: config.yaml is read where no --configfile
# names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


include: "workflow/Snakefile"


# Snakemake takes the target from this file alone.
workflow.default_target = rules.all.rule.name
