# make mini: the whole pipeline on the embedded benchmark. make test: the tests. Both set up .venv.

PYTHON ?= python3
PIP_FLAGS ?=
CORES ?= all
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: mini mini-all report test test-paper lint docs clean help

help:
	@sed -n 's/^# //p' Makefile

mini: .venv/ready
	snakemake --cores $(CORES) --configfile config/mini.yaml
	@cat results/mini/tables/table1.md
	@echo "results/mini/report.html has all results on one page"

# make mini-all: every table and figure of the paper in its small form.
mini-all: .venv/ready
	snakemake --cores $(CORES) --configfile config/mini.yaml --config 'wanted=["all"]'

# make report: Snakemake's own report of make mini, workflow graph included, as one file.
report: .venv/ready
	snakemake --configfile config/mini.yaml --report results/mini/snakemake-report.html

test: .venv/ready
	pytest

# make test-paper: the whole paper in miniature, from archives to all tables.
test-paper: .venv/ready
	pytest -m paper

# make lint: ruff, snakefmt and Snakemake's own linter.
lint: .venv/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/mini.yaml

# make docs: the documentation as a site in site/; a broken link is an error.
docs: .venv/ready-docs
	mkdocs build --strict

# torchvision and pytorch-pretrained-biggan name torch themselves, so torch comes first.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt torch
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/ready-docs: .venv/ready
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf results/mini resources/mini
