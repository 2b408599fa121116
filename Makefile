# `make paper` and `make test` are all one needs; `make help` lists the rest.
# Every path is relative: make splits on spaces, and the checkout's own path may have some.

SCALE ?= laptop
CORES ?= all
# a name for the interpreter, and an index for another build of torch: see README.md
export PYTHON TORCH_INDEX

# Jobs are short processes; without this each would compile the project's modules anew where the variable is set.
unexport PYTHONDONTWRITEBYTECODE

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help install tex paper report test test-long lint format bench lock clean

# Jobs that Snakemake starts find python, regrok and snakemake on PATH.
IN_VENV := PATH="$$PWD/.venv/bin:$$PATH"
SNAKEMAKE := $(IN_VENV) python -m snakemake --cores $(CORES) --config scale=$(SCALE)
PYTEST := $(IN_VENV) python -m pytest

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

install: ## .venv with the locked packages and this one
	@scripts/install-python

tex: # latexmk and TeX Live, or how to get them
	@scripts/install-tex

paper: install tex ## train, analyse and typeset: paper/regrok.pdf (SCALE=smoke, laptop or paper)
	@$(SNAKEMAKE)

report: install ## Snakemake's self-contained HTML report of a finished build
	@$(SNAKEMAKE) --report results/$(SCALE)/report.html
	echo "The report: results/$(SCALE)/report.html"

test: install ## the default tests (minutes)
	@$(PYTEST) -m "not long and not slurm"

test-long: install ## every test but those that need Slurm
	@$(PYTEST) -m "not slurm"

lint: install ## ruff, snakefmt, snakemake --lint, mypy
	@$(IN_VENV)
	export PATH
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	python -m snakemake --lint
	mypy

format: install ## rewrite the sources in the project's format
	@$(IN_VENV)
	export PATH
	ruff check --fix --quiet .
	ruff format --quiet .
	snakefmt Snakefile workflow

bench: install ## CASE RATIO for every case, each from one paired run
	@$(IN_VENV) python -m benchmarks

lock: install ## requirements.lock from pyproject.toml (UPGRADE=1 takes the newest versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

clean: ## what builds make, but never the run store (results/store) or what ships (results/released)
	@rm -rf .snakemake .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks build dist
	rm -rf results/smoke results/laptop results/paper paper/generated paper/regrok.pdf
	find src tests workflow benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
