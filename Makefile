# Every target sets up what it needs. `make run` and `make test` are all a newcomer has to know.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

BENCH := .venv-bench

.PHONY: bench-delivery bench-trace bench-turns run test test-unit test-machines check format clean

run: $(READY) ## start the supervisor on examples/swarm with its status view
	@$(BIN)/hive-c0re serve --config examples/swarm/hive.toml

test: $(READY) ## run all tests, one process for each processor
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

test-unit: $(READY) ## run the tests that need neither other programs nor long runs
	$(BIN)/python -m pytest tests/actors tests/wire tests/broker tests/store tests/config

test-machines: $(READY) ## run the tests that start real containers, in a systemd host booted for them
	$(BIN)/python -m tests.testbed

check: $(READY) ## format, lint, types, layers, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lint-imports --config .importlinter.cycles
	$(BIN)/python -m tests.check_docs

format: $(READY) ## apply the formatter and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "hyperhive needs Python 3.11 or newer on PATH (set PYTHON=...)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hyperhive needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[systemd,claude,mcp]' --group dev
	@touch $@

bench-delivery: $(BENCH)/.ready ## measure delivery beside other durable queues
	$(BENCH)/bin/python -m benchmarks.delivery $(ARGS)

bench-trace: $(READY) ## count what one message costs the daemon in calls
	@$(BIN)/python -m benchmarks.trace $(ARGS)

bench-turns: $(READY) ## measure what the harness adds to a turn of Claude Code
	@$(BIN)/python -m benchmarks.turns $(ARGS)

$(BENCH)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group bench
	@touch $@

clean: ## remove what the targets above made
	rm -rf $(VENV) $(BENCH) .mypy_cache .ruff_cache .hypothesis .run
