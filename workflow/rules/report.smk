# From figures, tables and ledger to the pages that Snakemake's report shows: `make report`.
from regrok.report.items import items, labels, said

ITEMS = items(graph.config, graph.results)


rule pages:
    input:
        figures(),
        tables(),
        runs=FRAMES["runs"],
        experiments=FRAMES["experiments"],
        ledger=f"{R}/ledger.json",
        elsewhere=graph.elsewhere,
        code=graph.listing("pages"),
    output:
        [
            report(
                item.page,
                # relative to this file
                caption=f"../../{item.caption}",
                category=item.category,
                subcategory=item.subcategory,
                labels=lambda _, item=item: labels(item, graph.results),
            )
            for item in ITEMS
        ],
        [item.caption for item in ITEMS],
        front=f"{R}/report/front.rst",
    log:
        f"{R}/logs/pages.log",
    benchmark:
        f"{R}/benchmarks/pages.tsv"
    conda:
        "../../environment.yml"
    params:
        shown=graph.shown,
        questions=said(graph.config),
        # Commands repeat it.
        only=graph.config.only,
    script:
        "../scripts/pages.py"
