# Notebooks, run from their percent files: `make notebooks`. No part of a default build; outputs are never committed.
NOTEBOOKS = ["tour", "reanalyse"]  # pilot.py trains for long: ask for it by name


rule notebook:
    input:
        notebook="notebooks/{notebook}.py",
        results=lambda wildcards: (
            [*FRAMES.values(), *graph.claims_files]
            if wildcards.notebook == "reanalyse"
            else []
        ),
        config="config.yaml",
        code=graph.listing("notebook", "{notebook}"),
    output:
        f"{R}/notebooks/{{notebook}}.ipynb",
    log:
        f"{R}/logs/notebook/{{notebook}}.log",
    benchmark:
        f"{R}/benchmarks/notebook/{{notebook}}.tsv"
    conda:
        "../../environment.yml"
    script:
        "../scripts/run_notebook.py"


rule notebooks:
    input:
        expand(f"{R}/notebooks/{{notebook}}.ipynb", notebook=NOTEBOOKS),
