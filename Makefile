# Watchkeeper: everything here is also what CI calls.  Needs make and Python >= 3.11 with venv, nothing else.
SHELL := /bin/sh
PYTHON := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1; \
	then echo $$p; break; fi; done)
VENV := .venv
# Before 3.13, a Python in an ASCII locale does not start where the path of this folder has other letters.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif
# A machine that forbids byte code would compile every library anew in each of our dozen processes.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
# pip reads the index and unpacks one package after the other, and compiles on one core: four share what a lock file
# names.  The one that would replace pip itself comes last.
# Compiled when they are imported: of most of them little is, by one process at a time.
SELDOM_IMPORTED = tests|cloudcoil|debugpy|django|docker|graphql|mypy|mypyc|pip|pkg_resources|schemathesis|setuptools
INSTALL_PART = $(PIP) install --no-deps --no-compile --require-hashes -r $(VENV)/part$(1).lock
INSTALL = rm -f $(VENV)/part*.lock && \
	awk '/^[a-z0-9]/ {part = /^pip==/ ? "-pip" : n++ % 4} {print > "$(VENV)/part" part ".lock"}' requirements/$(1).lock && \
	{ started=; for part in 0 1 2 3; do $(call INSTALL_PART,$$part) & started="$$started $$!"; done; \
	for one in $$started; do wait $$one || exit 1; done; } && \
	{ ! test -e $(VENV)/part-pip.lock || $(call INSTALL_PART,-pip); } && $(PIP) check && \
	{ $(BIN)/python -W ignore -m compileall -qq -x '/($(SELDOM_IMPORTED))/' -j 0 $(VENV)/lib || true; }

# From an edited row to a finished run and a sent notice; people at the console.
WHOLE_PATH := tests/e2e/test_row_to_run.py tests/e2e/test_fourth_watch.py tests/e2e/test_many_slots.py \
	tests/e2e/test_workers_share_demand.py tests/e2e/test_notice_latency.py tests/integration/test_console_writes.py

.DEFAULT_GOAL := help
.PHONY: help run test lint check idle-time chaos-minute stock stock-tests stock-burst whole-path audit engine-test fuzz history bench chaos docs env psql schema screens lock clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/.run ## the whole system on this machine, with imitation upstreams (Ctrl-C ends it)
	@$(BIN)/python -m sandbox run

test: $(VENV)/.dev ## the tests, on servers of their own
	@$(BIN)/python -m pytest -q -n 5 --dist worksteal -m "not chaos and not engine"

lint: $(VENV)/.dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

# Lint and audit take the time in which all tests wait, and none of theirs; chaos waits most of its minute.
check: $(VENV)/.dev ## what CI runs: tests, lint, audit, a minute of chaos, beat on the Postgres that STOCK names
	@$(MAKE) --no-print-directory -j 2 test idle-time
	@$(MAKE) --no-print-directory -j 2 chaos-minute $(if $(STOCK),stock-tests)

idle-time:
	@nice -n 19 $(MAKE) --no-print-directory lint audit

# Two sessions of pytest at once, each of which lists and clears the folder of its temporary files.
OWN_TEMPORARY = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && PYTEST_DEBUG_TEMPROOT=$$folder

chaos-minute: $(VENV)/.dev ## a minute of kills and restarts, with 1 slot and with 16
	@$(OWN_TEMPORARY) $(BIN)/python -m pytest -q -n 2 tests/faults/test_chaos.py -k "minute and not promise_with"

stock: stock-tests stock-burst ## beat on another Postgres: STOCK=/usr/lib/postgresql/15/bin

# WATCHKEEPER_TEST_POSTGRES would be for all tests.
STOCK ?= $(WATCHKEEPER_TEST_POSTGRES)
stock-tests: $(VENV)/.dev
	@test -n "$(STOCK)" || { echo "STOCK names no folder"; exit 1; }
	@$(OWN_TEMPORARY) WATCHKEEPER_TEST_POSTGRES=$(STOCK) $(BIN)/python -m pytest -q -n 4 --dist worksteal tests/integration/test_query_plans.py \
	tests/integration/test_beat_*.py tests/integration/test_advisory_locks_and_notify.py

stock-burst: $(VENV)/.dev
	@WATCHKEEPER_TEST_POSTGRES=$(STOCK) $(BIN)/python tests/bench/bench_burst.py --short --postgres $(STOCK)

whole-path: $(VENV)/.dev ## the whole path and a minute of chaos on other servers: PG=pgbouncer, REDIS=sentinel or a program
	@WATCHKEEPER_TEST_POOLER=$(PG) WATCHKEEPER_TEST_SENTINEL=$(filter sentinel,$(REDIS)) \
	WATCHKEEPER_TEST_REDIS=$(filter-out sentinel valkey,$(REDIS)) \
	sh -c '$(BIN)/python -m pytest -q $(WHOLE_PATH) && $(BIN)/python tests/faults/chaos.py --minutes 1 --seed 1'

audit: $(VENV)/.dev ## the image's SBOM, and known vulnerabilities of what is in it, into .audit/
	@$(BIN)/python .ci/audit.py .audit

chaos: $(VENV)/.dev ## kills, restarts, wrong clocks, and each safety rule broken on purpose
	@$(BIN)/python -m pytest -q tests/faults

engine-test: $(VENV)/.dev ## compose on a real container engine: needs root, Debian and 25 minutes
	@WATCHKEEPER_ENGINE_TEST=1 $(BIN)/python -m pytest -v -s -p no:randomly -x tests/engine

fuzz: $(VENV)/.dev ## 100,000 mutated answers of each upstream
	@WATCHKEEPER_FUZZ=100000 $(BIN)/python -m pytest -q tests/unit -k mutated --timeout 3600

history: $(VENV)/.dev ## costs with 1 M runs and 5 M permits of history beside those of a small database
	@$(BIN)/python tests/bench/bench_history.py

bench: $(VENV)/.dev ## figures, one JSON object a line
	@for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench || exit 1; done

docs: $(VENV)/.dev ## write docs/reference anew from the code, and build the pages into site/
	@$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

env: ## write .env and secrets/ with generated passwords for docker compose
	@deploy/make-env

psql: $(VENV)/.run ## psql on the running sandbox, else on a temporary one
	@$(BIN)/python -m sandbox psql

screens: $(VENV)/.dev ## write the golden screens of the commands anew, their JSON and their refusals in docs/reference
	@WATCHKEEPER_UPDATE_SCREENS=1 $(BIN)/python -m pytest -q tests/integration/test_screens.py tests/integration/test_refusals_of_commands.py

schema: $(VENV)/.run ## write alembic/schema.sql anew, after a migration
	@$(BIN)/python -m sandbox schema

lock: $(VENV)/.dev ## renew the lock files
	@$(PIP) install uv
	@set -e; for spec in "production:--group build" "browser:--extra browser --group build" "calendars:--extra calendars --group build" "run:--extra sandbox --group build" "dev:--extra sandbox --extra calendars --extra apprise --extra browser --group build --group docs --group dev"; do \
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	pyproject.toml $${spec#*:} -o requirements/$${spec%%:*}.lock; done

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 with venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.lock pyproject.toml
	@test -e $(VENV)/.dev || { echo "installing …"; $(call INSTALL,run); }
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.lock pyproject.toml
	@echo "installing …"; $(call INSTALL,dev)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

clean: ## forget the virtual environment and the sandbox's data
	@rm -rf $(VENV) .sandbox
