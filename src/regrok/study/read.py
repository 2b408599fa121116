"""The control panel and the chosen studies → Config: read, overridden, validated, merged, every cell checked."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from regrok.errors import RegrokError
from regrok.study.base import Strict
from regrok.study.benched import with_costs
from regrok.study.blocks import Config, Panel, Study, StudyFile, Whole
from regrok.study.check import problems
from regrok.study.messages import SHOWN, explain, nearest, refusal, short
from regrok.study.overrides import (
    Told,
    put,
    put_into_owner,
    shown,
    told_by_files,
    told_by_words,
)
from regrok.study.words import STUDIES
from regrok.study.yaml import places, read_yaml

SECTIONS = ("settings", "experiments", "computations", "probes", "fits", "figures", "tables")
"""What a study's file holds by name; a name is given once in the whole audit."""

ESTIMATING = {"computations": "fits"}
"""Sections that share their names with another: an estimand begins with the name of a fit or of a computation."""

STUDYWIDE = (*SECTIONS, "extend")
"""What can be told of the studies' files from outside."""

Type = TypeVar("Type", bound=Strict)
Files = dict[Path, dict[str, Any]]
"""Each study's file, and that of the whole, with its content."""


def load_config(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    over: Sequence[str | Path] = (),
    alone: bool = False,
) -> Config:
    """Read and check a control panel and the studies that it names.

    Args:
        path: the panel, config.yaml; the studies are the folders of `studies/` beside it.
        overrides: what to change in the panel or in a study, nested or by dotted key
            (`{"trainer.slots": 4, "experiments.S1.seeds": [42]}`); text that reads as a number is one, as on
            Snakemake's command line.
        over: files laid over the panel and the studies, in order, before the overrides: what Snakemake's
            `--configfile` names. With some, there need be no file at `path`.
        alone: whether what is laid over the panel stands in its place (`--replace-workflow-config`).

    Raises:
        RegrokError: a file cannot be read or something in it is wrong. The message names the study's file, each
            key, its value, what is allowed and the nearest known key; both places where a name is given twice.
    """
    path, above = Path(path), [Path(each) for each in over]
    panel, told, listed = _panel(path, overrides, above, alone)
    files = _files(panel.studies, path.parent / STUDIES)
    _refuse_doubles(files)
    for keys, value in told:
        put_into_owner(files, keys, value)
    return _checked(_merged(panel, files, panel.studies == listed, above), files, path, above)


def load_panel(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    over: Sequence[str | Path] = (),
    alone: bool = False,
) -> tuple[Panel, bool]:
    """The control panel alone, with what of the rest is about it; whether all studies of the file are chosen.

    Raises RegrokError as `load_config` does.
    """
    panel, _, listed = _panel(Path(path), overrides, [Path(each) for each in over], alone)
    return panel, panel.studies == listed


def _panel(
    path: Path, overrides: Mapping[str, Any] | None, over: Sequence[Path], alone: bool
) -> tuple[Panel, list[Told], list[str] | None]:
    """The panel, what is told about the studies' files, and the studies that the panel itself lists."""
    absent = bool(over) and not path.exists()
    data = {} if absent else read_yaml(path)
    listed = data.get("studies")
    if alone and (over or overrides):
        data = {}
    about_studies: list[Told] = []
    unknown: list[str] = []
    for keys, value in [*told_by_files(over), *told_by_words(overrides or {})]:
        if keys[0] in STUDYWIDE:
            about_studies.append((keys, value))
        elif keys[0] in Panel.model_fields:
            put(data, keys, value)
        else:
            near = nearest(keys[0], [*Panel.model_fields, *STUDYWIDE])
            unknown.append(f"{'.'.join(keys)} = {short(value)}: unknown key.{near}")
    if unknown:
        raise refusal(_source(path, over), unknown)
    panel = _valid(Panel, data, _source(path, over))
    return panel, about_studies, panel.studies if absent else listed


