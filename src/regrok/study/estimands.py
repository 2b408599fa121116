"""What a fit or a computation estimates, known before it is made: the keys that a claim or a finding may name.

A law, or a computation's module, says in a literal which keys it returns, beside its `DEFAULTS` and `REFERS`
(`regrok.study.options`):

    ESTIMATES = {"": ["runs", "window_*"], "groups": ["delay_mean"], "ratios": ["comparison:ratios"]}

Under "" are keys of the fit itself; under the name of an option, keys of each thing that the option names, as in
`mlp.delay_mean`. A `*` stands for what the runs decide (a level, a value), and `comparison:ratios` for what the law
`comparison` has under `ratios`. A module without the literal may return anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from regrok.study.blocks import Computation, Config, Fit
from regrok.study.literals import modules, stated
from regrok.study.messages import nearest


def unestimated(config: Config, estimand: str) -> Iterator[str]:
    """What is wrong with `<name>.<key>` of a fit or computation that there is: it estimates nothing so called."""
    name, _, key = estimand.partition(".")
    made = config.fits.get(name) or config.computations[name]
    patterns = list(estimates(made))
    if patterns and not any(fnmatchcase(key, pattern) for pattern in patterns):
        what = (
            f"computations.{name}, by {made.compute},"
            if isinstance(made, Computation)
            else f"fits.{name}, of law {made.law},"
        )
        yield f"{what} estimates no '{key}'.{nearest(key, patterns)}"


def unestimated_evidence(config: Config) -> Iterator[str]:
    """The same of what the findings of a table name as their evidence."""
    for name, table in config.tables.items():
        findings = table.options.get("findings")
        for i, finding in enumerate(findings if isinstance(findings, list) else ()):
            evidence = finding.get("evidence") if isinstance(finding, dict) else None
            for j, each in enumerate(evidence if isinstance(evidence, list) else ()):
                key = str(each.get("key", "")) if isinstance(each, dict) else ""
                if key.partition(".")[0] in {*config.fits, *config.computations}:
                    where = f"tables.{name}.options.findings[{i}].evidence[{j}].key"
                    yield from (f"{where}: {why}" for why in unestimated(config, key))


def estimates(made: Fit | Computation) -> Iterator[str]:
    """Patterns of the keys that it returns; none where its module does not say."""
    told = [made.options]
    if isinstance(made, Computation):
        folder, module = "computations", made.compute
        told += [at.options for at in made.scales.values()]
    else:
        folder, module = "laws", made.law
    said = _said(module, folder)
    defaults = stated(folder, module, "DEFAULTS") if said else {}
    for option, keys in said.items():
        every = [each for key in keys for each in _spelt_out(key)]
        named = (each.get(option, defaults.get(option)) or () for each in told)
        names = dict.fromkeys(name for each in named for name in each) if option else ("",)
        for name in names:
            yield from (f"{name}.{key}" if name else key for key in every)


def _spelt_out(key: str) -> list[str]:
    law, colon, option = key.partition(":")
    return _said(law)[option] if colon else [key]


def _said(module: str, folder: str = "laws") -> dict[str, list[str]]:
    return stated(folder, module, "ESTIMATES") if module in modules(folder) else {}
