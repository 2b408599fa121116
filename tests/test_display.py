"""What a build shows: few lines of what is routine, and all of what went wrong."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import Build, make_checkout, small_study
from regrok.pipeline import announce, display
from regrok.pipeline.display import CLEAR, EVERY, OWN, Display, install
from regrok.training.progress import NOTED, SHOWN


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def shown():
    clock = Clock()
    made = Display(io.StringIO(), now=clock)
    made.clock = clock
    yield made
    made.close()


def record(event: str | None, words: str = "", level: int = logging.INFO, **told):
    made = logging.makeLogRecord({"msg": words, "levelno": level, "name": "x"})
    made.__dict__.update(told, **({"event": event} if event else {}))
    return made


def job(number: int, rule: str, log: Path | None = None, **wildcards: str):
    logs = [] if log is None else [str(log)]
    return record("job_info", rule_name=rule, jobid=number, log=logs, wildcards=wildcards)


def done(number: int):
    return record("job_finished", job_id=number)


def plan(**stats: int):
    return record("run_info", "Job stats", stats={**stats, "total": sum(stats.values())})


def lines(shown: Display) -> list[str]:
    return shown.stream.getvalue().splitlines()


def test_many_jobs_of_a_kind_are_one_line_and_a_job_that_trained_is_one(shown):
    shown.handle(plan(train=1, fit=40, paper=1, check=1))
    shown.handle(job(0, "train", job="add-1"))
    shown.clock.at = 90
    shown.handle(done(0))
    for number in range(1, 41):
        shown.handle(job(number, "fit", fit=f"f{number}"))
        shown.clock.at += 1
        shown.handle(done(number))
    for number, rule in ((41, "check"), (42, "paper")):
        shown.handle(job(number, rule))
        shown.handle(done(number))
    assert shown.to_make() == "  to make    40 fits, paper"
    assert lines(shown) == [
        "trained       add-1 in 2 min",
        "fits          40 in 40 s",
        "paper         in 0 s",
    ]


def test_routine_is_left_out_and_what_a_person_needs_is_shown(shown):
    for words in ("Building DAG of jobs...", "Select jobs to execute...", "Complete log(s): x"):
        shown.handle(record(None, words))
    shown.handle(record("shellcmd", "python x"))
    shown.handle(record(None, "Nothing to be done (all requested files are present)."))
    assert lines(shown) == ["Nothing to be done (all requested files are present)."]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (record(None, "careful", logging.WARNING), True),
        (record(None, "Exiting because a job execution failed. Look", logging.ERROR), False),
        (record("error", "RuleException", logging.ERROR), True),
        (record(None, "MissingInputException", logging.CRITICAL), True),
        (record("job_error", "Error in rule", logging.ERROR), False),
        (
            record(
                "error",
                "WorkflowError:\nAt least one job did not complete successfully.",
                logging.ERROR,
            ),
            False,
        ),
        (record("job_info", "rule"), False),
        (record(None, "Building DAG"), False),
    ],
)
def test_warnings_and_errors_are_left_to_snakemake_in_full(shown, given, left):
    assert shown.leaves(given) == left


def of_a_command(ending: str):
    words = (
        'RuleException:\nCalledProcessError in file "/x/workflow/rules/paper.smk", line 42:\n'
        f"Command 'set -euo pipefail;  python '/x/a b/tmp1.paper.py'' {ending}"
    )
    return record("error", words, logging.ERROR)


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("returned non-zero exit status 1.", None),
        ("returned non-zero exit status 130.", None),
        ("returned non-zero exit status 137.", "a job, with exit status 137"),
        ("died with <Signals.SIGKILL: 9>.", "a job, by SIGKILL from outside"),
        ("died with unknown signal 99.", "a job, by unknown signal 99 from outside"),
    ],
)
def test_the_command_of_a_script_that_failed_is_not_shown_and_an_end_that_it_could_not_tell_is(
    shown, ending, said
):
    given = of_a_command(ending)
    assert not shown.leaves(given)
    shown.handle(given)
    assert [line[14 : 14 + len(said or "")] for line in lines(shown)] == ([said] if said else [])
    assert not any("python" in line for line in lines(shown))


def failed(log: Path, aux: dict[str, str]):
    told = {"rule_name": "paper", "jobid": 3, "output": ["paper/x.pdf"], "log": [str(log)]}
    return record("job_error", "Error in rule paper", logging.ERROR, aux=aux, **told)


def test_a_failed_job_is_named_with_its_log_and_read_where_another_machine_wrote_it(
    shown, tmp_path
):
    log = tmp_path / "x.log"
    log.write_text("regrok: no such font\n", encoding="utf-8")
    shown.handle(failed(log, {}))
    assert lines(shown) == [f"failed        paper: paper/x.pdf; log: {log}"]
    shown.handle(failed(log, {"external_jobid": "17"}))
    assert lines(shown)[-1] == "regrok: no such font"


def test_what_is_at_work_is_said_by_the_jobs_themselves_and_cut_to_the_width(shown, tmp_path):
    log = tmp_path / "add-1.log"
    shown.handle(plan(train=1, fit=3))
    shown.handle(job(0, "train", log, job="add-1"))
    shown.handle(job(1, "fit", fit="a"))
    assert shown.at_work() == ["train         add-1  starting", "at work       fits 0/3"]
    log.with_suffix(NOTED).write_text(f"add-1  runs 1/2 · {'x' * 200}\n", encoding="utf-8")
    assert shown.at_work()[0].startswith("train         add-1  runs 1/2 · xxx")
    shown.draw()
    (line,) = lines(shown)
    assert line.startswith("train         0 of 1 jobs done; add-1  runs 1/2 · xxx")
    assert len(line) == display.PLAIN_WIDTH and line.endswith("…")
    log.with_suffix(NOTED).unlink()
    assert shown.at_work()[0] == "train         add-1  finishing"


@pytest.mark.parametrize(("rule", "every"), [("train", EVERY), ("fit", 2 * EVERY)])
def test_appended_lines_are_half_a_minute_apart_while_something_trains(shown, rule, every):
    assert EVERY == 30
    shown.handle(plan(train=2, fit=2))
    shown.handle(job(1, rule, name="a"))
    shown.clock.at = every - 1
    shown.tick()
    assert lines(shown) == []
    shown.clock.at = every
    shown.tick()
    shown.tick()
    said = {"train": "train         0 of 2 jobs done; a  starting", "fit": "at work       fits 0/2"}
    assert lines(shown) == [said[rule]]


def test_a_terminal_s_lines_are_rewritten_where_they_stand_and_gone_at_the_end(tmp_path):
    shown = Display(io.StringIO(), live=True, now=Clock())
    for number in (0, 1):
        shown.handle(job(number, "train", tmp_path / f"{number}.log", job=f"add-{number}"))
    shown.draw()
    both = f"{CLEAR}train         add-0  starting\ntrain         add-1  starting\r\x1b[1A"
    assert shown.stream.getvalue() == both
    shown.say("a line that stays")
    assert shown.stream.getvalue() == f"{both}{CLEAR}a line that stays\n"
    shown.draw()
    shown.close()
    assert shown.stream.getvalue().endswith(CLEAR)


def settings(**changed):
    none = {"verbose": False, "printshellcmds": False, "debug_dag": False, "quiet": None}
    return SimpleNamespace(**{**none, "dryrun": False, **changed})


@pytest.fixture
def logger(monkeypatch):
    made = logging.Logger("snakemake of a test")
    own = logging.StreamHandler(io.StringIO())
    own.name = OWN
    made.addHandler(own)
    monkeypatch.setenv(SHOWN, "of another build")
    yield made, own
    for handler in made.handlers:
        handler.close()


def test_a_display_takes_the_routine_from_snakemake_and_tells_the_jobs(logger, monkeypatch):
    made, own = logger
    shown = install(made, settings(), {})
    assert display.os.environ[SHOWN] == "plain"
    made.info("Building DAG of jobs...")
    made.info("Nothing to be done.")
    made.warning("careful")
    assert own.stream.getvalue() == "Nothing to be done.\ncareful\n"
    assert shown.stream is own.stream


@pytest.mark.parametrize(
    ("given", "environment", "arguments"),
    [
        ({}, {"VERBOSE": "1"}, []),
        ({"dryrun": True}, {}, ["-n"]),
        ({}, {}, ["--report", "x.html"]),
        ({"verbose": True}, {}, []),
        ({"printshellcmds": True}, {}, []),
        ({"quiet": {"all"}}, {}, []),
    ],
)
def test_snakemake_s_own_output_is_there_for_who_asks(logger, given, environment, arguments):
    made, own = logger
    assert install(made, settings(**given), environment, arguments) is None
    assert SHOWN not in display.os.environ
    made.info("Building DAG of jobs...")
    assert own.stream.getvalue() == "Building DAG of jobs...\n"
    assert install(logging.Logger("another's"), settings(), {}) is None


def test_the_end_of_a_failed_build_names_results_and_log(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    graph = SimpleNamespace(results=Path("results/smoke"))
    said = announce.stopped(graph, [str(tmp_path / ".snakemake/log/x.log")])
    assert "results/smoke/logs/" in said and ".snakemake/log/x.log (VERBOSE=1 shows it)" in said


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(
        tmp_path_factory.mktemp("display") / "checkout", small_study(steps=50, seeds=1)
    )


@pytest.mark.long
@pytest.mark.snakemake
def test_a_build_says_little_and_one_that_fails_says_why_in_full(checkout):
    status, said = Build(checkout, "results/smoke/runs.parquet").wait()
    assert status == 0, said
    assert len(said.splitlines()) < 25 and len(said) < 2500, said
    assert said.count("\ntrained       ") == 1 and "runs          in " in said
    assert "full log" in said and "rule train" not in said
    (log,) = (checkout / ".snakemake/log").glob("*.log")
    assert "rule train" in log.read_text(encoding="utf-8")
    script = checkout / "workflow/scripts/collect.py"
    written = script.read_text(encoding="utf-8")
    script.write_text(written.replace("with job(", "1 / 0\nwith job(", 1), encoding="utf-8")
    status, said = Build(checkout, "results/smoke/runs.parquet", "--forcerun", "collect").wait()
    assert status != 0
    assert (
        "ZeroDivisionError" in said and "failed        collect: results/smoke/runs.parquet" in said
    )
    assert "non-zero exit status" not in said and "the build stopped" in said
    finding = "studies/own/section.tex:3: 'five runs' counts by hand; use a macro"
    planted = f"from regrok.paper.lint import check\n{written.rstrip()}\n    check([{finding!r}])\n"
    script.write_text(planted, encoding="utf-8")
    status, said = Build(checkout, "results/smoke/runs.parquet", "--forcerun", "collect").wait()
    assert status != 0
    assert f"regrok: the paper has 1 finding and is not made:\n  {finding}\n" in said
    for words in ("Command '", "CalledProcessError", "WorkflowError", "Exiting because"):
        assert words not in said, said
