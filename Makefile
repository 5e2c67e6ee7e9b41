# make mini: the whole pipeline on the embedded benchmark. make test: the tests. Both set up .venv.

PYTHON ?= python3
PIP_FLAGS ?=
CORES ?= all
WORKERS ?= 2
# Tests of one file stay together in one of the workers.
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: mini mini-all foundation report gpu-campaign test test-fast test-paper lint generated docs clean help

help:
	@sed -n 's/^# make/make/p' Makefile

mini: .venv/ready
	snakemake --cores $(CORES) --configfile config/mini.yaml
	@cat results/mini/tables/controls.md
	@echo "results/mini/report.html has all results on one page"

# make mini-all: every table and figure of the paper in its small form.
mini-all: .venv/ready
	snakemake --cores $(CORES) --configfile config/mini.yaml --config 'wanted=["all"]'

# make foundation: train the foundation that the package carries again, and measure it: half an hour.
foundation: .venv/ready
	snakemake ship_foundation --cores $(CORES) --configfile config/foundation.yaml
	cp results/foundation/shipped/* mpssl/shipped/foundation/
	cp results/foundation/sheet.png docs/foundation.png
	@cat mpssl/shipped/foundation/statistics.json

# make report: Snakemake's own report of make mini, workflow graph included, as one file.
report: .venv/ready
	snakemake --configfile config/mini.yaml --report results/mini/snakemake-report.html

# make gpu-campaign: what a GPU says about a training step at full size, in ten minutes, offline.
gpu-campaign: .venv/ready
	python -m benchmarks.campaign
	@cat results/campaign/campaign.md

test: .venv/ready-test
	pytest $(PARALLEL)

# make test-fast: the tests without pipelines and other slow ones.
test-fast: .venv/ready-test
	pytest $(PARALLEL) -m "not slow" --ignore tests/long --ignore tests/workflow

# make test-paper: the whole paper in miniature, from archives to all tables.
test-paper: .venv/ready
	pytest -m paper

# make lint: ruff, the contracts on imports, snakefmt and Snakemake's own linter.
lint: .venv/ready
	ruff check .
	ruff format --check .
	lint-imports --no-logo
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/mini.yaml

# make generated: what is made of the models in mpssl/config: the JSON schema and the reference.
generated: .venv/ready
	mpssl schema > mpssl/shipped/config.schema.json
	mpssl reference > docs/configuration.md

# make docs: the documentation as a site in site/; a broken link is an error.
docs: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "site/index.html is the first page; to search, serve it: python -m http.server --directory site"

# torchvision and pytorch-pretrained-biggan name torch themselves, so torch comes first.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt torch
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/ready-test: .venv/ready
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt \
		--editable '.[diffusers,docs,tensorboard,timm]'
	touch $@

.venv/ready-docs: .venv/ready
	pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[docs]'
	touch $@

# make clean: forget the benchmark's results, and list what the store holds that nothing refers to.
clean: .venv/ready
	rm -rf results/mini results/foundation
	@if [ -d store ]; then mpssl gc; fi
