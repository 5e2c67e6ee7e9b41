# The generative foundation model and the foundation classifier, where the pipeline trains them.
# Pretrained ones are downloaded or are where the configuration says; the package has shipped ones.

for folder, download in plan.weight_downloads():

    rule:
        name:
            f"fetch_{download.file.replace('.', '_').replace('-', '_')}"
        output:
            folder / download.file,
        log:
            paths.logs / "fetch" / f"{download.file}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            config=paths.resolved_config,
            file=download.file,
            sha256=download.sha256,
        shell:
            "exec python -m mpssl fetch-weights --config {params.config} {params.file}"
            " > {log} 2>&1"


if maker and maker.config.foundation.generator.kind == "trained":

    rule train_generator:
        input:
            packed=packed(settings.foundation.dataset),
        output:
            maker.paths.generator_files(),
        log:
            paths.logs / "foundation/generator.log",
        benchmark:
            paths.benchmarks / "foundation/generator.tsv"
        # The longest chain of the graph: start it before the runs that need no generator.
        priority: 10
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            config=paths.resolved_config,
            settings=maker.config.foundation.generator.model_dump_json(),
            code=code_digest("mpssl.foundation.jobs"),
        shell:
            "exec python -m mpssl train-generator --config {params.config} --threads {threads} > {log} 2>&1"


if maker and maker.config.foundation.generator.kind == "diffusers":
    pipeline = maker.config.foundation.generator
    if pipeline.of_hub:

        rule fetch_pipeline:
            output:
                maker.paths.generator_files(),
            log:
                paths.logs / "fetch/pipeline.log",
            localrule: True
            conda:
                "../../environment.yml"
            params:
                config=paths.resolved_config,
                model=pipeline.model,
                revision=pipeline.revision,
            shell:
                "exec python -m mpssl fetch-pipeline --config {params.config} > {log} 2>&1"


if settings.foundation.generator.kind == "images":

    if settings.foundation.generator.make:
        variations = settings.foundation.generator.make.variations
        varied = []
        if variations:
            varied = [
                packed(variations.dataset),
                paths.split(variations.dataset, variations.fraction, 0),
            ]

        # Once for all runs; a job that was stopped goes on.
        rule make_pool:
            input:
                generator=watched(maker.paths.generator_files()),
                varied=varied,
            output:
                paths.pool_made,
            log:
                paths.logs / "foundation/make_pool.log",
            benchmark:
                paths.benchmarks / "foundation/make_pool.tsv"
            priority: 10
            conda:
                "../../environment.yml"
            resources:
                gpu=1,
                mem_mb=6000,
                runtime=480,
            params:
                config=paths.resolved_config,
                make=settings.foundation.generator.make.model_dump_json(),
                image_size=settings.training.image_size,
                truncation=settings.foundation.truncation,
                shipped=shipped_digest,
                code=code_digest("mpssl.foundation.pool"),
            shell:
                "exec python -m mpssl generate --config {params.config} --threads {threads} > {log} 2>&1"

    rule pack_pool:
        input:
            made=paths.pool_made if settings.foundation.generator.make else [],
        output:
            paths.generator_files(),
        log:
            paths.logs / "foundation/pack_pool.log",
        benchmark:
            paths.benchmarks / "foundation/pack_pool.tsv"
        priority: 10
        conda:
            "../../environment.yml"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            config=paths.resolved_config,
            pool=settings.foundation.generator.model_dump_json(include={"path", "exclude"}),
            packing=settings.packing.model_dump_json(exclude={"size"}),
            image_size=settings.training.image_size,
            code=code_digest("mpssl.data.pool", "mpssl.data.store"),
        shell:
            "exec python -m mpssl pack-pool --config {params.config} > {log} 2>&1"

    rule check_pool:
        input:
            pool=paths.generator_files(),
            packed=packed("{dataset}"),
        output:
            paths.pool_check("{dataset}"),
        log:
            paths.logs / "foundation/check_pool-{dataset}.log",
        priority: 10
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=paths.resolved_config,
            code=code_digest("mpssl.data.pool"),
        shell:
            "exec python -m mpssl check-pool --config {params.config} {wildcards.dataset} > {log} 2>&1"


if settings.foundation.classifier.kind == "trained":

    rule train_foundation_classifier:
        input:
            packed=packed(settings.foundation.dataset),
        output:
            paths.classifier("{architecture}"),
        log:
            paths.logs / "foundation/{architecture}.log",
        benchmark:
            paths.benchmarks / "foundation/{architecture}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=paths.resolved_config,
            settings=settings.foundation.classifier.model_dump_json(),
            code=code_digest("mpssl.foundation.jobs"),
            normalization=[settings.training.normalize_mean, settings.training.normalize_std],
        shell:
            "exec python -m mpssl train-classifier --config {params.config} --threads {threads}"
            " {wildcards.architecture} > {log} 2>&1"


if {settings.foundation.generator.kind, settings.foundation.classifier.kind} == {"trained"}:

    # Only if it is asked for: make foundation.
    rule ship_foundation:
        input:
            packed=packed(settings.foundation.dataset),
            generator=paths.generator_files(),
            classifiers=[paths.classifier(name) for name in settings.roles.every_architecture],
        output:
            shipped=directory(paths.shipped),
            sheet=paths.foundation_sheet,
        log:
            paths.logs / "foundation/ship.log",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=paths.resolved_config,
            code=code_digest("mpssl.foundation.ship"),
        shell:
            "exec python -m mpssl ship-foundation --config {params.config} --threads {threads} > {log} 2>&1"


if settings.domain:

    # Before the runs, and on the terminal: it may be a reason not to start them.
    rule measure_domain:
        input:
            packed=packed("{dataset}"),
            generator=watched(paths.generator_files()),
            foundation_classifier=lambda w: watched([paths.classifier(w.architecture)]),
        output:
            paths.domain("{dataset}", "{architecture}"),
        log:
            paths.logs / "domain/{dataset}-{architecture}.log",
        priority: 10
        conda:
            "../../environment.yml"
        params:
            config=paths.resolved_config,
            settings=settings.domain.model_dump_json(),
            shipped=shipped_digest,
            code=code_digest("mpssl.foundation.domain_distance"),
        shell:
            "python -m mpssl domain --config {params.config} {wildcards.dataset}"
            " {wildcards.architecture} 2>&1 | tee {log} >&2"
