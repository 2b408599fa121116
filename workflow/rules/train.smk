# From the plan to runs.parquet and curves.parquet.
rule train:
    input:
        roster=f"{R}/plan/{{cohort}}.json",
        code=lambda wildcards: study.training_sources(wildcards.cohort),
    output:
        runs=f"{R}/cohorts/{{cohort}}.runs.parquet",
        curves=f"{R}/cohorts/{{cohort}}.curves.parquet",
        spectra=f"{R}/cohorts/{{cohort}}.spectra.parquet",
    log:
        f"{R}/logs/train/{{cohort}}.log",
    benchmark:
        f"{R}/benchmarks/train/{{cohort}}.tsv"
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
            runs=expand(f"{R}/cohorts/{{cohort}}.runs.parquet", cohort=study.cohorts),
            curves=expand(
                f"{R}/cohorts/{{cohort}}.curves.parquet", cohort=study.cohorts
            ),
            spectra=expand(
                f"{R}/cohorts/{{cohort}}.spectra.parquet", cohort=study.cohorts
            ),
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
