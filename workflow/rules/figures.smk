# From the frames, fits and ledger to figures, tables and numbers.
rule figure:
    input:
        **FRAMES,
        fits=lambda wildcards: graph.fits(block("figures", wildcards.figure)["fits"]),
        computations=lambda wildcards: graph.computations(
            block("figures", wildcards.figure)["computations"]
        ),
        code=graph.listing("figure", "{figure}"),
    output:
        pdf=f"{R}/figures/{{figure}}.pdf",
        png=f"{R}/figures/{{figure}}.png",
        tex=f"{R}/figures/{{figure}}.tex",
    log:
        f"{R}/logs/figure/{{figure}}.log",
    benchmark:
        f"{R}/benchmarks/figure/{{figure}}.tsv"
    conda:
        "../../environment.yml"
    params:
        block=lambda wildcards: block("figures", wildcards.figure),
    script:
        "../scripts/figure.py"


rule table:
    input:
        # Only what this kind of table says that it reads.
        unpack(lambda wildcards: graph.material(wildcards.table)),
        code=graph.listing("table", "{table}"),
    output:
        tex=f"{R}/tables/{{table}}.tex",
        csv=f"{R}/tables/{{table}}.csv",
    log:
        f"{R}/logs/table/{{table}}.log",
    benchmark:
        f"{R}/benchmarks/table/{{table}}.tsv"
    conda:
        "../../environment.yml"
    params:
        block=lambda wildcards: block("tables", wildcards.table),
        scope=lambda wildcards: graph.scope(wildcards.table),
        # What is published is shown in the order of the studies.
        studies=lambda wildcards, input: (
            list(graph.config.studies) if input.get("published") else []
        ),
    script:
        "../scripts/table.py"


rule numbers:
    input:
        **FRAMES,
        fits=graph.fits(),
        computations=graph.computations(),
        ledger=f"{R}/ledger.json",
        elsewhere=graph.elsewhere,
        published=graph.published_files,
        claims=graph.claims_files,
        code=graph.listing("numbers"),
    output:
        tex=f"{R}/numbers.tex",
        json=f"{R}/numbers.json",
    log:
        f"{R}/logs/numbers.log",
    benchmark:
        f"{R}/benchmarks/numbers.tsv"
    conda:
        "../../environment.yml"
    params:
        experiments=list(graph.config.experiments),
        studies=list(graph.config.studies),
    script:
        "../scripts/numbers.py"
