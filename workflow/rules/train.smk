# From the plan to runs.parquet and curves.parquet.
rule train:
    input:
        roster=f"{R}/plan/{{job}}.json",
        code=lambda wildcards: graph.training_sources(wildcards.job),
    output:
        runs=f"{R}/trained/{{job}}.runs.parquet",
        curves=f"{R}/trained/{{job}}.curves.parquet",
        spectra=f"{R}/trained/{{job}}.spectra.parquet",
    log:
        f"{R}/logs/train/{{job}}.log",
    benchmark:
        f"{R}/benchmarks/train/{{job}}.tsv"
    priority: lambda wildcards: graph.priority(wildcards.job)
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=int(graph.config.trainer.memory_gib * 1024),
        gpu=1 if graph.config.trainer.device == "cuda" else 0,
    script:
        "../scripts/train.py"


if graph.config.source == "trained":

    rule collect:
        input:
            runs=expand(f"{R}/trained/{{job}}.runs.parquet", job=graph.jobs),
            curves=expand(f"{R}/trained/{{job}}.curves.parquet", job=graph.jobs),
            spectra=expand(f"{R}/trained/{{job}}.spectra.parquet", job=graph.jobs),
            code=graph.sources("collect"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/collect.log",
        benchmark:
            f"{R}/benchmarks/collect.tsv"
        conda:
            "../../environment.yml"
        params:
            experiments=graph.membership,
        script:
            "../scripts/collect.py"

else:

    rule released:
        input:
            **{
                name: f"{RELEASED}/{graph.config.scale}/{name}.parquet"
                for name in FRAMES
            },
            code=graph.sources("released"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/released.log",
        benchmark:
            f"{R}/benchmarks/released.tsv"
        conda:
            "../../environment.yml"
        params:
            experiments=graph.membership,
        script:
            "../scripts/released.py"
