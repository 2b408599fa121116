# Regrok: every published number of the grokking literature, trained, fitted, judged and typeset.
#
#   snakemake --cores all                         the default study, to paper/regrok.pdf
#   snakemake --cores all --config scale=smoke    the same path in minutes
#   snakemake --cores all -n                      what would be done
configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/paper.smk"


rule all:
    default_target: True
    input:
        "paper/regrok.pdf" if build.latex() else [],
        f"{R}/checks.json",
        f"{R}/provenance.json",
        figures(),
        tables(),
        f"{R}/numbers.tex",


onstart:
    print(study.announce(workflow.cores or 1), flush=True)


onsuccess:
    print(study.conclude(BEGAN), flush=True)


onerror:
    print(
        "Regrok: the build stopped; the message above says why, logs are in "
        f"{R}/logs/. Finished runs are kept: the same command goes on from here.",
        flush=True,
    )
