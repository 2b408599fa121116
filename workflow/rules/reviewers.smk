# For reviewers and arXiv, on request: `make artifact`, `make arxiv`. `snakemake` alone builds neither.
rule artifact:
    input:
        numbers=f"{R}/numbers.tex",
        ledger=f"{R}/ledger.json",
        checks=f"{R}/checks.json",
        lock="requirements.lock",
        project="pyproject.toml",
        text=["paper/artifact.tex", "paper/artifact_checklist.tex", "paper/regrok.sty"],
        code=graph.listing("artifact"),
    output:
        names.artifact(graph.config),
    log:
        f"{R}/logs/artifact.log",
    benchmark:
        f"{R}/benchmarks/artifact.tsv"
    conda:
        "../../environment.yml"
    params:
        scale=graph.config.scale,
        anonymous=graph.config.anonymous,
        shown=graph.shown,
        sections=graph.sections,
        memory_gib=graph.config.trainer.memory_gib,
        fits=list(graph.config.fits),
    script:
        "../scripts/artifact.py"


rule arxiv:
    input:
        pdf=names.pdf(graph.config),
        text=PAPER_TEXT,
        code=graph.listing("arxiv"),
    output:
        names.arxiv(graph.config),
    log:
        f"{R}/logs/arxiv.log",
    benchmark:
        f"{R}/benchmarks/arxiv.tsv"
    conda:
        "../../environment.yml"
    params:
        scale=graph.config.scale,
        anonymous=graph.config.anonymous,
    script:
        "../scripts/arxiv.py"
