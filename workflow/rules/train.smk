# From the plan to runs.parquet and curves.parquet.
rule train:
    input:
        roster=f"{R}/plan/{{job}}.json",
        code=lambda wildcards: study.training_sources(wildcards.job),
    output:
        runs=f"{R}/trained/{{job}}.runs.parquet",
        curves=f"{R}/trained/{{job}}.curves.parquet",
        spectra=f"{R}/trained/{{job}}.spectra.parquet",
    log:
        f"{R}/logs/train/{{job}}.log",
    benchmark:
        f"{R}/benchmarks/train/{{job}}.tsv"
    priority: lambda wildcards: study.priority(wildcards.job)
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=int(study.config.trainer.memory_gib * 1024),
        gpu=1 if study.config.trainer.device == "cuda" else 0,
    script:
        "../scripts/train.py"


if study.config.source == "trained":

    rule collect:
        input:
            runs=expand(f"{R}/trained/{{job}}.runs.parquet", job=study.jobs),
            curves=expand(f"{R}/trained/{{job}}.curves.parquet", job=study.jobs),
            spectra=expand(f"{R}/trained/{{job}}.spectra.parquet", job=study.jobs),
            code=study.sources("collect.py"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/collect.log",
        benchmark:
            f"{R}/benchmarks/collect.tsv"
        conda:
            "../../environment.yml"
        params:
            experiments=study.membership,
        script:
            "../scripts/collect.py"

else:

    rule released:
        input:
            **{
                name: f"{build.RELEASED}/{study.config.scale}/{name}.parquet"
                for name in FRAMES
            },
            code=study.sources("released/bundle.py", "frames.py"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/released.log",
        benchmark:
            f"{R}/benchmarks/released.tsv"
        conda:
            "../../environment.yml"
        params:
            experiments=study.membership,
        script:
            "../scripts/released.py"
