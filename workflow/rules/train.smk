# One training run a job, and the choice of lambda for each cell.


rule train_run:
    input:
        unpack(lambda w: run_inputs(index.runs[w.name])),
    output:
        done(paths.made("runs", "{name}")),
    log:
        paths.logs / "train/{name}.log",
    benchmark:
        paths.benchmarks / "train/{name}.tsv"
    conda:
        "../../environment.yml"
    threads: settings.threads
    resources:
        gpu=1,
        mem_mb=lambda w: run_memory_mb(index.runs[w.name].cell),
        # A longer run ends in time, and a retry goes on with it.
        runtime=480,
    params:
        config=paths.resolved_config,
        run=lambda w: index.runs[w.name].id,
    shell:
        "exec python -m mpssl train --config {params.config} --threads {threads} {params.run} > {log} 2>&1"


rule select_lambda:
    input:
        lambda w: [stored(folder_of(run)) for run in plan.search_runs(index.searches[w.name])],
    output:
        done(paths.made("searches", "{name}")),
    log:
        paths.logs / "select/{name}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=paths.resolved_config,
        cell=lambda w: index.searches[w.name].id,
    shell:
        "exec python -m mpssl select --config {params.config} {params.cell} > {log} 2>&1"


# Runs whose lambda the search chooses: which run that is, is known only then.
use rule train_run as train_chosen with:
    input:
        unpack(lambda w: run_inputs(index.chosen[w.name])),
    output:
        done(paths.made("chosen", "{name}")),
    resources:
        gpu=1,
        mem_mb=lambda w: run_memory_mb(index.chosen[w.name].cell),
        runtime=480,
    params:
        config=paths.resolved_config,
        run=lambda w: index.chosen[w.name].id,