def _source(path: Path, over: Sequence[Path]) -> str:
    """How messages name a file of the audit with what is laid over it."""
    others = [
        shown(each)
        for each in over
        if not (each.exists() and path.exists() and each.samefile(path))
    ]
    return f"{path} with {', '.join(others)} over it" if others else str(path)


def check(data: Any, source: str) -> Config:
    """Validate a merged configuration as plain values; `source` names it in messages."""
    config = _valid(Config, data, source)
    if found := problems(config):
        raise refusal(source, found)
    return with_costs(config)


def _valid(kind: type[Type], data: Any, source: str | Path) -> Type:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise refusal(source, explain(error, kind, data)) from None
    except RecursionError:
        raise refusal(source, ["the whole file: nested too deeply"]) from None


# From files to one configuration ----------------------------------------------------------------------------


def study_file(folder: Path, study: str) -> Path:
    """The file of a study, below the folder of all studies."""
    return folder / study / "study.yaml"


def _files(studies: Iterable[str], folder: Path) -> Files:
    """The chosen studies' files in order, then the whole's. Raises RegrokError for a study without a folder."""
    known = sorted(path.parent.name for path in folder.glob("*/study.yaml"))
    files: Files = {}
    for name in studies:
        path = study_file(folder, name)
        if name not in known:
            raise RegrokError(
                f"studies = '{name}': there is no {path}.{nearest(name, known)} "
                f"A new one begins with: regrok new-study {name} --arxiv ID"
            )
        if path in files:
            raise RegrokError(f"studies: '{name}' is given twice")
        files[path] = read_yaml(path)
    whole = folder / "whole.yaml"
    if whole.exists():
        files[whole] = read_yaml(whole)
    return files


def _refuse_doubles(files: Files) -> None:
    """Raise RegrokError, with both places, for a name that two files give, or a fit and a computation of any."""
    first: dict[tuple[str, str], tuple[Path, str]] = {}
    found = []
    for path, data in files.items():
        for section in SECTIONS:
            names = data.get(section)
            for name in names if isinstance(names, dict) else ():
                here, kind = (path, section), ESTIMATING.get(section, section)
                other = first.setdefault((kind, name), here)
                if other != here:
                    both = places(*other, name) + places(*here, name)
                    also = "" if other[1] == section else f" (a name of {other[1]} too)"
                    found.append(
                        f"{section}.{name}: given twice{also}, in {' and '.join(both)}; rename one of them."
                    )
    if found:
        raise RegrokError("\n  ".join(["the studies are refused together:", *found[:SHOWN]]))


def _merged(panel: Panel, files: Files, whole: bool, over: Sequence[Path]) -> Config:
    """All files as one configuration: names in the order of the files, lists of the whole extended."""
    _fill_in_printed(files)
    extended: list[tuple[Path, str, list[str]]] = []
    parts: list[tuple[Path, StudyFile | Whole]] = []
    for path, data in files.items():
        if path.name == "study.yaml":
            study = _valid(StudyFile, data, _source(path, over))
            parts.append((path, study))
            extended += [(path, dotted, values) for dotted, values in study.extend.items()]
        else:
            for study_path, dotted, values in extended:
                _extend(data, dotted, values, study_path, path)
            extended = []
            parts.append((path, _valid(Whole, data, _source(path, over))))
    for study_path, dotted, _ in extended:
        raise refusal(study_path, [f"extend.{dotted}: there is no whole.yaml to extend."])
    own = {path: part for path, part in parts if isinstance(part, StudyFile)}
    _refuse_one_letter_twice(own)
    studies = {
        path.parent.name: Study(
            paper=part.paper,
            **{section: list(getattr(part, section)) for section in SECTIONS[1:]},
        )
        for path, part in own.items()
    }
    blocks: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for _, part in parts:
        for section in SECTIONS:
            blocks[section].update(getattr(part, section, {}))
    given = {
        key: getattr(panel, key) for key in ("scale", "source", "anonymous", "only", "trainer")
    }
    given |= {"whole": whole, "studies": studies, **blocks}
    return Config.model_construct(set(given), **given)


