"""The published claims: `studies/<name>/claims.yaml`, its types and its checks.

Each claim is stated with its predicate before the runs that decide it exist; `regrok.judging.verdicts` applies it.
A predicate without a target or bound means the number that the paper prints, which is typed once, in `published`.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from regrok.errors import RegrokError
from regrok.study.base import Strict
from regrok.study.blocks import Config, Paper
from regrok.study.estimands import unestimated
from regrok.study.messages import SHOWN, explain, nearest, refusal
from regrok.study.predicates import NUMBERED, Predicate
from regrok.study.words import STUDIES, UNJUDGED, Origin, Scale
from regrok.study.written import results_folder
from regrok.study.yaml import places, read_yaml

Estimand = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$")]
"""<fit>.<key>, or <computation>.<key>"""
ClaimId = Annotated[str, Field(pattern=r"^[A-Z][0-9]+(-[a-z0-9]+)*$")]

COMMAND = "snakemake {folder}/{file} --cores all --config {asked}"
"""What brings a claim's evidence."""


class Direction(Strict):
    """A weaker reading of a claim: only the sign of an estimate."""

    estimand: Estimand
    """Fit and key."""
    sign: Literal["positive", "negative"]
    """The claimed one."""


class Sample(Strict):
    """What is published of a group of runs."""

    mean: Annotated[float, Field(gt=0)]
    """Mean over the runs."""
    sd: Annotated[float, Field(gt=0)]
    """Standard deviation over the runs."""
    runs: Annotated[int, Field(ge=2)]
    """How many runs."""


class Published(Strict):
    """What the paper prints."""

    value: float | None
    """The number; null for a qualitative claim."""
    text: str
    """As printed."""
    runs: Annotated[int, Field(ge=1)] | None = None
    """For a share: of how many runs. With it, a rule that an exact repeat would more often fail is refused."""
    samples: Annotated[list[Sample], Field(max_length=2)] = Field(default_factory=list)
    """For a mean (one) or a ratio of means (two, first over second): the published samples; the same use."""


class Corrected(Strict):
    """Why an entry no longer speaks for its claim; it stays, judged as it was written."""

    date: Annotated[datetime.date, Field(strict=False)]
    """The day of the correction."""
    by: Annotated[list[ClaimId], Field(min_length=1)]
    """The entries that take its place."""
    why: Annotated[str, Field(min_length=20)]
    """What was wrong with its estimand or its rule."""


class Claim(Strict):
    """One published, checkable statement."""

    id: ClaimId
    """A letter for the paper, a number, and words for a part of the claim."""
    origin: Origin
    """printed: a number or sentence of the paper; released: our runs against those that its authors released, as two
    samples; ours: what the law implies, or what the claim needs. They are counted apart."""
    place: str
    """Where it is printed."""
    statement: str
    """The claim in our words."""
    published: Published
    """The printed number."""
    estimand: Estimand
    """The estimate that decides: fit or computation, and key."""
    experiments: list[str]
    """Whose runs feed it; an empty list for a claim that rests on a computation."""
    predicate: Annotated[dict[Scale, Predicate], Field(min_length=1)]
    """The rule per scale; a scale that is absent is out of scope."""
    direction: Direction | None = None
    """The weaker reading, if there is one."""
    choices: Estimand | None = None
    """The same quantity under every choice that the paper leaves open: where some of them meet the rule and others
    contradict it, the verdict is that the paper does not determine it."""
    alternatives: dict[str, Estimand] = Field(default_factory=dict)
    """Other estimators of the same quantity, judged by the same predicate, for the robustness table."""
    explanation: str | None = None
    """What is known about why it may fail, in TeX; shown beside it only when it does."""
    corrected: Corrected | None = None
    """What was wrong with this entry, and which took its place; null: it stands."""

    @model_validator(mode="before")
    @classmethod
    def _printed_number(cls, given: Any) -> Any:
        """Put the published value where a predicate names no number of its own."""
        if not isinstance(given, dict) or not isinstance(given.get("predicate"), dict):
            return given
        printed = given.get("published")
        value = printed.get("value") if isinstance(printed, dict) else None
        filled = {}
        for scale, predicate in given["predicate"].items():
            kind = predicate.get("kind") if isinstance(predicate, dict) else None
            key = NUMBERED.get(kind) if isinstance(kind, str) else None
            if key is not None and key not in predicate and value is not None:
                predicate = {**predicate, key: value}
            filled[scale] = predicate
        return {**given, "predicate": filled}

    @property
    def correction(self) -> dict[str, Any] | None:
        """`corrected` as JSON."""
        return self.corrected.model_dump(mode="json") if self.corrected else None

    @property
    def letter(self) -> str:
        """What its id begins with: the paper."""
        return self.id[0]

    @property
    def fit(self) -> str:
        """The fit, or the computation, that its estimand is of."""
        return self.estimand.partition(".")[0]

    @property
    def file(self) -> str:
        """The fit's file, or the computation's, below the folder of a build."""
        return f"{'fits' if self.experiments else 'computations'}/{self.fit}.json"

    def command_at(self, scale: Scale, experiments: Iterable[str]) -> str:
        """What brings the evidence at a scale: the fit, trained on those of its experiments that run there."""
        only = list(experiments) or self.experiments
        asked = f"scale={scale} {only_words(only)}" if only else f"scale={scale}"
        return COMMAND.format(folder=f"results/{scale}", file=self.file, asked=asked)


