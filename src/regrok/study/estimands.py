"""What a fit estimates, known before it is fitted: the keys that a claim or a finding may name.

A law says in a literal which keys it returns, beside its `DEFAULTS` and `REFERS` (`regrok.study.options`):

    ESTIMATES = {"": ["runs", "window_*"], "groups": ["delay_mean"], "ratios": ["comparison:ratios"]}

Under "" are keys of the fit itself; under the name of an option, keys of each thing that the option names, as in
`mlp.delay_mean`. A `*` stands for what the runs decide (a level, a value), and `comparison:ratios` for what the law
`comparison` has under `ratios`. A law without the literal may return anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from regrok.study.blocks import Config, Fit
from regrok.study.messages import nearest
from regrok.study.options import PACKAGE, literal, modules


def unestimated(config: Config, estimand: str) -> Iterator[str]:
    """What is wrong with `<fit>.<key>` of a fit that the configuration has: its law estimates nothing so called."""
    fit, _, key = estimand.partition(".")
    patterns = list(estimates(config.fits[fit]))
    if patterns and not any(fnmatchcase(key, pattern) for pattern in patterns):
        law = config.fits[fit].law
        yield f"fits.{fit}, of law {law}, estimates no '{key}'.{nearest(key, patterns)}"


def unestimated_evidence(config: Config) -> Iterator[str]:
    """The same of what the findings of a table name as their evidence."""
    for name, table in config.tables.items():
        findings = table.options.get("findings")
        for i, finding in enumerate(findings if isinstance(findings, list) else ()):
            evidence = finding.get("evidence") if isinstance(finding, dict) else None
            for j, each in enumerate(evidence if isinstance(evidence, list) else ()):
                key = str(each.get("key", "")) if isinstance(each, dict) else ""
                if key.partition(".")[0] in config.fits:
                    where = f"tables.{name}.options.findings[{i}].evidence[{j}].key"
                    yield from (f"{where}: {why}" for why in unestimated(config, key))


def estimates(fit: Fit) -> Iterator[str]:
    """Patterns of the keys that a fit returns; none where its law does not say."""
    said = _said(fit.law)
    defaults = literal(_source(fit.law), "DEFAULTS") if said else {}
    for option, keys in said.items():
        every = [each for key in keys for each in _spelt_out(key)]
        names = fit.options.get(option, defaults.get(option)) or () if option else ("",)
        for name in names:
            yield from (f"{name}.{key}" if name else key for key in every)


def _spelt_out(key: str) -> list[str]:
    law, colon, option = key.partition(":")
    return _said(law)[option] if colon else [key]


def _said(law: str) -> dict[str, list[str]]:
    return literal(_source(law), "ESTIMATES") if law in modules("laws") else {}


def _source(law: str) -> str:
    return (PACKAGE / "laws" / f"{law}.py").read_text(encoding="utf-8")
