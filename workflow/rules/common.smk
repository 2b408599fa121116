# What all rules use: the validated study, where results go, who depends on which source file.
import gc
import os
import sys
import time
from pathlib import Path

# Reading syntax and building the graph make many objects that stay: looking for garbage among them over and over takes
# a sixth of what Snakemake spends before the first job.
gc.freeze()
gc.set_threshold(100_000, 50, 50)

from regrok.paper.program import latex
from regrok.pipeline.graph import RELEASED, begun_graph, read_graph
from regrok.pipeline.announce import announce, conclude
from regrok.errors import RegrokError
from regrok.pipeline.interpreter import startable
from regrok.paper.repository import source_links
from regrok import surroundings, terminal
from snakemake.logging import logger

BEGAN = time.time()

try:
    sys.executable = startable(sys.executable)
    # Read again from the file rather than from `config`: its own reader names lines and duplicate keys.
    ASKED = (workflow.configfiles[-1], workflow.config_settings.config or {})
    terminal.degrade()
    terminal.logs_in_utf8(logger)
    surroundings.refuse_unusable(os.environ)
    surroundings.clean(os.environ)
    if workflow.is_main_process:
        surroundings.in_utf8()
        limits = workflow.resource_settings
        surroundings.refuse_idle(limits.cores, limits.nodes)
        graph = read_graph(*ASKED)
        graph.begin(sys.argv[1:])
    else:
        graph = begun_graph(*ASKED)
    # Where the paper's figures link to; nowhere when it hides its authors.
    SOURCES_AT = None if graph.config.anonymous else source_links()
except RegrokError as refusal:
    raise WorkflowError(str(refusal)) from None

R = str(graph.results)
FRAMES = graph.frames


wildcard_constraints:
    job=r"[A-Za-z0-9_-]+",
    fit="|".join(graph.config.fits) or "none",
    figure="|".join(graph.config.figures) or "none",
    table="|".join(graph.config.tables) or "none",
    notebook=r"[A-Za-z0-9_]+",


def figures():
    return expand(
        f"{R}/figures/{{figure}}.{{kind}}",
        figure=graph.figures,
        kind=("pdf", "png", "tex"),
    )


def tables():
    return expand(
        f"{R}/tables/{{table}}.{{kind}}",
        table=graph.tables,
        kind=("tex", "csv"),
    )


def block(kind, name):
    """The block of a study that a rule's job is about, as plain values: a change to it is a reason to rerun."""
    return getattr(graph.config, kind)[name].model_dump(mode="json")
