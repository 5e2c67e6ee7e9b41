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
        unpacked=lambda w: (ancient(paths.unpacked(w.dataset)) if downloads_of(w.dataset) else []),
    output:
        done(paths.made("packed", "{dataset}-{digest}")),
    log:
        paths.logs / "pack/{dataset}-{digest}.log",
    benchmark:
        paths.benchmarks / "pack/{dataset}-{digest}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        config=paths.resolved_config,
    shell:
        "exec python -m mpssl pack --config {params.config} {wildcards.dataset} > {log} 2>&1"


rule split_pool:
    input:
        packed=lambda w: packed(index.splits[w.split][0]),
    output:
        done(paths.made("splits", "{split}")),
    log:
        paths.logs / "split/{split}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=paths.resolved_config,
        of=lambda w: index.splits[w.split],
    shell:
        "exec python -m mpssl split --config {params.config} {params.of} > {log} 2>&1"
