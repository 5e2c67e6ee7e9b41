# The configuration that all jobs read; then data sets: packed once into arrays, and split.


rule resolve_config:
    output:
        paths.resolved_config,
    log:
        paths.logs / "config.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        content=experiment.model_dump_json(indent=1),
    shell:
        "printf '%s\\n' {params.content:q} > {output} 2> {log}"


rule fetch_dataset:
    input:
        config=ancient(paths.resolved_config),
    output:
        paths.unpacked("{dataset}"),
    log:
        paths.logs / "fetch/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        downloads=lambda w: json.dumps([d.model_dump() for d in downloads_of(w.dataset)]),
    shell:
        "exec python -m mpssl fetch --config {input.config} {wildcards.dataset} > {log} 2>&1"


rule pack_images:
    input:
        config=ancient(paths.resolved_config),
        unpacked=lambda w: paths.unpacked(w.dataset) if downloads_of(w.dataset) else [],
    output:
        meta=packed("{dataset}"),
    log:
        paths.logs / "pack/{dataset}.log",
    benchmark:
        paths.benchmarks / "pack/{dataset}.tsv"
    conda:
        "../../environment.yml"
    params:
        dataset=lambda w: experiment.datasets[w.dataset].model_dump_json(
            exclude={"title", "licence"}
        ),
        packing=experiment.packing.model_dump_json(),
        code=code_digest("mpssl.data.adapters", "mpssl.data.store"),
    shell:
        "exec python -m mpssl pack --config {input.config} {wildcards.dataset} > {log} 2>&1"


rule split_pool:
    input:
        config=ancient(paths.resolved_config),
        packed=packed("{dataset}"),
    output:
        paths.split("{dataset}", "{fraction}"),
    log:
        paths.logs / "split/{dataset}-{fraction}.log",
    conda:
        "../../environment.yml"
    params:
        split=experiment.split.model_dump_json(),
        code=code_digest("mpssl.data.split"),
    shell:
        "exec python -m mpssl split --config {input.config} {wildcards.dataset} {wildcards.fraction}"
        " > {log} 2>&1"
