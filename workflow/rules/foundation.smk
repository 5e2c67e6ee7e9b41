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
            done(maker.paths.generator()),
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
                stored(paths.split(variations.dataset, variations.fraction, 0).parent),
            ]

        # Once for all runs; a job that was stopped goes on.
        rule make_pool:
            input:
                paths.recipe(POOL),
                generator=generator_inputs(maker),
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
            shell:
                "exec python -m mpssl generate --config {params.config} --threads {threads} > {log} 2>&1"

    rule pack_pool:
        input:
            made=ancient(paths.pool_made) if settings.foundation.generator.make else [],
        output:
            done(paths.generator()),
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
        shell:
            "exec python -m mpssl pack-pool --config {params.config} > {log} 2>&1"

    rule check_pool:
        input:
            pool=generator_inputs(),
            packed=lambda w: packed(index.checks[w.name]),
        output:
            done(paths.made("checks", "{name}")),
        log:
            paths.logs / "foundation/check_pool-{name}.log",
        priority: 10
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=paths.resolved_config,
            dataset=lambda w: index.checks[w.name],
        shell:
            "exec python -m mpssl check-pool --config {params.config} {params.dataset} > {log} 2>&1"


if settings.foundation.classifier.kind == "trained":

    rule train_foundation_classifier:
        input:
            packed=packed(settings.foundation.dataset),
        output:
            done(paths.made("classifiers", "{architecture}-{digest}")),
        log:
            paths.logs / "foundation/{architecture}-{digest}.log",
        benchmark:
            paths.benchmarks / "foundation/{architecture}-{digest}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=paths.resolved_config,
        shell:
            "exec python -m mpssl train-classifier --config {params.config} --threads {threads}"
            " {wildcards.architecture} > {log} 2>&1"


if {settings.foundation.generator.kind, settings.foundation.classifier.kind} == {"trained"}:

    # Only if it is asked for: make foundation.
    rule ship_foundation:
        input:
            packed=packed(settings.foundation.dataset),
            generator=generator_inputs(),
            classifiers=[classifier_input(name) for name in settings.roles.every_architecture],
            recipe=paths.recipe(SHIPPED),
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
        shell:
            "exec python -m mpssl ship-foundation --config {params.config} --threads {threads} > {log} 2>&1"


if settings.domain:

    # Before the runs, and on the terminal: it may be a reason not to start them.
    rule measure_domain:
        input:
            packed=lambda w: packed(index.domains[w.name][0]),
            generator=generator_inputs(),
            foundation_classifier=lambda w: classifier_input(index.domains[w.name][1]),
        output:
            done(paths.made("domain", "{name}")),
        log:
            paths.logs / "domain/{name}.log",
        priority: 10
        conda:
            "../../environment.yml"
        params:
            config=paths.resolved_config,
            of=lambda w: index.domains[w.name],
        shell:
            "python -m mpssl domain --config {params.config} {params.of} 2>&1 | tee {log} >&2"
