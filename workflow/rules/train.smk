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
        step="train",
        of=lambda w: index.runs[w.name].id,
    shell:
        "exec python -m mpssl {params.step} --config {params.config} --threads {threads} {params.of}"
        " > {log} 2>&1"


if plan.halves:

    # One job a cell: which runs go on is known only on the way.
    use rule train_run as halve_lambda with:
        input:
            unpack(lambda w: run_inputs(plan.search_runs(index.searches[w.name])[0])),
        output:
            done(paths.made("searches", "{name}")),
        log:
            paths.logs / "select/{name}.log",
        benchmark:
            paths.benchmarks / "select/{name}.tsv"
        resources:
            gpu=1,
            mem_mb=lambda w: run_memory_mb(index.searches[w.name]),
            runtime=480,
        params:
            config=paths.resolved_config,
            step="halve",
            of=lambda w: index.searches[w.name].id,

else:

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
        step="train",
        of=lambda w: index.chosen[w.name].id,
