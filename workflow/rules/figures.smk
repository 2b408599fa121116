# From the frames, fits and ledger to figures, tables and numbers.
rule figure:
    input:
        **FRAMES,
        fits=lambda wildcards: graph.fits(block("figures", wildcards.figure)["fits"]),
        code=lambda wildcards: graph.figure_sources(wildcards.figure),
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
        **FRAMES,
        fits=graph.fits(),
        ledger=f"{R}/ledger.json",
        benchmarks=lambda wildcards: graph.timed(block("tables", wildcards.table)),
        elsewhere=lambda wildcards: graph.elsewhere(block("tables", wildcards.table)),
        published=graph.published_files,
        claims=graph.claims_files,
        code=lambda wildcards: graph.table_sources(wildcards.table),
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
    script:
        "../scripts/table.py"


rule numbers:
    input:
        **FRAMES,
        fits=graph.fits(),
        ledger=f"{R}/ledger.json",
        published=graph.published_files,
        claims=graph.claims_files,
        code=graph.sources(
            "paper/numbers.py",
            "latex.py",
            "figures/parts/shown.py",
            "tables/hyperparameters.py",
        ),
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
        scale=graph.config.scale,
    script:
        "../scripts/numbers.py"
