# Data sets: downloaded, packed once into arrays, and split.


rule fetch_dataset:
    output:
        paths.unpacked("{dataset}"),
    log:
        paths.logs / "fetch/{dataset}.log",
    # A cluster's compute nodes seldom reach the internet.
    localrule: True
    conda:
        "../../environment.yml"
    params:
        config=paths.resolved_config,
        downloads=lambda w: json.dumps([d.model_dump() for d in downloads_of(w.dataset)]),
    shell:
        "exec python -m mpssl fetch --config {params.config} {wildcards.dataset} > {log} 2>&1"


rule pack_images:
    input:
        unpacked=lambda w: paths.unpacked(w.dataset) if downloads_of(w.dataset) else [],
    output:
        meta=packed("{dataset}"),
    log:
        paths.logs / "pack/{dataset}.log",
    benchmark:
        paths.benchmarks / "pack/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        config=paths.resolved_config,
        dataset=lambda w: settings.datasets[w.dataset].model_dump_json(exclude={"title", "licence"}),
        packing=settings.packing.model_dump_json(),
        code=code_digest("mpssl.data.adapters", "mpssl.data.store"),
    shell:
        "exec python -m mpssl pack --config {params.config} {wildcards.dataset} > {log} 2>&1"


# One for all seeds, or one for each.
SPLIT = paths.split("", "{fraction}", "{seed}").stem


rule split_pool:
    input:
        packed=packed("{dataset}"),
    output:
        paths.split("{dataset}", "{fraction}", "{seed}"),
    log:
        paths.logs / f"split/{{dataset}}-{SPLIT}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=paths.resolved_config,
        split=settings.split.model_dump_json(),
        code=code_digest("mpssl.data.split", "mpssl.data.store"),
        seed=lambda w: w.get("seed", 0),
    shell:
        "exec python -m mpssl split --config {params.config} {wildcards.dataset} {wildcards.fraction}"
        " {params.seed} > {log} 2>&1"
