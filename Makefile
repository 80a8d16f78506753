# Every target sets up what it needs. `make run` and `make test` are all a newcomer has to know.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the example needs: an eighth of what the tests need. Of that, Python compiles what it imports.
RUN_READY := $(VENV)/.run-ready

BENCH := .venv-bench
LOWEST := .venv-lowest
# What touches each library: enough to see that a floor of pyproject.toml is true, in a minute.
LOWEST_TESTS := tests/config tests/cli/test_cli_help.py tests/systemd/test_container_dbus.py \
	tests/mcp/test_mcp_server.py tests/mcp/test_request_lines.py tests/mcp/test_channel.py \
	tests/claude/test_claude_sdk_client.py tests/claude/test_claude_launch.py tests/claude/test_claude_driver.py \
	tests/top/test_top_keys.py tests/top/test_top_parts.py tests/web/test_guard.py tests/web/test_rendering.py \
	tests/web/test_passkeys.py tests/web/test_push_sending.py tests/web/test_web_settings.py

.PHONY: bench-dashboard bench-delivery bench-deploys bench-scale bench-top bench-trace bench-turns bench-estop bench-verbs run test test-unit test-lowest test-machines test-installing test-adversary check dist release-check format clean

run: $(RUN_READY) ## start the supervisor on examples/swarm with its interactive view and its dashboard, all in .venv and .run
	@examples/run $(BIN)

# Tests with real processes have deadlines, and whoever runs them shares the machine. So what failed
# beside others runs once more, alone. What fails only in the first run is a fault too: it is listed.
test: $(READY) ## run all tests, in one process more than processors; once more what failed
	@$(BIN)/python -m tests.whole_run

test-unit: $(READY) ## run the tests that need neither other programs nor long runs
	$(BIN)/python -m pytest tests/actors tests/wire tests/broker tests/store tests/config

test-lowest: $(LOWEST)/.ready ## run the tests of what libraries are used for, with the oldest that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest -n auto $(LOWEST_TESTS)

test-machines: $(READY) ## run the tests that start real containers, in systemd hosts booted for them
	$(BIN)/python -m tests.testbed

test-installing: $(READY) ## run docs/installing.md as written in a fresh Debian, as root; takes minutes and a mirror
	HYPERHIVE_TEST_INSTALLING=1 $(BIN)/python -m pytest -s tests/installing

test-adversary: $(READY) ## let one hostile agent attack with each verb for half a minute, and print what it cost the others
	@$(BIN)/python -m tests.adversary $(ARGS)

check: $(READY) ## format, lint, types, layers, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lint-imports --config .importlinter.cycles
	$(BIN)/python -m tests.check_docs

dist: $(READY) ## build the archives of a release in dist, and try them in a fresh environment
	@$(BIN)/python -m tests.release

release-check: $(READY) ## make dist, examine what a release is made of, and print what is left to do by hand
	@$(BIN)/python -m tests.release --release

format: $(READY) ## apply the formatter and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(RUN_READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "hyperhive needs Python 3.11 or newer on PATH (set PYTHON=...)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hyperhive needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[tui,web]'
	@touch $@

$(READY): $(RUN_READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[systemd,claude,mcp,otel,tui,web]' --group dev
	@-$(BIN)/python -m compileall -q $(VENV)/lib
	@touch $@

bench-dashboard: $(READY) ## measure what open pages of the dashboard cost the daemon
	@$(BIN)/python -m benchmarks.dashboard $(ARGS)

bench-delivery: $(BENCH)/.ready ## measure delivery beside other durable queues
	$(BENCH)/bin/python -m benchmarks.delivery $(ARGS)

bench-deploys: $(READY) ## measure a deploy from its approval to a healthy agent
	@$(BIN)/python -m benchmarks.deploys $(ARGS)

bench-scale: $(READY) ## measure the start, the status and the end of many agents
	@$(BIN)/python -m benchmarks.scale $(ARGS)

bench-trace: $(READY) ## count what one message costs the daemon in calls
	@$(BIN)/python -m benchmarks.trace $(ARGS)

bench-estop: $(READY) ## measure an emergency stop of many agents
	@$(BIN)/python -m benchmarks.estop $(ARGS)

bench-top: $(READY) ## measure what the interactive view costs
	@$(BIN)/python -m benchmarks.top $(ARGS)

bench-turns: $(READY) ## measure what the harness adds to a turn of Claude Code
	@$(BIN)/python -m benchmarks.turns $(ARGS)

bench-verbs: $(READY) ## measure the most used verbs beside an empty Python
	@$(BIN)/python -m benchmarks.verbs $(ARGS)

$(BENCH)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group bench
	@touch $@

$(LOWEST)/.ready: pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --compile-bytecode --resolution lowest-direct --editable '.[systemd,claude,mcp,tui,web]' --group test
	@touch $@

clean: ## remove what the targets above made
	rm -rf $(VENV) $(BENCH) $(LOWEST) .mypy_cache .ruff_cache .hypothesis .run .run-web build dist
