# What all rules use: the validated study, where results go, who depends on which source file.
import sys
import time
from pathlib import Path

from regrok import build
from regrok.announce import announce, conclude
from regrok.errors import RegrokError
from regrok.interpreter import startable
from regrok.repository import source_links

BEGAN = time.time()

try:
    sys.executable = startable(sys.executable)
    # Read again from the file rather than from `config`: its own reader names lines and duplicate keys.
    study = build.study(workflow.configfiles[-1], workflow.config_settings.config or {})
    if workflow.is_main_process:
        study.begin(sys.argv[1:])
    else:
        study = study.as_begun()
    # Where the paper's figures link to; nowhere when it hides its authors.
    SOURCES_AT = None if study.config.anonymous else source_links()
except RegrokError as refusal:
    raise WorkflowError(str(refusal)) from None

R = str(study.results)
PAPER_TEXT = [
    "paper/main.tex",
    "paper/regrok.sty",
    "paper/references.bib",
    *sorted(str(path) for path in Path("paper/sections").glob("*.tex")),
]
FRAMES = {
    name: f"{R}/{name}.parquet" for name in ("runs", "curves", "experiments", "spectra")
}


wildcard_constraints:
    job=r"[A-Za-z0-9_-]+",
    fit="|".join(study.config.fits) or "none",
    figure="|".join(study.config.figures) or "none",
    table="|".join(study.config.tables) or "none",
    notebook=r"[A-Za-z0-9_]+",


def figures():
    return expand(
        f"{R}/figures/{{figure}}.{{kind}}",
        figure=study.figures,
        kind=("pdf", "png", "tex"),
    )


def tables():
    return expand(
        f"{R}/tables/{{table}}.{{kind}}",
        table=study.tables,
        kind=("tex", "csv"),
    )


def block(kind, name):
    """The block of config.yaml that a rule's job is about, as plain values: a change to it is a reason to rerun."""
    return getattr(study.config, kind)[name].model_dump(mode="json")
