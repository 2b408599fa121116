# `make paper` and `make test` are all one needs; `make help` lists the rest.
# Every path is relative: make splits on spaces, and the checkout's own path may have some.

SCALE ?= laptop
CORES ?= all
# some of the studies alone, joined by commas: make paper STUDY=norm_delay
STUDY ?=
# trained, released or missing (train what the bundle lacks) instead of what config.yaml says: make paper SOURCE=released
SOURCE ?=
# a name for the interpreter, and an index for another build of torch: see README.md
export PYTHON TORCH_INDEX

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help install tex paper verify reanalyse release report site notebooks artifact arxiv test test-long test-slurm lint format bench coverage lock clean

comma := ,
empty :=
space := $(empty) $(empty)

# Their values are looked at before anything is begun: with no core, Snakemake would wait for ever.
ifneq ($(filter paper reanalyse release report site notebooks artifact arxiv,$(MAKECMDGOALS)),)
STUDIES := $(patsubst studies/%/study.yaml,%,$(wildcard studies/*/study.yaml))
one = $(if $(filter-out $(2),$(3))$(filter-out 1,$(words $(3))),$(call refuse,$(1),$(4)))
refuse = $(error $(1) is '$($(1))' ($(origin $(1))): give $(2))
digits = $(subst 9,,$(subst 8,,$(subst 7,,$(subst 6,,$(subst 5,,$(subst 4,,$(subst 3,,$(subst 2,,$(subst 1,,$(1))))))))))
$(call one,SCALE,smoke laptop paper,$(SCALE),smoke$(comma) laptop or paper)
ifneq ($(SOURCE),)
$(call one,SOURCE,trained released missing,$(SOURCE),trained$(comma) released or missing)
endif
# `all`, or digits that are not all 0
ifneq ($(CORES),all)
$(if $(filter-out 1,$(words $(CORES)))$(subst 0,,$(call digits,$(CORES)))$(if $(subst 0,,$(CORES)),,0),$(call refuse,CORES,a number from 1$(comma) or all))
endif
ifneq ($(STUDY),)
$(if $(filter-out 1,$(words $(STUDY)))$(filter-out $(STUDIES),$(subst $(comma),$(space),$(STUDY))),$(call refuse,STUDY,some of $(subst $(space),$(comma),$(strip $(STUDIES)))))
endif
endif

# Jobs that Snakemake starts find python, regrok and snakemake on PATH.
IN_VENV := . scripts/environment; export PATH="$$PWD/.venv/bin:$$PATH";
RESULTS := results/$(SCALE)$(if $(STUDY),-$(subst $(comma),-,$(STUDY)))$(if $(filter released missing,$(SOURCE)),-$(SOURCE))
CONFIG := scale=$(SCALE) $(if $(STUDY),'studies=[$(STUDY)]') $(if $(SOURCE),source=$(SOURCE))
SNAKEMAKE := $(IN_VENV) python -m snakemake --cores $(CORES) --config $(CONFIG)
PYTEST := $(IN_VENV) python -m pytest

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

install: ## .venv with the locked packages and this one
	@scripts/install-python

tex: # latexmk and TeX Live, or how to get them
	@scripts/install-tex

# VERBOSE=1, given to make or set, leaves the terminal to Snakemake: regrok.pipeline.display reads it.
paper: install tex ## train, analyse and typeset: paper/regrok.pdf (SCALE=smoke, laptop or paper; STUDY=one alone; VERBOSE=1)
	@$(SNAKEMAKE)

verify: install ## check the released bundle: checksums, schemas, every verdict judged again (a minute)
	@$(IN_VENV) python -m regrok.cli verify

reanalyse: install tex ## fit and draw everything again from the released runs, and compare (minutes)
	@$(SNAKEMAKE) source=released
	$(IN_VENV) python -m regrok.cli verify --reanalysed $(SCALE)

release: install ## put a finished build into the bundle that ships, results/released (SOURCE=missing: add to it)
	@$(IN_VENV)
	python -m regrok.cli release --scale $(SCALE) $(if $(filter missing,$(SOURCE)),--add)
	python -m regrok.cli findings --write

report: install ## Snakemake's self-contained HTML report of a finished build
	@$(SNAKEMAKE) --report $(RESULTS)/report.html --report-stylesheet src/regrok/report/report.css
	echo "The report: $(RESULTS)/report.html"

site: install ## a static site of a finished build, else of the released runs: results/SCALE/site/index.html
	@$(IN_VENV) python -m regrok.cli site --scale $(SCALE) $(if $(STUDY),--set 'studies=[$(STUDY)]') $(if $(SOURCE),--set source=$(SOURCE))

notebooks: install ## run the notebooks; the outcome is in results/laptop/notebooks
	@$(IN_VENV) python -m snakemake notebooks --cores $(CORES) --config $(CONFIG)

artifact: install tex ## the artifact appendix with the reproducibility checklist: paper/artifact.pdf
	@$(IN_VENV) python -m snakemake artifact --cores $(CORES) --config $(CONFIG)

arxiv: install tex ## the paper's sources as arXiv takes them: paper/regrok-arxiv.tar.gz
	@$(IN_VENV) python -m snakemake arxiv --cores $(CORES) --config $(CONFIG)

test: install ## the default tests (minutes), in two halves at once: what starts Snakemake or trains, and the others
	@$(IN_VENV)
	said=$$(mktemp)
	# The files that have such tests, so that no others are read.
	files=$$(grep -lE 'mark\.(snakemake|beside)' tests/test_*.py)
	python -m pytest -m "(snakemake or beside) and not long and not slurm" -p no:cacheprovider $$files >"$$said" 2>&1 &
	beside=$$!
	trap 'kill $$beside 2>/dev/null || true; rm -f "$$said"' EXIT
	status=0
	python -m pytest -m "not (snakemake or beside or long or slurm)" || status=1
	wait $$beside || status=1
	cat "$$said"
	exit $$status

test-long: install ## every test but those that need Slurm
	@$(PYTEST) -m "not slurm"

test-slurm: install ## the cluster profiles on a Slurm that is started for it (WHOLE=1: all of the smoke study)
	@tests/slurm/install || exit 0
	$(IN_VENV) WHOLE=$(WHOLE) python -m pytest -m slurm tests/test_slurm.py

lint: install ## ruff, snakefmt, snakemake --lint, mypy
	@$(IN_VENV)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	python -m snakemake --lint
	mypy

format: install ## rewrite the sources in the project's format
	@$(IN_VENV)
	ruff check --fix --quiet .
	ruff format --quiet .
	snakefmt Snakefile workflow

bench: install ## CASE RATIO for every case, each from one paired run
	@$(IN_VENV) python -m benchmarks

coverage: install ## how often each kind of interval holds the truth, at the studies' own designs (minutes)
	@$(IN_VENV) python -m benchmarks.coverage

lock: install ## requirements.lock from pyproject.toml (UPGRADE=1 takes the newest versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

clean: ## what builds make, but never the run store (results/store) or what ships (results/released)
	@rm -rf .snakemake .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks build dist
	find results -mindepth 1 -maxdepth 1 ! -name store ! -name released -exec rm -rf {} +
	rm -rf paper/generated paper/*.pdf paper/*.tar.gz
	find src tests workflow benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
