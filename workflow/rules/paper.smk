# From numbers, figures and tables to the PDF. Each build's documents bear its name: regrok.paper.names.
from regrok.paper import names, texts

try:
    PAPER_TEXT = [
        *map(str, texts.files(".", graph.config).values()),
        *map(str, texts.bibliographies(".", graph.config)),
    ]
except RegrokError as refusal:
    raise WorkflowError(str(refusal)) from None


rule paper:
    input:
        figures(),
        tables(),
        numbers=f"{R}/numbers.tex",
        ledger=f"{R}/ledger.json",
        elsewhere=graph.elsewhere,
        checks=f"{R}/checks.json",
        claims=graph.claims_files,
        text=PAPER_TEXT,
        code=graph.listing("paper"),
    output:
        names.pdf(graph.config),
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
        papers=graph.papers("letter", "short", "cite"),
        sections=graph.sections,
        # A result of these may be missing where the text does not show it.
        fits=list(graph.config.fits),
    script:
        "../scripts/paper.py"
