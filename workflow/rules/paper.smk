# From the generated files to the PDF, and the report's first page.
rule paper:
    input:
        figures(),
        tables(),
        numbers=f"{R}/numbers.tex",
        ledger=f"{R}/ledger.json",
        checks=f"{R}/checks.json",
        text=PAPER_TEXT,
        code=graph.sources("paper"),
    output:
        "paper/regrok.pdf",
    log:
        f"{R}/logs/paper.log",
    benchmark:
        f"{R}/benchmarks/paper.tsv"
    conda:
        "../../environment.yml"
    params:
        scale=graph.config.scale,
        anonymous=graph.config.anonymous,
        repository=SOURCES_AT,
        shown=graph.shown,
    script:
        "../scripts/paper.py"
