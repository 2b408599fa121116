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

PANEL = "config.yaml"

try:
    from regrok.paper.program import latex
    from regrok.pipeline.graph import RELEASED, begun_graph, read_graph
    from regrok.pipeline.announce import announce, conclude, stopped
    from regrok.errors import RegrokError
    from regrok.pipeline.interpreter import (
        refuse_foreign,
        refuse_foreign_here,
        startable,
    )
    from regrok.paper.repository import source_links
    from regrok import surroundings, terminal
    from regrok.pipeline import display, warm
    from snakemake.logging import logger
except ImportError as absent:
    raise WorkflowError(
        f"Python cannot import this checkout's package ({absent}). Make its environment: make install; "
        "then run .venv/bin/snakemake, or activate .venv"
    ) from None

BEGAN = time.time()

try:
    terminal.degrade()
    terminal.logs_in_utf8(logger)
    refuse_foreign(workflow.basedir)
    refuse_foreign_here()
    surroundings.clean(os.environ)
    if workflow.is_main_process:
        surroundings.in_utf8()
    sys.executable = startable(sys.executable)
    # Read again from the files rather than from `config`: our own reader names lines and duplicate keys.
    settings = workflow.config_settings
    ASKED = (
        PANEL,
        settings.config or {},
        settings.configfiles,
        settings.replace_workflow_config,
    )
    if workflow.is_main_process:
        limits = workflow.resource_settings
        surroundings.refuse_idle(limits.cores, limits.nodes)
        graph = read_graph(*ASKED)
        graph.begin(sys.argv[1:])
        # VERBOSE=1 leaves the terminal to Snakemake.
        SHOWN = display.install(
            logger, workflow.output_settings, os.environ, sys.argv[1:]
        )
    else:
        graph = begun_graph(*ASKED)
        SHOWN = None
        warm.withdraw(os.environ)
    # Where the paper's figures link to; nowhere when it hides its authors.
    SOURCES_AT = None if graph.config.anonymous else source_links()
except RegrokError as refusal:
    raise WorkflowError(str(refusal)) from None

R = str(graph.results)
FRAMES = graph.frames


wildcard_constraints:
    job=r"[A-Za-z0-9_-]+",
    fit="|".join(graph.config.fits) or "none",
    computation="|".join(graph.config.computations) or "none",
    probe="|".join(graph.config.probes) or "none",
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
