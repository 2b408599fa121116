"""What runs on every push asks for what there is: targets of make, packages of TeX, files that a build leaves."""

from __future__ import annotations

import re

import pytest

from regrok.paper import names
from regrok.study.read import load_config
from regrok.study.yaml import read_yaml
from studies import ROOT

GITHUB = ROOT / ".github"
JOBS = read_yaml(GITHUB / "workflows/audit.yml")["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
RUN = [line.strip() for step in STEPS for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_a_machine_a_limit_and_steps_that_do_one_thing_each(name):
    job = JOBS[name]
    assert job["runs-on"] == "ubuntu-24.04" and 0 < job["timeout-minutes"] <= 360
    assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    # An action without a version is another one tomorrow.
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", each) for each in uses)


def test_every_target_is_one_of_the_makefile_s_and_none_trains():
    targets = {line.split()[1] for line in RUN if line.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == {"install", "lint", "test", "verify", "reanalyse", "site"}
    assert all(re.search(rf"(?m)^{target}:", makefile) for target in targets)


def test_tex_is_what_the_checkout_installs_and_python_one_that_it_takes():
    said = re.search(r'(?m)^packages="(.*)"', (ROOT / "scripts/install-tex").read_text("utf-8"))[1]
    installs = [line for line in RUN if "apt-get install" in line]
    assert len(installs) == len(JOBS)
    assert all(line.endswith(said) for line in installs)
    versions = {step["with"]["python-version"] for step in STEPS if "setup-python" in str(step)}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    least = re.search(r'requires-python = ">=3\.(\d+)"', project)[1]
    assert all(int(version.split(".")[1]) >= int(least) for version in versions)


def test_what_is_published_is_what_a_build_from_released_runs_leaves():
    config = load_config(ROOT / "config.yaml", {"source": "released"})
    uploads = {
        step["with"]["name"]: step["with"]["path"]
        for step in STEPS
        if step.get("uses", "").startswith("actions/upload-artifact")
    }
    folder = f"results/{config.scale}-released"
    assert uploads == {
        "paper": names.pdf(config),
        "figures": f"{folder}/figures",
        "site": f"{folder}/site",
    }


def test_the_template_asks_for_a_claim_a_reason_and_what_the_audit_says():
    form = read_yaml(GITHUB / "ISSUE_TEMPLATE/verdict.yml")
    asked = {part["id"]: part for part in form["body"]}
    assert {"claim", "wrong", "why", "said"} <= asked.keys()
    assert all(part["validations"]["required"] for part in asked.values())
    assert all(part["attributes"]["label"] for part in asked.values())


def test_how_to_contribute_is_a_page_whose_links_lead_somewhere():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links and all((ROOT / link).exists() for link in links)
