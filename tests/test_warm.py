"""Short jobs in forks of one process: the same as in a process of their own, in what they write and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrok.pipeline import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs share a process on Linux")

HEAD = "from regrok.pipeline import warm\n\nwarm.hand_over(__file__, snakemake)\n\n"
"""First lines of a script of the workflow."""


@pytest.fixture(scope="module")
def build():
    """Environment of the jobs of a build that has its process: one for all tests here, as it is for all jobs there."""
    environment = dict(os.environ)
    warm.offer(environment)
    place = Path(environment[warm.PLACE])
    yield environment
    warm.withdraw(environment)
    assert not place.exists()


def start(environment, folder, body, given=None, head=HEAD):
    """The process that Snakemake would start for a script with this body."""
    script = folder / "script.py"
    script.write_text(head + body, encoding="utf-8")
    told = json.dumps(given or {})
    preamble = (
        "import json\nfrom types import SimpleNamespace\n"
        f"snakemake = SimpleNamespace(**json.loads({told!r}))\n__file__ = {str(script)!r}\n"
    )
    started = folder / "started.py"
    started.write_text(preamble + script.read_text(encoding="utf-8"), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, started], cwd=folder, env=environment, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(*arguments, **named):
    process = start(*arguments, **named)
    said, errors = process.communicate(timeout=120)
    return SimpleNamespace(code=process.returncode, said=said, errors=errors)


def pids(place):
    """The process that forks, by the socket that its command line names."""
    found = subprocess.run(
        ["pgrep", "-f", f"warm_server {place}"], capture_output=True, encoding="utf-8"
    )
    return found.stdout.split()


def test_a_job_runs_where_the_libraries_are_loaded_with_its_own_folder_streams_and_environment(
    build, tmp_path
):
    asks = "import os, sys\nloaded = 'pandas' in sys.modules\n"
    tells = (
        "print(loaded, snakemake.name, os.getcwd(), os.environ['MINE'], warm.PLACE in os.environ)\n"
    )
    mine = build | {"MINE": "ä"}
    one = ended(mine, tmp_path, asks + tells + "print('no', file=sys.stderr)\n", {"name": "fit"})
    assert (one.code, one.errors) == (0, "no\n")
    assert one.said.split() == ["True", "fit", str(tmp_path), "ä", "False"]
    assert len(pids(build[warm.PLACE])) == 1


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('a full disk')", 1, "a full disk"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 1, "was ended from outside"),
        ("import sys\nsys.exit()", 0, ""),
    ],
)
def test_a_job_ends_as_it_would_in_a_process_of_its_own(build, tmp_path, body, code, says):
    one = ended(build, tmp_path, body)
    assert one.code == code
    assert says in one.errors


def test_two_jobs_at_once_share_no_state(build, tmp_path):
    body = (
        "import time\nwarm.SEEN = getattr(warm, 'SEEN', 0) + 1\ntime.sleep(.5)\nprint(warm.SEEN)\n"
    )
    jobs = []
    for name in "ab":
        (tmp_path / name).mkdir()
        jobs.append(start(build, tmp_path / name, body))
    assert [job.communicate(timeout=60)[0] for job in jobs] == ["1\n", "1\n"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_job_writes_nothing_any_more(build, tmp_path, how):
    body = "import time\nfrom pathlib import Path\nPath('begun').touch()\ntime.sleep(2)\nPath('made').touch()\n"
    job = start(build, tmp_path, body)
    wait_for(tmp_path / "begun")
    job.send_signal(how)
    job.communicate(timeout=30)
    time.sleep(2.5)
    assert not (tmp_path / "made").exists()


def wait_for(path, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists()


def test_edited_code_is_not_the_code_that_is_loaded(tmp_path):
    """A fork of a process with other code loaded would leave results that are newer than their code."""
    package = tmp_path / "src"
    subprocess.run(["cp", "-r", Path(warm.__file__).parents[2], package], check=True)
    environment = dict(os.environ) | {"PYTHONPATH": str(package)}
    warm.offer(environment)
    body = "import sys\nloaded = 'pandas' in sys.modules\nimport regrok.files as files\n"
    body += "print(loaded, getattr(files, 'EDITED', 0))\n"
    try:
        assert ended(environment, tmp_path, body).said.split() == ["True", "0"]
        (first,) = pids(environment[warm.PLACE])
        with open(package / "regrok/files.py", "a", encoding="utf-8") as file:
            file.write("\nEDITED = 1\n")
        assert ended(environment, tmp_path, body).said.split() == ["False", "1"]
        # The next one begins a process with the code as it is now.
        assert ended(environment, tmp_path, body).said.split() == ["True", "1"]
        assert pids(environment[warm.PLACE]) != [first]
    finally:
        warm.withdraw(environment)


def test_without_that_process_a_job_does_its_own_work(tmp_path, monkeypatch):
    body = "import sys\nprint('pandas' in sys.modules)\n"
    assert ended(dict(os.environ), tmp_path, body).said == "False\n"
    environment = dict(os.environ)
    warm.offer(environment)
    # A process that cannot be started is tried once.
    (Path(environment[warm.PLACE]) / "failed").touch()
    assert ended(environment, tmp_path, body).said == "False\n"
    warm.withdraw(environment)
    gone = environment | {warm.PLACE: str(tmp_path / "nowhere"), warm.BUILD: str(os.getpid())}
    assert ended(gone, tmp_path, body).said == "False\n"


def test_the_process_ends_with_its_build(tmp_path):
    """Also where the build is killed and can tell nobody."""
    begins = (
        "import os, sys, time\nfrom regrok.pipeline import warm\nwarm.offer(os.environ)\n"
        "print(os.environ[warm.PLACE], flush=True)\ntime.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", begins], stdout=subprocess.PIPE, encoding="utf-8"
    )
    place = Path(owner.stdout.readline().strip())
    environment = dict(os.environ) | {warm.PLACE: str(place), warm.BUILD: str(owner.pid)}
    assert ended(environment, tmp_path, "print(1)").said == "1\n"
    assert pids(place)
    owner.kill()
    owner.communicate()
    until = time.monotonic() + 20
    while (pids(place) or place.exists()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not pids(place)
    assert not place.exists()