BLANK: dict[str, Any] = {
    "verdict": UNJUDGED,
    "reason": "",
    "criterion": "",
    **dict.fromkeys(("value", "low", "high", "level")),
    "n": 0,
    "unit": "",
    "estimator": "",
    "note": "",
    "robustness": {},
    "survives": None,
    "run_ids": [],
    "runs": 0,
    "minutes": 0.0,
    "command": "",
}
"""What is known of a claim that no ledger holds."""


def stated(claim: Claim, claims: Claims) -> dict[str, Any]:
    """What an entry of the ledger says of a claim before anything is judged."""
    return {
        "id": claim.id,
        "paper": claim.letter,
        "arxiv": claims.papers[claim.letter].arxiv,
        "origin": claim.origin,
        "place": claim.place,
        "statement": claim.statement,
        "published_value": claim.published.value,
        "published_text": claim.published.text,
        "estimand": claim.estimand,
        "fit": claim.fit,
        "corrected": claim.correction,
    }


def unjudged(claim: Claim, claims: Claims) -> dict[str, Any]:
    """The entry of a claim that no ledger holds: what is stated, and no verdict."""
    return {**stated(claim, claims), **BLANK, "experiments": claim.experiments}


def asked_words(config: Config, only: Sequence[str] | None = None) -> str:
    """What follows `--config` in the command of this build: scale, studies unless all, source unless trained, `only`.

    only: experiments to name instead of the configuration's own.
    """
    words = [f"scale={config.scale}"]
    if not config.whole:
        words.append(f"'studies=[{','.join(config.studies)}]'")
    if config.source != "trained":
        words.append(f"source={config.source}")
    if experiments := config.only if only is None else only:
        words.append(only_words(experiments))
    return " ".join(words)


def command_in(config: Config, fit: str, otherwise: Sequence[str]) -> str:
    """What brings a fit or a computation in this build, which may be one of some studies or from released runs.

    otherwise: experiments to name where none of those that the fit lists runs here.
    """
    computed = fit in config.computations
    here = [] if computed else [*filter(config.runs_here, config.fits[fit].experiments)]
    asked = asked_words(config, None if computed else here or otherwise)
    file = f"{'computations' if computed else 'fits'}/{fit}.json"
    return COMMAND.format(folder=results_folder(config), file=file, asked=asked)


def only_words(experiments: Sequence[str]) -> str:
    """`only` as a word of `--config`, in quotes for the shell."""
    return f"'only=[{','.join(experiments)}]'"


class ClaimsFile(Strict):
    """The whole of a study's claims.yaml."""

    claims: list[Claim]
    """The claims, in the order in which they are shown; empty for a study that has only begun."""


class Claims(Strict):
    """The claims of the chosen studies."""

    papers: dict[str, Paper]
    """Letter → where the claims come from."""
    claims: list[Claim]
    """The claims, in the order of the studies and of their files."""

    def find(self, claim_id: str) -> Claim:
        """The claim with this id. Raises RegrokError with the nearest ids."""
        by_id = {claim.id.lower(): claim for claim in self.claims}
        if claim_id.lower() in by_id:
            return by_id[claim_id.lower()]
        near = difflib.get_close_matches(claim_id.lower(), by_id, 3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(by_id[n].id for n in near)}?" if near else ""
        raise RegrokError(f"there is no claim '{claim_id}'.{hint} `regrok claims` lists them all.")


def claims_file(folder: Path, study: str) -> Path:
    """The claims of a study, below the folder of all studies."""
    return folder / study / "claims.yaml"


