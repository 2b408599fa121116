"""No file, no program's answer and no terminal is left to the locale's encoding.

Public reports: Qwen-Agent#8 (a file of a package is read in the locale's encoding, GBK), rich#68 and rich#826 (a table
on an ASCII terminal). Here every training job died under LC_ALL=zh_CN.GBK, and `regrok plan` and `regrok claims` on an
ASCII or Latin-1 terminal.
"""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkouts import FRAMES, build, make_checkout, small_study
from configurations import CONFIG, ROOT
from regrok import terminal
from regrok.cli import main
from regrok.files import read_parquet

pytestmark = pytest.mark.beside

SOURCES = sorted(
    path
    for folder in ("src", "workflow", "scripts", "tests", "benchmarks", "notebooks")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".smk") and "__pycache__" not in path.parts
)


# Sources --------------------------------------------------------------------------------------------


def unnamed(tree: ast.AST) -> list[int]:
    """Lines with a call that takes the locale's encoding for text."""
    return sorted(
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _text(call) and not _named(call)
    )


def _text(call: ast.Call) -> bool:
    """Whether a call reads or writes text through a file or a pipe."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(getattr(function, "value", None), "id", "")
    if name in ("read_text", "write_text"):
        return isinstance(function, ast.Attribute)
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        # os.open gives a number, tarfile's and zipfile's own take bytes.
        return (
            owner not in ("tarfile", "zipfile", "gzip", "webbrowser")
            and not (owner == "os" and name == "open")
            and "b"
            not in _mode(call, name, method=isinstance(function, ast.Attribute) and owner != "io")
        )
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    return any(
        isinstance(given.get(key), ast.Constant) and given[key].value is True
        for key in ("text", "universal_newlines")
    ) and name in ("run", "Popen", "check_output", "call", "check_call")


def _mode(call: ast.Call, name: str, method: bool) -> str:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    place = {"fdopen": 1, "NamedTemporaryFile": 0, "TemporaryFile": 0}.get(name, 0 if method else 1)
    found = given.get("mode") or (call.args[place] if len(call.args) > place else None)
    usual = "w+b" if "Temporary" in name else "r"
    return found.value if isinstance(found, ast.Constant) else usual


def _named(call: ast.Call) -> bool:
    if any(keyword.arg in ("encoding", None) for keyword in call.keywords):
        return True
    name = getattr(call.func, "attr", "")
    places = {"read_text": 0, "write_text": 1}
    return name in places and len(call.args) > places[name]


def test_every_text_file_and_every_answer_of_a_program_names_its_encoding():
    """Qwen-Agent#8"""
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path.suffix == ".py"
        for line in unnamed(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_search_itself_finds_what_it_is_for():
    code = (
        "p.read_text()\np.write_text(x)\nopen(p)\np.open('w')\nopen(p, 'a')\nrun(c, text=True)\n"
        "p.read_text('utf-8')\np.write_text(x, 'utf-8')\nopen(p, 'rb')\np.open('rb')\nos.open(p, 1)\n"
        "run(c, encoding='utf-8')\nopen(p, encoding='utf-8')\ntarfile.open(p)\nTemporaryFile()\nf.open(mode='wb')\n"
    )
    assert unnamed(ast.parse(code)) == [1, 2, 3, 4, 5, 6]


# Terminals ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def locales(tmp_path_factory) -> dict[str, str]:
    """Variables with which programs find the locales zh_CN.GBK and en_US.ISO-8859-1, which few systems have."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None:
        pytest.skip("localedef is not installed")
    for language, encoding in (("zh_CN", "GBK"), ("en_US", "ISO-8859-1")):
        made = folder / f"{language}.{encoding}"
        command = ["localedef", "-f", encoding, "-i", language, str(made)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if not made.is_dir():
            pytest.skip(f"{made.name} cannot be made: {done.stderr}")
    return {"LOCPATH": str(folder)}


decodable = pytest.mark.skipif(
    not sys.prefix.isascii(),
    reason="Python reads its .pth files in the locale's encoding, and does not start from such a path",
)

NARROW = {"C": "ascii", "zh_CN.GBK": "gbk", "en_US.ISO-8859-1": "iso8859-1"}
"""Locale → how Python names its encoding, where it is not told to use UTF-8 for all that."""


def said(locale: dict[str, str], folder: Path, *command: str) -> bytes:
    """What a Python program prints under a locale, as a user's own shell would start it."""
    ours = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **ours, **locale},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("latin-1")
    assert b"Traceback" not in done.stderr
    return done.stdout


