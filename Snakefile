# Regrok: every published number of the grokking literature, trained, fitted, judged and typeset.
#
#   snakemake --cores all                         the default study, to paper/regrok.pdf
#   snakemake --cores all --config scale=smoke    the same path in minutes
#   snakemake --cores all -n                      what would be done
#   snakemake --cores all --configfile mine.yaml  what mine.yaml lists, over config.yaml and the studies
include: "workflow/rules/common.smk"


# After common.smk, which has read the file and says in our words what is wrong with it.
configfile: PANEL


include: "workflow/rules/train.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/reviewers.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/notebooks.smk"


# The first page of Snakemake's report: the ledger, written by the rule `pages`.
report: f"{R}/report/front.rst"


rule all:
    default_target: True
    input:
        rules.paper.output if latex() else [],
        f"{R}/checks.json",
        f"{R}/provenance.json",
        f"{R}/comparison.html" if graph.comparable else [],
        figures(),
        tables(),
        f"{R}/numbers.tex",
        rules.pages.output,


onstart:
    # On a cluster there are no cores but so many jobs at once, each with a core.
    limits = workflow.resource_settings
    at_once = limits.cores or limits.nodes or 1
    print(announce(graph, at_once, elsewhere=not limits.cores), flush=True)
    if SHOWN and SHOWN.to_make():
        print(SHOWN.to_make(), flush=True)
    warm.offer(os.environ)


onsuccess:
    warm.withdraw(os.environ)
    if SHOWN:
        SHOWN.stop()
    print(conclude(graph, BEGAN, log), flush=True)


onerror:
    warm.withdraw(os.environ)
    if SHOWN:
        SHOWN.stop()
    print(stopped(graph, log), flush=True)
