# From records of runs to tables and figures.


rule collect_runs:
    input:
        records(plan.wanted_cells()),
        paths.recipe(RUNS),
    output:
        runs=report(
            paths.runs_table,
            category="Runs",
            labels={"file": "runs of the tables"},
            caption="../report/runs.rst",
        ),
        search=report(
            paths.searches_table,
            category="Runs",
            labels={"file": "searches of lambda"},
            caption="../report/search.rst",
        ),
    log:
        paths.logs / "collect/runs.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl collect --config {params.config} > {log} 2>&1"


rule test_claims:
    input:
        records(plan.wanted_cells()),
        paths.recipe(CLAIMS),
    output:
        report(
            [paths.claims(suffix) for suffix in ("csv", "md")],
            category="Claims",
            caption="../report/claims.rst",
        ),
    log:
        paths.logs / "claims.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl claims --config {params.config} > {log} 2>&1"


rule make_table:
    input:
        lambda w: records(plan.cells(w.table)),
        paths.recipe("{table}"),
    output:
        report(
            table_files("{table}"),
            category="Tables",
            labels={"table": "{table}"},
            caption="../report/table.rst",
        ),
    log:
        paths.logs / "tables/{table}.log",
    wildcard_constraints:
        table="|".join(settings.tables),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl table --config {params.config} {wildcards.table} > {log} 2>&1"


rule make_figure:
    input:
        lambda w: records(plan.cells(w.figure)),
        paths.recipe("{figure}"),
    output:
        report(
            figure_files("{figure}"),
            category="Figures",
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
    log:
        paths.logs / "figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(settings.figures),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl figure --config {params.config} {wildcards.figure} > {log} 2>&1"


rule make_report:
    input:
        [file for name in plan.wanted for file in result_files(name)],
        [paths.runs_table, paths.searches_table, paths.claims("md")],
        domains(plan.wanted_cells()),
        paths.recipe(REPORT),
    output:
        report(
            paths.report,
            category="Report",
            labels={"page": "all results on one page"},
            caption="../report/page.rst",
        ),
    log:
        paths.logs / "report.log",
    conda:
        "../../environment.yml"
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl report --config {params.config} > {log} 2>&1"


if settings.answer:

    rule write_answer:
        input:
            records(plan.answer_cells()),
            paths.recipe(ANSWER),
            domains(plan.answer_cells()),
        output:
            report([paths.answer("md"), paths.answer("csv")], category="Answer"),
            model=paths.chosen_model,
        log:
            paths.logs / "answer.log",
        conda:
            "../../environment.yml"
        params:
            config=paths.resolved_config,
        shell:
            "exec python -m mpssl answer --config {params.config} > {log} 2>&1"


# Targets named after the tables and figures: snakemake table1, snakemake figure4.
for result in plan.grids:

    rule:
        name:
            result
        input:
            result_files(result),
