"""What surrounds a job: variables that a user's shell has set for other programs do not reach it.

A job is to do the same whoever starts it and where. So its Python reads files as UTF-8, finds the packages of its own
environment, takes no setting of another tool, counts in one way, and keeps caches where it can write.
"""

from __future__ import annotations

import os
import re
import site
import sys
import tempfile
from collections.abc import MutableMapping
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path

from regrok.errors import RegrokError

PACKAGES = (
    *("snakemake", "torch", "numpy", "scipy", "pandas", "pyarrow", "pydantic", "yaml"),
    *("lifelines", "statsmodels", "matplotlib", "jinja2"),
)
"""What jobs import, by their names in Python."""

STEERING = (
    *("PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
    *("PYTHONDEVMODE", "PYTHONSAFEPATH", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONCASEOK"),
    *("PYTHONCOERCECLOCALE", "PYTHONINTMAXSTRDIGITS", "PYTHONVERBOSE", "PYTHONDEBUG"),
    *("PYTHONEXECUTABLE", "PYTHONLEGACYWINDOWSSTDIO", "PYTHONLEGACYWINDOWSFSENCODING"),
    *("SOURCE_DATE_EPOCH", "MATPLOTLIBRC", "IPYTHONDIR", "JUPYTER_CONFIG_PATH", "JUPYTER_PATH"),
)
"""Variables that make Python, matplotlib or Jupyter behave in another way; a build's files have dates of their own."""

ARITHMETIC = re.compile(
    r"(MKL|OMP|KMP|GOMP|OPENBLAS|GOTO|BLIS|VECLIB|NUMEXPR|ONEDNN|DNNL|ATEN|NPY)_\w+"
    r"|NVIDIA_TF32_OVERRIDE|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|GLIBC_TUNABLES"
)
"""Variables that choose instructions or cut sums elsewhere, so that last digits differ. A job has one thread, of which
Snakemake tells the libraries itself."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Variables that say in how many threads numpy and torch count."""

LOADING = ("MKL_THREADING_LAYER", "MKL_SERVICE_FORCE_INTEL", "KMP_DUPLICATE_LIB_OK")
"""Without these some installations do not load; they change no digit."""

FOLDERS = {
    "MPLCONFIGDIR": "matplotlib",
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter",
    "JUPYTER_DATA_DIR": "jupyter",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
}
"""Variables that name a folder of settings and caches, and the folder in `OWN` that they are to name."""

MEMORY = {"MALLOC_MMAP_THRESHOLD_": "100000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
"""Bytes from which glibc asks the system for memory of a block's own, and of free memory that it keeps. By default it
returns what a step has freed, which the system clears again for the next: half the time of NumPy's small networks."""

RESTARTED = "REGROK_IN_UTF8"
"""Set in a program that `in_utf8` has started."""

OWN = ".snakemake/surroundings"
"""Where a build keeps what programs would keep in the user's home."""


def refuse_idle(*counts: int | None) -> None:
    """Raise RegrokError where Snakemake may use no core or no node: it would wait for ever."""
    if any(count is not None and count < 1 for count in counts):
        raise RegrokError(
            "Snakemake may start no job: give a number of cores from 1 (--cores 2), or --cores all"
        )


def steady(environment: MutableMapping[str, str]) -> None:
    """Take out what would change last digits. Before torch and numpy are imported, which read it then."""
    for name in [name for name in environment if ARITHMETIC.fullmatch(name)]:
        if name not in LOADING:
            del environment[name]


def one_thread(environment: MutableMapping[str, str]) -> None:
    """Count in one thread, as a job does. Before torch and numpy are imported, which read it then."""
    environment.update(dict.fromkeys(THREADS, "1"))


def clean(environment: MutableMapping[str, str], folder: Path | str = ".") -> None:
    """Make the environment that of a job of the checkout in `folder`."""
    steady(environment)
    folder = Path(folder).absolute()
    for name in STEERING:
        environment.pop(name, None)
    # Its files are UTF-8, its words in what the terminal understands.
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    environment["PYTHONUTF8"] = "1"
    environment["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"
    foreign = _foreign_packages(environment, folder)
    if environment is os.environ:
        # This process too: what it has not imported yet is to come from where jobs find it.
        sys.path[:] = [each for each in sys.path if Path(each).resolve() not in foreign]
    _own_folders(environment, folder / OWN)
    environment["MPLBACKEND"] = "Agg"
    for name, value in MEMORY.items():
        environment.setdefault(name, value)


def in_utf8() -> None:
    """Start this program anew in UTF-8 mode where Python decodes paths in another way; call `clean` before.

    Snakemake and torch cannot handle a path that Python has not decoded, such as that of a checkout in `größe` under an
    ASCII locale. Nothing has begun while the Snakefile is read.
    """
    known = Path(sys.argv[0]).name in ("snakemake", "__main__.py")
    if sys.getfilesystemencoding() == "utf-8" or RESTARTED in os.environ or not known:
        return
    os.environ[RESTARTED] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


# Packages ----------------------------------------------------------------------------------------------------


def _foreign_packages(environment: MutableMapping[str, str], folder: Path) -> set[Path]:
    """Take out folders of Python packages that are not this environment's, unless it lives on them; these folders."""
    given = [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]
    foreign = [each for each in given if not Path(each).resolve().is_relative_to(folder.resolve())]
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    out = {Path(each).resolve() for each in (*foreign, *users)}
    if _needed(out):
        out = set()
    else:
        given = [each for each in given if each not in foreign]
        environment["PYTHONNOUSERSITE"] = "1"
    if given:
        environment["PYTHONPATH"] = os.pathsep.join(given)
    else:
        environment.pop("PYTHONPATH", None)
    return out


def _needed(places: set[Path]) -> bool:
    """Whether a package that jobs import is found in these folders alone."""
    if not places:
        return False
    if Path(__file__).resolve().parents[1] in places:
        return True
    rest = [each for each in sys.path if Path(each).resolve() not in places]
    found = partial(PathFinder.find_spec, path=sys.path)
    return any(found(name) and not PathFinder.find_spec(name, rest) for name in PACKAGES)


# Folders -----------------------------------------------------------------------------------------------------


def _own_folders(environment: MutableMapping[str, str], own: Path) -> None:
    """Settings and caches of matplotlib and Jupyter beside the build; other caches where the user's can be written."""
    for name, place in FOLDERS.items():
        environment[name] = str(own / place)
    home = environment.get("HOME") or os.devnull
    if not writable(environment.get("XDG_CACHE_HOME") or f"{home}/.cache"):
        environment["XDG_CACHE_HOME"] = str(own / "cache")
    temporary = environment.get("TMPDIR")
    if temporary is not None and not (Path(temporary).is_dir() and writable(temporary)):
        del environment["TMPDIR"]


def writable(folder: Path | str) -> bool:
    """Whether files can be made in the folder, which is made where it is not there.

    Tried, not asked: to root every permission is granted, also where the file system grants none.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
