# `make` prints the targets. Each installs what it needs into .venv first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Two at a time: what PyPI gives comes in while Debian's package does.
MAKEFLAGS += --no-print-directory -j2
.DEFAULT_GOAL := help
.PHONY: help demo test coverage soak lint bench docs screenshots chromium

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf 'make %-11s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.installed ## try it: sandbox, sync, worker and web admin on this machine (ARGS=--once: stop after the first sync)
	@$(BIN)/mainstem demo $(ARGS)

test: $(VENV)/.installed-test chromium ## run all tests: both databases, Valkey, workers, browser (ARGS: options of pytest)
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

coverage: $(VENV)/.installed-test chromium ## run all tests and see that they run 90 % of core and plugins; takes half as long again
	@$(BIN)/pytest -n auto --dist worksteal --cov --cov-report=term $(ARGS)

soak: $(VENV)/.installed-test ## kill and cut off everything again and again, then prove that nothing was lost (ARGS="--minutes 10 --seed 7")
	@$(BIN)/python -m tests.faults.soak $(ARGS)

lint: $(VENV)/.installed-test ## check format, style, types, import directions and templates
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@find core plugins -name '*.html' | xargs -r $(BIN)/djlint --lint --quiet

bench: $(VENV)/.installed-test ## run the benchmarks: one JSON line per figure
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.installed-test ## build the documentation, check its links and examples
	@$(BIN)/python docs/generate_hooks.py
	@$(BIN)/python -m docs $(ARGS)

screenshots: $(VENV)/.installed-test chromium ## write a picture of every page of the admin (ARGS: folder, screenshots/ by default)
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

# uv installs in seconds what takes pip half a minute; where it cannot be had or fails, pip does it.
install = { $(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '$(1)'; } \
	|| $(BIN)/python -m pip install --quiet --editable '$(1)'

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Mainstem needs Python 3.11 to 3.13: name one, make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv is missing: apt-get install -y make python3-venv" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: setup.py pyproject.toml | $(VENV)/.made
	@echo "Installing Mainstem into $(VENV)"
	@$(call install,.)
	@touch $@

$(VENV)/.installed-test: setup.py pyproject.toml | $(VENV)/.made
	@echo "Installing Mainstem and its test tools into $(VENV)"
	@$(call install,.[test])
	@touch $(VENV)/.installed $@

# The shell of it that knows no windows is half the size, and takes less of the processor.
HEADLESS := chromium-headless-shell
APT_CHROMIUM := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(HEADLESS)

chromium:
	@if { command -v "$${CHROMIUM:-$(HEADLESS)}" || command -v chromium || command -v google-chrome; } >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ]; then echo "Installing Chromium"; { $(APT_CHROMIUM); } >/dev/null; \
	elif sudo -n true 2>/dev/null; then echo "Installing Chromium"; sudo sh -c '$(APT_CHROMIUM)' >/dev/null; \
	else echo "The browser tests need Chromium: as root, apt-get install -y --no-install-recommends $(HEADLESS); or set CHROMIUM to a program" >&2; exit 1; fi