@decodable
@pytest.mark.parametrize("locale", NARROW)
def test_a_command_s_output_degrades_where_the_terminal_cannot_show_it(locale, locales, tmp_path):
    """rich#68, rich#826: `regrok plan` prints η, `regrok claims` ‖θ‖²; both ended in UnicodeEncodeError."""
    there = {**locales, "LC_ALL": locale}
    study = ("--config", str(CONFIG), "--scale", "smoke")
    program = "import sys; from regrok.cli import main; sys.exit([main(a.split('|')) for a in sys.argv[1:]][-1])"
    # The plan measures the machine, so it is asked for where least can be shown.
    plan = [("plan", *study)] if locale == "C" else []
    commands = [*plan, ("claims", *study), ("claims", "A4", *study)]
    out = said(there, tmp_path, "-c", program, *map("|".join, commands)).decode(NARROW[locale])
    assert " claims; " in out and "statement" in out
    # What the terminal can show is shown.
    shown = {"C": "eta 0.001", "zh_CN.GBK": "1/η", "en_US.ISO-8859-1": "1/eta"}
    assert shown[locale] in out and (" runs in " in out) == bool(plan)


def test_json_is_utf8_or_ascii_whatever_the_locale(locales, tmp_path):
    """rich#826, where a program reads: it expects UTF-8; Latin-1's bytes for ² would be none."""
    study = ("--config", str(CONFIG), "--scale", "smoke", "--format", "json")
    command = ("-m", "regrok.cli", "claims", *study)
    out = said({**locales, "LC_ALL": "en_US.ISO-8859-1"}, tmp_path, *command)
    entries = json.loads(out.decode("utf-8"))
    assert any("²" in entry["statement"] for entry in entries) and b"\\u00b2" in out


def test_a_character_without_a_spelling_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal.degrade(stream)
    print("η ≤ 1e−3 – ‖θ‖² 漢\udc80", file=stream, flush=True)
    assert stream.buffer.getvalue() == rb"eta <= 1e-3 - ||theta||^2 \u6f22\udc80" + b"\n"


@pytest.mark.parametrize("width", ["20", "80"])
def test_a_command_that_is_shown_can_be_copied(width, capsys, monkeypatch, tmp_path):
    """`regrok claims A3` folded its command at the terminal's edge, as rich's tables do (rich#1041)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", width)
    assert main(["claims", "A3", "--config", str(CONFIG), "--scale", "laptop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = "snakemake results/laptop/fits/weight_decay.json --cores all --config scale=laptop 'only=[S2]'"
    assert [line.split(None, 1)[1] for line in lines if line.startswith("command")] == [wanted]
    assert any(line.endswith("in results/laptop/fits/weight_decay.json") for line in lines)


@decodable
@pytest.mark.snakemake
def test_a_build_trains_under_another_encoding_and_beside_other_packages(locales, tmp_path):
    """Qwen-Agent#8, snakemake#840: each job read its sources as GBK, and found another environment’s torch."""
    folder = make_checkout(tmp_path / "größe", small_study(steps=50, seeds=1, decays=(1.0,)))
    summary = "\\studysummary{A test.}\n"
    (folder / "studies/own/section.tex").write_text(summary, encoding="utf-8")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "torch.py").write_text("raise SystemExit('a foreign torch')\n", encoding="utf-8")
    (tmp_path / "not a folder").touch()
    hostile = {
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONSTARTUP": "x",
        "OMP_NUM_THREADS": "many",
        "MPLCONFIGDIR": "/proc/nonexistent",
        "MPLBACKEND": "none",
        "HOME": str(tmp_path / "not a folder"),
        # Snakemake itself looks for a cache before it reads the Snakefile; make sees to that.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "PYTHONPATH": os.pathsep.join([str(folder / "src"), str(foreign)]),
    }
    environment = {**hostile, **locales, "LC_ALL": "zh_CN.GBK"}
    status, said = build(folder, environment=environment)
    assert status == 0, said
    assert len(read_parquet(folder / FRAMES[0])) == 1
    assert "Traceback" not in said and "Logging error" not in said, said