def _refuse_one_letter_twice(studies: Mapping[Path, StudyFile]) -> None:
    """Raise RegrokError, with both places, where claims of two papers would begin with one letter."""
    first: dict[str, Path] = {}
    for path, study in studies.items():
        letter = study.paper.letter
        if letter in first:
            raise RegrokError(
                f"paper.letter = '{letter}': given twice, in {first[letter]} and {path}; ids of claims begin with it"
            )
        first[letter] = path


def _fill_in_printed(files: Files) -> None:
    """Put the printed number where an option says {claim: ID}; a number is typed once, where its claim is.

    Raises RegrokError for an id of which the study's claims print no number.
    """
    for path, data in files.items():
        printed: dict[str, float] | None = None
        for where, options, key in _asking_options(data):
            if printed is None:
                printed = _printed(path.with_name("claims.yaml"))
            wanted = str(options[key]["claim"])
            if wanted not in printed:
                near = nearest(wanted, printed)
                said = f"{where}.{key}.claim = '{wanted}': no claim that prints a number.{near}"
                raise refusal(path, [said])
            options[key] = printed[wanted]


def _asking_options(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Dotted key of each options block that asks for a claim's number, the block, and the option that does."""
    for section in SECTIONS[2:]:
        blocks = data.get(section)
        for name, block in blocks.items() if isinstance(blocks, dict) else ():
            options = block.get("options") if isinstance(block, dict) else None
            if not isinstance(options, dict):
                continue
            for key, value in list(options.items()):
                if isinstance(value, dict) and list(value) == ["claim"]:
                    yield f"{section}.{name}.options", options, key


def _printed(path: Path) -> dict[str, float]:
    """Claim → the number that is printed, as far as the file can be read; its own check says what is wrong in it."""
    claims = read_yaml(path).get("claims") if path.exists() else None
    found = {}
    for claim in claims if isinstance(claims, list) else ():
        published = claim.get("published") if isinstance(claim, dict) else None
        value = published.get("value") if isinstance(published, dict) else None
        if isinstance(value, int | float):
            found[str(claim.get("id"))] = value
    return found


def _extend(data: dict[str, Any], dotted: str, values: list[str], study: Path, whole: Path) -> None:
    """Add to a list of the whole's file what a study's file says. Raises RegrokError where no list has this key."""
    *above, last = dotted.split(".")
    inner: Any = data
    for key in above:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get(last), list):
        hint = nearest(dotted, _lists(data))
        raise refusal(study, [f"extend.{dotted}: {whole} has no list of this name.{hint}"])
    inner[last] = [*inner[last], *values]


def _lists(data: dict[str, Any], above: str = "") -> list[str]:
    """Dotted keys of the lists."""
    found = [f"{above}{key}" for key, value in data.items() if isinstance(value, list)]
    for key, value in data.items():
        found += _lists(value, f"{above}{key}.") if isinstance(value, dict) else []
    return found


def _checked(config: Config, files: Files, path: Path, over: Sequence[Path]) -> Config:
    """The configuration, where nothing is wrong with it as a whole; a problem is told with its file."""
    found = problems(config)
    if not found:
        return with_costs(config)
    owners = {
        f"{section}.{name}": file
        for file, data in files.items()
        for section in SECTIONS
        for name in data.get(section) or ()
    }
    extending = {
        f"{dotted} = '{value}'": file
        for file, data in files.items()
        for dotted, values in (data.get("extend") or {}).items()
        for value in values
    }
    told = []
    for line in found:
        key = re.match(r"\w+\.\w+", line)
        given = next((each for each in extending if line.startswith(each)), None)
        file = extending[given] if given else owners.get(key[0] if key else "", path)
        told.append((file, f"extend.{line}" if given else line))
    if len({file for file, _ in told}) == 1:
        raise refusal(_source(told[0][0], over), [line for _, line in told])
    raise refusal(_source(path, over), [f"{file}: {line}" for file, line in told])
