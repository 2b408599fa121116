"""`regrok plan`: what a build trains and what it will take."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from regrok.commands.options import add_config_options, at_least_one, chosen_config

if TYPE_CHECKING:
    import pandas as pd

    from regrok.study.blocks import Config
    from regrok.study.plan import Plan


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "plan",
        help="list the runs, and what they will take on this machine",
        epilog="examples: regrok plan --scale smoke · regrok plan --experiment S2 · regrok plan --format csv",
    )
    add_config_options(parser)
    parser.add_argument("--experiment", action="append", help="this experiment's runs alone")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="table has one row a cell",
    )
    parser.add_argument(
        "--cores", type=at_least_one, default=os.cpu_count() or 1, help="cores to train on"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.pipeline.graph import RELEASED, Graph
    from regrok.pipeline.speed import history, machine_speed
    from regrok.study.benched import refuse_look_ahead
    from regrok.study.plan import plan_frame, refuse_empty
    from regrok.study.probe_cost import probe_cost
    from regrok.study.untrained import untrained

    config = chosen_config(arguments)
    refuse_look_ahead(config)
    graph = Graph(config)
    refuse_empty(graph.plan, config)
    if config.source == "missing":
        graph.refuse_lacking()
    plan = graph.training
    if not plan.runs:
        print(
            f"{RELEASED} holds all {len(graph.held)} runs of the {config.scale} scale as they are asked for"
        )
        return
    chosen = _experiments(config, plan, arguments.experiment)
    cores = max(1, arguments.cores)
    speed = machine_speed(min(cores, max(1, len(plan.jobs))))
    frame = plan_frame(plan, history(config.trainer.device, speed), speed.rate)
    wanted = plan.experiments[plan.experiments["experiment"].isin(chosen)]
    frame = frame[frame["run_id"].isin(wanted["run_id"])].reset_index(drop=True)
    if arguments.format == "csv":
        frame.to_csv(sys.stdout, index=False)
    elif arguments.format == "json":
        frame.to_json(sys.stdout, orient="records", indent=1)
        print()
    else:
        show(frame, wanted, config, cores, str(speed))
        held = plan_frame(graph.plan, history(config.trainer.device, speed), speed.rate)
        for name in filter(config.probes_here, config.probes):
            if set(config.probes[name].of) & set(chosen):
                print(f"probe {probe_cost(name, config, graph.probed(name), held)}.")
        for sentence in untrained(plan.runs[run_id] for run_id in frame["run_id"]):
            print(f"untrained: {sentence}.")


def _experiments(config: Config, plan: Plan, asked: list[str] | None) -> list[str]:
    """The experiments asked for, all that run at the scale by default."""
    from regrok.errors import RegrokError
    from regrok.study.messages import nearest

    running = list(dict.fromkeys(row["experiment"] for row in plan.membership))
    for name in asked or ():
        if name not in config.experiments:
            raise RegrokError(
                f"--experiment {name}: no such experiment.{nearest(name, config.experiments)}"
            )
        if name not in running:
            listed = ", ".join(config.experiments[name].scales)
            raise RegrokError(
                f"--experiment {name}: does not run at scale {config.scale}, but at {listed}"
            )
    return asked or running


WIDTH = 140
"""Columns of the table where the output is no terminal."""

SYMBOLS = {"optimiser.learning_rate": "η", "optimiser.weight_decay": "λ", "optimiser.name": ""}


def show(frame: pd.DataFrame, wanted: pd.DataFrame, config: Config, cores: int, speed: str) -> None:
    """Print one row for each cell of each experiment, then the sums.

    speed: of which machine the minutes are, in words.
    """
    from rich.console import Console
    from rich.table import Table

    from regrok.study.cost import makespan

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("experiment", "arm", "settings", "seeds", "steps", "minutes", "cohort"):
        right = heading in ("steps", "minutes")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    merged = wanted.drop(columns="cell").merge(frame, on="run_id")
    names = {name: _varying(rows) for name, rows in merged.groupby("experiment")}
    for (experiment, arm, _), rows in merged.groupby(["experiment", "arm", "cell"], sort=False):
        first = rows.iloc[0]
        settings = [f"{_label(name)} {_text(first[name])}".lstrip() for name in names[experiment]]
        cohorts = sorted({name.rpartition("-")[0] for name in rows["cohort"]})
        table.add_row(
            experiment,
            arm,
            ", ".join(each for each in settings if each and not each.endswith(" ")),
            _ranges(sorted(rows["seed"])),
            f"{rows['expected_steps'].sum():,}",
            f"{rows['expected_seconds'].sum() / 60:.1f}",
            ", ".join(cohorts),
        )
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        # A file or a pager has no width of its own, and 80 columns would fold every row.
        console.width = max(console.width, WIDTH)
    console.print(table)
    by_job = frame.groupby("job")[["expected_seconds", "worst_seconds"]].sum()
    expected = makespan(by_job["expected_seconds"], cores) / 60
    worst = makespan(by_job["worst_seconds"], cores) / 60
    console.print(
        f"\n{config.scale}: {len(frame)} runs in {len(by_job)} jobs, "
        f"{frame['expected_steps'].sum():,} steps; about {expected:,.0f} minutes on {cores} cores ({speed}), "
        f"{worst:,.0f} if every budget is spent; {frame['disk_bytes'].sum() / 1e6:,.0f} MB.",
        highlight=False,
    )


def _label(name: str) -> str:
    """η for optimiser.learning_rate, p for task.p …"""
    return SYMBOLS.get(name, name.partition(".")[2])


def _varying(rows: pd.DataFrame) -> list[str]:
    """η, λ and whatever else differs between the cells of one experiment."""
    always = ["optimiser.learning_rate", "optimiser.weight_decay"]
    # The first three are 0 where the optimiser has none; what is measured does not tell runs apart.
    implied = [f"optimiser.{name}" for name in ("beta1", "beta2", "eps")]
    implied += ["protocol.measure", "protocol.measure_every"]
    others = [name for name in rows.columns if "." in name and name not in always + implied]
    return [*always, *(name for name in others if rows[name].astype(str).nunique() > 1)]


def _text(value: Any) -> str:
    """A setting for a person: `0.001`, `97`; nothing where the run has no such setting."""
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ranges(seeds: list[int]) -> str:
    """[42, 43, 44, 47] → 42–44, 47."""
    groups: list[list[int]] = []
    for seed in seeds:
        if groups and seed == groups[-1][-1] + 1:
            groups[-1].append(seed)
        else:
            groups.append([seed])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 1 else str(g[0]) for g in groups)
