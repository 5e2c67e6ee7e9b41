# One training run a job, and the choice of lambda for each cell.


rule train_run:
    input:
        unpack(run_inputs),
    output:
        metrics=paths.run(RUN) / "metrics.json",
        history=paths.run(RUN) / "history.csv",
        model=paths.run(RUN) / "model.safetensors",
    log:
        paths.train_log(RUN),
    benchmark:
        paths.benchmarks / "train" / f"{RUN}.tsv"
    conda:
        "../../environment.yml"
    threads: experiment.threads
    resources:
        gpu=1,
        mem_mb=run_memory_mb,
        # A longer run ends in time, and a retry goes on with it.
        runtime=480,
    params:
        config=paths.resolved_config,
        settings=lambda w: json.dumps(run_settings(w), sort_keys=True),
        code=lambda w: code_digest(*run_modules(run_settings(w))),
        run=RUN,
    shell:
        "exec python -m mpssl train --config {params.config} --threads {threads} {params.run} > {log} 2>&1"


rule select_weight:
    input:
        metrics=lambda w: [
            paths.run(run) / "metrics.json"
            for run in plan.search_runs(Run.parse(f"{CELL.format(**w)}/lambda-0/seed-0").cell)
        ],
    output:
        paths.selected(CELL),
    log:
        paths.logs / "select" / f"{CELL}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=paths.resolved_config,
        code=code_digest("mpssl.results.collect"),
        cell=CELL,
    shell:
        "exec python -m mpssl select --config {params.config} {params.cell} > {log} 2>&1"
