"""pyproject.toml, the lock, environment.yml, README and Makefile say the same thing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from regrok.study.plan import make_plan
from regrok.study.read import load_config

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13")

# conda's name for a distribution, where it is another
CONDA_NAMES = {
    "jupyter-client": "jupyter_client",
    "snakemake": "snakemake-minimal",
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
}
COMMAND = re.compile(r"(?:^    |`)make ([a-z-]+)", re.MULTILINE)
CONDA_PROGRAMS = {"python", "cxx-compiler", "tectonic", "poppler", "git", "make", "pip"}


def declared(*extras: str) -> dict[str, Requirement]:
    """Requirements of the package and of the extras, by canonical name."""
    lines = list(PYPROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PYPROJECT["project"]["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def python_environment(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.1", "extra": ""}


def lock_lines() -> list[str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked() -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lock_lines()}


def environment() -> tuple[dict[str, SpecifierSet], list[str]]:
    """environment.yml's conda packages with their ranges, and its pip lines."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    packages: dict[str, SpecifierSet] = {}
    pip: list[str] = []
    for entry in entries:
        if isinstance(entry, dict):
            pip += entry["pip"]
        else:
            name, _, version_range = entry.partition(" ")
            packages[name] = SpecifierSet(version_range)
    return packages, pip


def test_lock_pins_one_exact_public_version_of_each_package():
    names = [canonicalize_name(Requirement(line).name) for line in lock_lines()]
    assert len(names) == len(set(names))
    for line in lock_lines():
        requirement = Requirement(line)
        assert requirement.url is None, line
        [specifier] = requirement.specifier
        assert specifier.operator == "==", line
        # A local version such as 2.13.0+cpu exists on no index but its builder's.
        assert Version(specifier.version).local is None, line
    assert "--" not in "".join(lock_lines()), "the lock carries no index, link or hash options"


def test_lock_satisfies_every_declared_range():
    lock = locked()
    for name, requirement in declared("site", "test", "dev").items():
        assert name in lock, f"{name} is declared and not locked: run `make lock`"
        [specifier] = lock[name].specifier
        assert requirement.specifier.contains(specifier.version), (
            f"{requirement} against {lock[name]}"
        )


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_is_closed_under_requirements(python):
    """Nothing is left for the installer to choose: what a locked package needs is locked too."""
    surroundings = python_environment(python)
    lock = locked()
    for name in lock:
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # not for this platform
        for requirement in map(Requirement, requirements):
            needed = canonicalize_name(requirement.name)
            if requirement.marker is not None and not requirement.marker.evaluate(surroundings):
                continue
            if name == "torch" and re.match(r"nvidia-|cuda-|triton$", needed):
                continue  # the CUDA build's own; the lock is for the CPU
            assert needed in lock, f"{name} needs {requirement}"
            [specifier] = lock[needed].specifier
            assert requirement.specifier.contains(specifier.version, prereleases=True), (
                f"{name} needs {requirement}, locked is {lock[needed]}"
            )


def test_lock_gives_every_python_the_same_versions():
    """Results are compared across machines: a marker may drop a package, not choose a version."""
    for requirement in locked().values():
        if requirement.marker is None:
            continue
        verdicts = {requirement.marker.evaluate(python_environment(p)) for p in PYTHONS}
        assert len(verdicts) == 1, str(requirement)


def test_environment_has_the_same_packages_and_ranges():
    packages, pip = environment()
    expected = {
        CONDA_NAMES.get(name, name): requirement.specifier
        for name, requirement in declared("site", "test", "dev").items()
    }
    assert {name: r for name, r in packages.items() if name not in CONDA_PROGRAMS} == expected
    assert set(packages) >= CONDA_PROGRAMS
    assert packages["python"] == SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert pip == ["--editable ."]


def imported_modules(folder: Path) -> dict[str, Path]:
    """Top-level name of every absolute import below the folder → one file that imports it."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], path)
    return found


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("src", ("site",)),
        ("workflow", ()),
        ("notebooks", ()),
        ("tests", ("test", "dev")),
        ("benchmarks", ("test",)),
    ],
)
def test_every_import_is_declared(folder, extras):
    distributions = metadata.packages_distributions()
    allowed = set(declared(*extras)) | {"regrok"}
    here = {p.stem for own in {folder, "tests", "scripts"} for p in (ROOT / own).rglob("*.py")} | {
        folder
    }
    for module, path in imported_modules(ROOT / folder).items():
        if module in sys.stdlib_module_names or module in here:
            continue
        owners = {canonicalize_name(name) for name in distributions.get(module, [module])}
        assert owners & allowed, f"{path.relative_to(ROOT)} imports {module}, which is not declared"


def test_every_data_file_of_the_package_is_shipped():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["regrok"]
    package = ROOT / "src" / "regrok"
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    for path in package.rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert path in shipped, f"{path.relative_to(ROOT)} would be missing from a wheel"


def test_entry_point_is_a_function():
    [entry] = metadata.entry_points(group="console_scripts", name="regrok")
    assert callable(entry.load())


def test_commands_in_the_readme_exist():
    targets = set(
        re.findall(
            r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    named = set(COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"paper", "test"} <= named
    assert named <= targets, f"README names targets that the Makefile lacks: {named - targets}"


def test_paths_in_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = ("results/", "paper/regrok", "paper/artifact", "paper/generated")
    for path in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(
        r"`((?:src|workflow|tests|studies|paper|notebooks|benchmarks|scripts)/[\w./-]*)`", text
    ):
        if not path.startswith(made):
            assert (ROOT / path).exists(), f"README names {path}, which does not exist"


def test_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = PYPROJECT["project"]
    assert str(citation["version"]) == project["version"]
    assert citation["license"] == project["license"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in project["authors"]]


def test_the_readme_trains_for_each_claim_an_experiment_of_its_fit():
    rows = re.findall(
        r"^\|.*`snakemake --cores all (.*) --config 'only=\[(.*)\]'`",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(rows) >= 5
    for targets, only in rows:
        config = load_config(ROOT / "config.yaml", {"scale": "laptop", "only": only.split(",")})
        trained = {row["experiment"] for row in make_plan(config).membership}
        assert trained == set(only.split(","))
        for fit in re.findall(r"fits/(\w+)\.json", targets):
            assert trained & set(config.fits[fit].experiments), f"{fit} reads none of {only}"


def test_fits_in_the_readme_are_in_the_config():
    fits = load_config(ROOT / "config.yaml").fits
    named = set(
        re.findall(
            r"results/laptop/fits/(\w+)\.json", (ROOT / "README.md").read_text(encoding="utf-8")
        )
    )
    assert named
    assert named <= set(fits), f"README names fits that no study has: {named - set(fits)}"
