# `make help` lists the targets. Works with GNU make 3.81 (macOS) and later.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOKS := notebooks
WORKERS ?= 2
BENCHMARKS ?= $(filter-out common,$(basename $(notdir $(wildcard benchmarks/*.py))))

# Idle OpenMP threads are to sleep; as textclf_lesson does, here also for kernels whose first cell imports something else.
# Whoever has set one of them means something by it.
ifeq ($(OMP_WAIT_POLICY)$(GOMP_SPINCOUNT)$(KMP_BLOCKTIME),)
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0
export KMP_BLOCKTIME := 0
endif

# The first interpreter that the course runs on; `make setup PYTHON=/path/to/python3.12` chooses another.
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(FITS)' 2>/dev/null && { echo $$p; break; }; done)
TORCH = $(shell sed -n 's/^\(torch==[^ ;]*\).*/\1/p' requirements.lock)
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help setup fetch course test lab notebooks exercises book handouts slides bench remade lock lint clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo 'LESSONS="00 02" narrows course, notebooks, exercises, handouts and slides; TEXTCLF_HOME=DIR keeps the data elsewhere.'

setup: $(READY)  ## make the environment in .venv (a second time: nothing to do)
	@echo "The environment is ready: $(VENV)"

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(FITS)' 2>/dev/null || { \
		echo "This course needs Python 3.11, 3.12 or 3.13, and none is on the PATH." \
			"Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV) || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: its venv module is incomplete." \
			"On Debian and Ubuntu: apt install python3-venv. Then run make again." >&2; exit 1; }
	@echo "Installing $(TORCH) ..."
	@$(PIP) install "$(TORCH)"
	@echo "Installing the other packages of requirements.lock (a minute or two) ..."
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $(READY)

fetch: $(READY)
	@$(BIN)/textclf fetch $(foreach lesson,$(LESSONS),--lesson $(lesson))

course: fetch  ## fetch the data, run the lessons, write build/lessons/
	@$(BIN)/textclf run $(LESSONS)

# The notebooks' data, and what only the tests of a loader use: with the network cut, nothing is fetched at first use.
# Files run in their order, not those with many tests first: long ones come early, so that no worker is left with one at
# the end. The limits (seconds, for a cell and for the start of its kernel) only end what hangs: no machine is so slow.
test: $(READY)  ## run every test, every notebook among them, with the network cut
	@$(BIN)/textclf fetch
	@$(BIN)/textclf fetch disaster russian-senses chinese-reviews movie-reviews e5-small-multilingual
	@$(BIN)/python -m tools.slides --fetch || echo "So the tests do not open the slides in a browser."
	@$(BIN)/python -m pytest $(NOTEBOOKS) solutions tests --nbval \
		--nbval-sanitize-with tests/notebooks/sanitize.cfg --nbval-cell-timeout 36000 \
		--nbval-kernel-startup-timeout 1800 -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lab: $(READY)  ## make or open your working copy (~/textclf-course) in JupyterLab
	@$(BIN)/textclf start $(firstword $(LESSONS))

notebooks: $(READY)  ## for authors: run and store the notebooks, their times and the README's table
	@$(BIN)/textclf fetch
	@$(BIN)/python tools/notebooks.py $(LESSONS)
	@$(BIN)/python -m tools.teaching

exercises: $(READY)  ## for authors: run and store the solutions, and write exercises/ from them
	@$(BIN)/textclf fetch
	@$(BIN)/python -m tools.exercises $(LESSONS)

# The outputs are the stored ones: nothing is run. FOR=instructors adds the answers, in a folder of its own.
book: $(READY)  ## the lessons as a web book: build/book/ (FOR=instructors: with the answers)
	@$(BIN)/python -m tools.book $(if $(FOR),--for $(FOR))

handouts: $(READY)  ## exercises and recaps as PDF: build/handouts/
	@$(BIN)/python -m tools.handouts $(LESSONS)

slides: $(READY)  ## talks for the front of a room, in build/slides/ (LESSONS="05"; reveal.js comes from npm once)
	@$(BIN)/python -m tools.slides $(LESSONS)

bench: $(READY)  ## for authors: measure speed side by side (an hour); docs/benchmarks.md
	@$(BIN)/textclf fetch
	@for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done
	@$(BIN)/python tools/benchmarks.py

remade: $(READY)  ## for authors: make the shared classifiers anew, three seeds each (hours), and compare
	@$(BIN)/textclf fetch
	@$(BIN)/textclf fetch movie-reviews
	@$(BIN)/python -m studies.shared

# A throw-away environment for the resolver, so that it is no part of what it resolves. Keeps the pins that still fit;
# `make lock UPGRADE=--upgrade` takes the newest. torch goes first: whoever installs line by line gets the pinned one.
lock:  ## for authors: resolve requirements.lock anew from pyproject.toml
	@mkdir -p build
	@test -x build/uv/bin/uv || { "$(PYTHON)" -m venv build/uv && build/uv/bin/python -m pip install --quiet uv; }
	@cp requirements.lock build/resolved.txt 2>/dev/null || true
	@build/uv/bin/uv pip compile --quiet --universal --fork-strategy fewest --annotation-style line --no-header \
		$(UPGRADE) --extra dev pyproject.toml -o build/resolved.txt
	@{ echo "# Made by make lock from pyproject.toml, for Linux, macOS and Windows, Python 3.11 to 3.13."; \
		grep '^torch==' build/resolved.txt; grep -v '^torch==' build/resolved.txt; } > build/requirements.lock
	@mv build/requirements.lock requirements.lock
	@echo "requirements.lock: `grep -c '==' requirements.lock` packages"

lint: $(READY)  ## ruff, and whether README, times, notebooks and exercises agree
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tools/notebooks.py --check
	@$(BIN)/python -m tools.exercises --check
	@$(BIN)/python -m tools.glossary --check
	@$(BIN)/python -m tools.book --check
	@$(BIN)/python -m tools.test_looks --check
	@$(BIN)/python -m tools.hub --check
	@$(BIN)/python -m tools.slides --check
	@$(BIN)/python -m tools.teaching --check

clean:  ## remove .venv and build/ (the fetched data stays; textclf fetch --list says where)
	rm -rf $(VENV) build
