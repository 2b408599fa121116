"""What the papers report, as data: `studies/<name>/published.yaml`, its types and its checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from regrok.study.base import Strict
from regrok.study.blocks import Config, Constant, Name, Whole
from regrok.study.claims import Claims, load_claims
from regrok.study.columns import SETTINGS, names
from regrok.study.literals import words
from regrok.study.messages import explain, nearest, refusal
from regrok.study.words import STUDIES, Scale
from regrok.study.yaml import places, read_yaml

SETTING = re.compile(r"\{(\w+)\.(\w+)\}")
"""{experiment.column}: the setting of an experiment's own runs."""
STATISTIC = r"^(T_mem|T_grok|delay)\.(slope|exponent|pearson)$"
"""Response and statistic of a line over an experiment's cells."""


class Row(Strict):
    """One published cell: means over the runs that have the quantity, with standard deviations where they are given.

    T_mem and V_mem are over the runs that memorised, V_final is over all, the others are over the runs that grokked.
    A standard deviation (`_sd`) is the sample's, with n − 1, unless the file's `wording` says otherwise.
    """

    match: dict[str, str | bool | int | float]
    """Columns of runs.parquet that identify the cell within its experiment."""
    runs: Annotated[int, Field(ge=1)]
    """Published runs of the cell."""
    memorised: Annotated[int, Field(ge=0)] | None = None
    """How many of them memorised."""
    grokked: Annotated[int, Field(ge=0)] | None = None
    """How many of them grokked."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Budget of its runs in steps, where it is not the experiment's."""
    T_mem: float | int | None = None
    """Mean, in steps."""
    T_mem_sd: float | int | None = None
    """Its standard deviation over runs."""
    T_grok: float | int | None = None
    """Mean, in steps."""
    T_grok_sd: float | int | None = None
    """Its standard deviation over runs."""
    delay: float | int | None = None
    """Mean, in steps."""
    delay_sd: float | int | None = None
    """Its standard deviation over runs."""
    V_mem: float | int | None = None
    """Mean of ‖θ‖² at T_mem."""
    V_mem_sd: float | int | None = None
    """Its standard deviation over runs."""
    V_final: float | int | None = None
    """Mean of ‖θ‖² at the end of the run."""
    V_final_sd: float | int | None = None
    """Its standard deviation over runs."""
    rate_loss: float | int | None = None
    """Mean of 1 − r per step, r the rate of contraction after T_mem."""
    rate_loss_sd: float | int | None = None
    """Its standard deviation over runs."""

    @model_validator(mode="after")
    def _counts_and_spreads(self) -> Row:
        for name in ("memorised", "grokked"):
            count = getattr(self, name)
            if count is not None and count > self.runs:
                raise ValueError(f"{name} = {count}, of {self.runs} runs")
        given = self.model_dump(exclude_none=True)
        for name in given:
            if name.endswith("_sd") and name.removesuffix("_sd") not in given:
                raise ValueError(f"{name} without {name.removesuffix('_sd')}")
        return self


class Statistic(Strict):
    """A number over all cells of an experiment, with its interval: a slope, an exponent, a correlation."""

    value: float
    """The estimate from the published runs."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    n: Annotated[int, Field(ge=2)]
    """Runs that it rests on."""
    where: str
    """What it was computed from."""

    @model_validator(mode="after")
    def _ordered(self) -> Statistic:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value:g} lies outside its interval")
        return self


class Cells(Strict):
    """The published cells of one experiment."""

    log_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between two published logs, which a published crossing is a multiple of; null where that is not known."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Budget of its runs in steps."""
    match: dict[str, str | bool | int | float] = Field(default_factory=dict)
    """Columns of runs.parquet that all its cells share: what else a run has to agree in to be laid beside them."""
    rows: Annotated[list[Row], Field(min_length=1)]
    """One for each cell."""
    statistics: dict[Annotated[str, Field(pattern=STATISTIC)], Statistic] = Field(
        default_factory=dict
    )
    """<response>.<statistic> → the number over its cells, as a fit of law `scaling` calls it."""

    def plain(self) -> dict[str, Any]:
        """The cells as plain values, without what is not reported; each row with what all of them share."""
        rows = [
            {"max_steps": self.max_steps}
            | row.model_dump(exclude_none=True)
            | {"match": {**self.match, **row.match}}
            for row in self.rows
        ]
        return {
            "log_every": self.log_every,
            "rows": [
                {key: value for key, value in row.items() if value is not None} for row in rows
            ],
            "statistics": {key: each.model_dump() for key, each in self.statistics.items()},
        }


class Deviation(Strict):
    """Where the runs differ from the published protocol, or where the paper does not say."""

    where: str
    """The experiments concerned."""
    published: str | None
    """What the paper or its scripts do; null where it could not be established."""
    here: str
    """What we do; {experiment.column} is the setting of that experiment's own runs."""
    reason: str
    """Why."""
    scales: Annotated[list[Scale], Field(min_length=1)]
    """The scales at which the difference exists."""


class PublishedFile(Strict):
    """The whole of a study's published.yaml."""

    wording: str | None = None
    """What the tables say of where the published means come from, in TeX with the citation."""
    cells: dict[Name, Cells] = Field(default_factory=dict)
    """Experiment → its published cells."""
    constants: dict[Name, Constant] = Field(default_factory=dict)
    """What the text quotes by \\\\given{key}."""
    deviations: list[Deviation] = Field(default_factory=list)
    """Differences from the published protocol, in the order in which they are shown."""