def load_claims(config: Config, folder: Path | str = STUDIES) -> Claims:
    """Read and check the claims of the configuration's studies, below `folder`; a study may have none yet.

    Raises RegrokError naming the file, the claim and the key: wrong types or keys, an id given twice or without the
    paper's letter, an experiment or fit that the studies do not hold.
    """
    paths = {name: claims_file(Path(folder), name) for name in config.studies}
    read = {name: _read(path).claims for name, path in paths.items() if path.exists()}
    _refuse_doubles({paths[name]: claims for name, claims in read.items()})
    for name, claims in read.items():
        letter = config.studies[name].paper.letter
        problems = [each for claim in claims for each in _problems(claim, letter, config)]
        problems += _wrong_corrections(claims)
        if problems:
            raise refusal(paths[name], problems)
    ids = [claim.id for claims in read.values() for claim in claims]
    if found := list(_unknown_in_tables(config, ids)):
        raise RegrokError("\n  ".join(["a table names a claim that there is not:", *found[:SHOWN]]))
    papers = {study.paper.letter: study.paper for study in config.studies.values()}
    return Claims.model_construct(papers=papers, claims=[c for each in read.values() for c in each])


def _unknown_in_tables(config: Config, ids: Collection[str]) -> Iterator[str]:
    """Claims that a table's findings name and no study has."""
    for name, table in config.tables.items():
        findings = table.options.get("findings")
        for i, finding in enumerate(findings if isinstance(findings, list) else ()):
            for claim in finding.get("claims", ()) if isinstance(finding, dict) else ():
                if claim not in ids:
                    where = f"tables.{name}.options.findings[{i}].claims = '{claim}'"
                    yield f"{where}: no such claim.{nearest(claim, ids)}"


def _refuse_doubles(files: Mapping[Path, list[Claim]]) -> None:
    """Raise RegrokError, with both places, for an id that is given twice."""
    holders: dict[str, list[Path]] = {}
    for path, claims in files.items():
        for claim in claims:
            holders.setdefault(claim.id, []).append(path)
    for name, paths in holders.items():
        if len(paths) > 1:
            found = [each for path in dict.fromkeys(paths) for each in places(path, "claims", name)]
            raise RegrokError(
                f"claim {name}: this id is given twice, in {' and '.join(found)}; rename one of them"
            )


def _read(path: Path) -> ClaimsFile:
    data = read_yaml(path)
    try:
        return ClaimsFile.model_validate(data)
    except ValidationError as error:
        found = [_named(problem, data) for problem in explain(error, ClaimsFile, data)]
        raise refusal(path, found) from None


def _problems(claim: Claim, letter: str, config: Config) -> Iterator[str]:
    """What a claim names that is not there."""
    if claim.letter != letter:
        yield f"{claim.id}: this paper's letter is {letter}, so its claims are called {letter}1, {letter}2-…"
    for name in claim.experiments:
        if name not in config.experiments:
            near = nearest(name, sorted(config.experiments))
            yield f"{claim.id}: experiments: no such experiment as '{name}'.{near}"
    if claim.experiments and claim.fit in config.computations:
        yield f"{claim.id}: experiments: its estimand is of a computation, which rests on no run; give an empty list"
    if not claim.experiments and claim.fit in config.fits:
        yield f"{claim.id}: experiments: empty; list those whose runs feed {claim.estimand}"
    named = {"estimand": claim.estimand}
    named |= {f"alternatives.{label}": key for label, key in claim.alternatives.items()}
    if claim.choices is not None:
        named["choices"] = claim.choices
    if claim.direction is not None:
        named["direction.estimand"] = claim.direction.estimand
    for key, estimand in named.items():
        fit = estimand.partition(".")[0]
        if fit not in {*config.fits, *config.computations}:
            near = nearest(fit, sorted([*config.fits, *config.computations]))
            what = "fit or computation" if config.computations else "fit"
            yield f"{claim.id}: {key} = '{estimand}': no such {what} as '{fit}'.{near}"
            continue
        yield from (f"{claim.id}: {key}: {why}" for why in unestimated(config, estimand))
        for scale in claim.predicate if fit in config.computations else ():
            if scale not in config.computations[fit].scales:
                yield f"{claim.id}: predicate.{scale}: {fit} is not computed at this scale, so {key} has no value"


def _wrong_corrections(claims: list[Claim]) -> Iterator[str]:
    """Corrections that name no entry of the same study, or one that was corrected itself."""
    by_id = {claim.id: claim for claim in claims}
    for claim in claims:
        for name in claim.corrected.by if claim.corrected else ():
            if name not in by_id:
                yield f"{claim.id}: corrected.by = '{name}': no such claim.{nearest(name, sorted(by_id))}"
            elif by_id[name].corrected:
                yield f"{claim.id}: corrected.by = '{name}': that entry was corrected too; name those that stand"


def _named(problem: str, data: dict[str, Any]) -> str:
    """`claims[3].place: …` → `A2-norm-ratio.place: …`, where the claim has an id."""
    found = re.match(r"claims\[(\d+)\]\.?", problem)
    if found is None:
        return problem
    claim = data["claims"][int(found[1])]
    name = claim.get("id") if isinstance(claim, dict) else None
    return f"{name}: {problem[found.end() :]}" if isinstance(name, str) else problem
