# From the plan to runs.parquet and curves.parquet.
#
# Finished runs go to the run store. No source file is an input of training: its roster names the code, by what that
# code says, and is rewritten when a run could come out with other bits. A job whose runs start from others comes after
# those that train these.
rule train:
    input:
        roster=f"{R}/plan/{{job}}.json",
        parents=lambda wildcards: graph.parents(wildcards.job),
    output:
        f"{R}/trained/{{job}}.json",
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
            trained=expand(f"{R}/trained/{{job}}.json", job=graph.jobs),
            rosters=expand(f"{R}/plan/{{job}}.json", job=graph.jobs),
            code=graph.listing("collect"),
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

elif graph.config.source == "missing":

    # What the bundle holds as it is, and beside it what it lacked.
    rule added:
        input:
            released=graph.kept_from,
            trained=expand(f"{R}/trained/{{job}}.json", job=graph.jobs),
            rosters=expand(f"{R}/plan/{{job}}.json", job=graph.jobs),
            code=graph.listing("added"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/added.log",
        benchmark:
            f"{R}/benchmarks/added.tsv"
        conda:
            "../../environment.yml"
        params:
            experiments=graph.membership,
        script:
            "../scripts/added.py"

else:

    rule released:
        input:
            **{
                name: f"{RELEASED}/{graph.config.scale}/{name}.parquet"
                for name in FRAMES
            },
            code=graph.listing("released"),
        output:
            **FRAMES,
        log:
            f"{R}/logs/released.log",
        benchmark:
            f"{R}/benchmarks/released.tsv"
        priority: 1000  # all but computations wait for it
        conda:
            "../../environment.yml"
        params:
            experiments=graph.membership,
        script:
            "../scripts/released.py"