class Published(Strict):
    """What the chosen studies' papers report, and what the common text quotes."""

    cells: dict[str, Cells]
    """Experiment → its published cells."""
    wordings: dict[str, str]
    """Experiment → where its published means come from, in TeX."""
    constants: dict[str, str | float | int]
    """Key → what \\\\given shows: TeX, or the number that is to be written as it stands."""
    deviations: list[Deviation]
    """Differences from the published protocols."""


def told(published: Published, config: Config, fit: str) -> dict[str, Any]:
    """What a fit is told of the published cells: experiment → those keys of `Cells.plain` that its law reads.

    A law names them in `PUBLISHED`. Empty for any other law. A fit that repeats others is told of their experiments
    what it reads itself and what their laws read.
    """
    block = config.fits[fit]
    own = words("laws", block.law, "PUBLISHED")
    repeated = block.options.get("fits", []) if block.law == "robustness" else []
    read = [(e, key) for e in block.experiments for key in own]
    for each in (config.fits[name] for name in repeated):
        keys = (*own, *words("laws", each.law, "PUBLISHED"))
        read += [(e, key) for e in each.experiments for key in keys]
    made: dict[str, Any] = {}
    for e, key in dict.fromkeys(read):
        if e in published.cells:
            made.setdefault(e, {})[key] = published.cells[e].plain()[key]
    return made


def published_file(folder: Path, study: str) -> Path:
    """What a study's paper reports, below the folder of all studies."""
    return folder / study / "published.yaml"


def load_published(
    config: Config, folder: Path | str = STUDIES, claims: Claims | None = None
) -> Published:
    """Read and check what the configuration's studies report, below `folder`; a study may have none.

    Raises RegrokError naming the file and the key: wrong types or keys, a cell of an experiment that the study does
    not hold, a constant that is given twice or that no claim prints.
    """
    folder = Path(folder)
    claims = claims or load_claims(config, folder)
    printed = {claim.id: claim.published.value for claim in claims.claims}
    holders: dict[str, Path] = {}
    merged = Published(cells={}, wordings={}, constants={}, deviations=[])
    files: list[tuple[Path, str | None]] = [
        (published_file(folder, name), name) for name in config.studies
    ]
    for path, study in [*files, (folder / "whole.yaml", None)]:
        if not path.exists():
            continue
        part = _read(path, PublishedFile if study else Whole)
        problems: list[str] = []
        if isinstance(part, PublishedFile) and study is not None:
            problems += _cell_problems(part, config.studies[study].experiments)
            problems += _deviation_problems(part, config)
            merged.cells.update(part.cells)
            merged.wordings.update(dict.fromkeys(part.cells, part.wording or ""))
            merged.deviations.extend(part.deviations)
        for key, constant in part.constants.items():
            if key in merged.constants:
                both = places(holders[key], "constants", key) + places(path, "constants", key)
                problems.append(
                    f"constants.{key}: given twice, in {' and '.join(both)}; rename one of them."
                )
            elif constant.claim is not None and printed.get(constant.claim) is None:
                problems.append(
                    f"constants.{key}.claim = '{constant.claim}': no claim of this id prints a number."
                    f"{nearest(constant.claim, printed)}"
                )
            else:
                merged.constants[key] = _shown(constant, printed)
                holders[key] = path
        if problems:
            raise refusal(path, problems)
    return merged


def _shown(constant: Constant, printed: dict[str, float | None]) -> str | float | int:
    value = constant.value if constant.claim is None else printed[constant.claim]
    assert value is not None
    if constant.text is not None:
        return constant.text
    # The product of a printed number has no more digits than it: 0.346 is 34.6 per cent.
    product = value if constant.times == 1 else float(f"{value * constant.times:.12g}")
    return int(product) if float(product).is_integer() else product


def _cell_problems(part: PublishedFile, experiments: list[str]) -> Iterator[str]:
    """Experiments and columns that there are not."""
    known = names()
    for name, cells in part.cells.items():
        if name not in experiments:
            yield f"cells.{name}: this study has no such experiment.{nearest(name, experiments)}"
        places = {"": cells.match} | {f".rows[{i}]": row.match for i, row in enumerate(cells.rows)}
        for place, match in places.items():
            for column in match:
                if column not in known:
                    where = f"cells.{name}{place}.match"
                    yield f"{where}: runs have no column '{column}'.{nearest(column, known)}"


def _deviation_problems(part: PublishedFile, config: Config) -> Iterator[str]:
    """Settings of experiments, {experiment.column}, that there are not."""
    settings = ["seed", *(column.name for column in SETTINGS)]
    for i, deviation in enumerate(part.deviations):
        for experiment, column in SETTING.findall(deviation.here):
            where = f"deviations[{i}].here: {{{experiment}.{column}}}"
            if experiment not in config.experiments:
                near = nearest(experiment, config.experiments)
                yield f"{where}: no such experiment as '{experiment}'.{near}"
            elif absent := set(deviation.scales) - set(config.experiments[experiment].scales):
                yield (
                    f"{where}: {experiment} has no runs at scale {min(absent)}, which is one of this entry's scales; "
                    "limit them."
                )
            if column not in settings:
                yield f"{where}: no such setting as '{column}'.{nearest(column, settings)}"


def _read(path: Path, kind: type[PublishedFile] | type[Whole]) -> PublishedFile | Whole:
    data = read_yaml(path)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise refusal(path, explain(error, kind, data)) from None
