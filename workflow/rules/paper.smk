# From the generated files to the PDF, and the report's first page.
rule paper:
    input:
        figures(),
        tables(),
        numbers=f"{R}/numbers.tex",
        ledger=f"{R}/ledger.json",
        checks=f"{R}/checks.json",
        text=PAPER_TEXT,
        code=study.sources("typeset.py", "latex.py", "lint_paper.py"),
    output:
        "paper/regrok.pdf",
    log:
        f"{R}/logs/paper.log",
    benchmark:
        f"{R}/benchmarks/paper.tsv"
    conda:
        "../../environment.yml"
    params:
        scale=study.config.scale,
        anonymous=study.config.anonymous,
        repository=SOURCES_AT,
    script:
        "../scripts/paper.py"
