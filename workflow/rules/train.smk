# One training run a job, and the choice of lambda for each cell.


rule train_run:
    input:
        unpack(run_inputs),
    output:
        record=paths.run(ANY_RUN).record,
        history=paths.run(ANY_RUN).history,
        model=paths.run(ANY_RUN).model,
        predictions=paths.run(ANY_RUN).predictions,
    log:
        paths.train_log(ANY_RUN),
    benchmark:
        paths.benchmarks / "train" / f"{ANY_RUN}.tsv"
    conda:
        "../../environment.yml"
    threads: settings.threads
    resources:
        gpu=1,
        mem_mb=run_memory_mb,
        # A longer run ends in time, and a retry goes on with it.
        runtime=480,
    params:
        config=paths.resolved_config,
        settings=lambda w: run_settings(w).model_dump_json(),
        code=lambda w: code_digest(*run_modules(run_settings(w))),
        shipped=shipped_digest,
        run=ANY_RUN,
    shell:
        "exec python -m mpssl train --config {params.config} --threads {threads} {params.run} > {log} 2>&1"


rule select_lambda:
    input:
        lambda w: [paths.run(run).record for run in plan.search_runs(cell_of(w))],
    output:
        paths.selected(ANY_CELL),
    log:
        paths.logs / "select" / f"{ANY_CELL}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=paths.resolved_config,
        code=code_digest("mpssl.results.collect"),
        cell=ANY_CELL,
    shell:
        "exec python -m mpssl select --config {params.config} {params.cell} > {log} 2>&1"
