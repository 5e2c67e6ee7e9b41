# One training run a job, and the choice of lambda for each cell.


def run_of(wildcards):
    return Run.parse(SEED.format(**wildcards))


def run_inputs(wildcards):
    """Data, split and weights that a run needs, and its lambda where that is searched."""
    cell, weight = run_of(wildcards).cell, wildcards.weight
    needs = plan.needs(cell)
    inputs = {"packed": packed(cell.dataset), "split": paths.split(cell.dataset, cell.fraction)}
    if "generator" in needs:
        inputs["generator"] = generator_files()
    if "foundation_classifier" in needs:
        inputs["foundation_classifier"] = paths.classifier(cell.architecture)
    if "foundation_images" in needs:
        inputs["foundation_images"] = packed(experiment.foundation.dataset)
    if weight == "selected":
        inputs["selected"] = paths.selected(cell)
    return inputs


def run_settings(wildcards):
    return plan.settings(run_of(wildcards).cell)


rule train_run:
    input:
        unpack(run_inputs),
        config=ancient(paths.resolved_config),
    output:
        metrics=paths.run(SEED) / "metrics.json",
        history=paths.run(SEED) / "history.csv",
        model=paths.run(SEED) / "model.safetensors",
    log:
        paths.logs / "train" / f"{SEED}.log",
    benchmark:
        paths.benchmarks / "train" / f"{SEED}.tsv"
    threads: experiment.threads
    resources:
        gpu=1,
    params:
        settings=lambda w: json.dumps(run_settings(w), sort_keys=True),
        code=lambda w: code_digest(*run_modules(run_settings(w))),
        run=SEED,
    shell:
        "exec python -m mpssl train --config {input.config} --threads {threads} {params.run} > {log} 2>&1"


rule select_weight:
    input:
        config=ancient(paths.resolved_config),
        metrics=lambda w: [
            paths.run(run) / "metrics.json"
            for run in plan.search_runs(Run.parse(f"{RUN.format(**w)}/lambda-0/seed-0").cell)
        ],
    output:
        paths.selected(RUN),
    log:
        paths.logs / "select" / f"{RUN}.log",
    params:
        code=code_digest("mpssl.results.records"),
        cell=RUN,
    shell:
        "exec python -m mpssl select --config {input.config} {params.cell} > {log} 2>&1"
