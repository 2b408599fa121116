# From the frames to the fits and the ledger, what is computed without a run, and what is measured on states of runs.
rule fit:
    input:
        **FRAMES,
        probes=lambda wildcards: graph.read_by(wildcards.fit),
        code=graph.listing("fit", "{fit}"),
    output:
        f"{R}/fits/{{fit}}.json",
    log:
        f"{R}/logs/fit/{{fit}}.log",
    benchmark:
        f"{R}/benchmarks/fit/{{fit}}.tsv"
    # The longest begins first, lest it end alone.
    priority: lambda wildcards: len(graph.repeated(wildcards.fit))
    conda:
        "../../environment.yml"
    params:
        # What the robustness law repeats is part of its own block, and so is what a law reads of the published cells.
        block=lambda wildcards: graph.fit_block(wildcards.fit),
    script:
        "../scripts/fit.py"


rule computation:
    input:
        # Not computed again where this is what the same code made of the same options.
        released=lambda wildcards: graph.computed(wildcards.computation),
        code=graph.listing("computation", "{computation}"),
    output:
        f"{R}/computations/{{computation}}.json",
    log:
        f"{R}/logs/computation/{{computation}}.log",
    benchmark:
        f"{R}/benchmarks/computation/{{computation}}.tsv"
    conda:
        "../../environment.yml"
    params:
        compute=lambda wildcards: graph.config.computations[
            wildcards.computation
        ].compute,
        options=lambda wildcards: graph.config.computations[wildcards.computation].at(
            graph.config.scale
        ),
        scale=graph.config.scale,
    script:
        "../scripts/compute.py"


rule probe:
    input:
        runs=lambda wildcards: graph.probed_from(wildcards.probe),
        code=graph.listing("probe", "{probe}"),
    output:
        f"{R}/probes/{{probe}}.parquet",
    log:
        f"{R}/logs/probe/{{probe}}.log",
    benchmark:
        f"{R}/benchmarks/probe/{{probe}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=int(graph.config.trainer.memory_gib * 1024),
    params:
        block=lambda wildcards: graph.probe_block(wildcards.probe),
        runs=lambda wildcards: graph.probed(wildcards.probe),
    script:
        "../scripts/probe.py"


rule ledger:
    input:
        fits=graph.fits(),
        computations=graph.computations(),
        claims=graph.claims_files,
        runs=FRAMES["runs"],
        experiments=FRAMES["experiments"],
        code=graph.listing("ledger"),
    output:
        f"{R}/ledger.json",
    log:
        f"{R}/logs/ledger.log",
    benchmark:
        f"{R}/benchmarks/ledger.tsv"
    conda:
        "../../environment.yml"
    params:
        # Claims may name these.
        experiments=list(graph.config.experiments),
        papers=graph.papers("letter", "arxiv"),
    script:
        "../scripts/ledger.py"


rule check:
    input:
        **FRAMES,
        fits=graph.fits(),
        computations=graph.computations(),
        ledger=f"{R}/ledger.json",
        code=graph.listing("check"),
    output:
        f"{R}/checks.json",
    log:
        f"{R}/logs/check.log",
    benchmark:
        f"{R}/benchmarks/check.tsv"
    conda:
        "../../environment.yml"
    script:
        "../scripts/check.py"


rule provenance:
    input:
        **FRAMES,
        ledger=f"{R}/ledger.json",
        code=graph.listing("provenance"),
    output:
        f"{R}/provenance.json",
    log:
        f"{R}/logs/provenance.log",
    benchmark:
        f"{R}/benchmarks/provenance.tsv"
    conda:
        "../../environment.yml"
    script:
        "../scripts/provenance.py"


rule compare:
    input:
        **FRAMES,
        ledger=f"{R}/ledger.json",
        released=graph.comparable,
        code=graph.listing("compare"),
    output:
        f"{R}/comparison.html",
    log:
        f"{R}/logs/compare.log",
    benchmark:
        f"{R}/benchmarks/compare.tsv"
    conda:
        "../../environment.yml"
    script:
        "../scripts/compare.py"
