# Everything runs from .venv; nothing is installed outside it. Paths are relative, so the clone may lie anywhere.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv python demo static check test bench site format clean

STAMP := .venv/.stamp
PYTEST := .venv/bin/pytest -q -n auto

# $(call quietly,command) shows the command's output only when it fails; $(call step,name,command) names what passed.
quietly = out=$$($(1) 2>&1) || { printf '%s\n' "$$out"; exit 1; }
step = @$(call quietly,$(2)); echo "$(1): ok"

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r name text; do printf '%-8s %s\n' "$$name" "$$text"; done

venv: $(STAMP) ## make .venv, or bring it up to date when pyproject.toml has changed
	@:

demo: venv ## run the explore scenario on this repository
	@.venv/bin/fleetlog run explore --workspace .

check: static ## format, lint, import contracts, types, fast tests
	@$(PYTEST) -m 'not slow'

test: static ## everything: what check does, and the slow tests
	@$(PYTEST)

bench: venv ## print the table of benchmarks
	@.venv/bin/python benchmarks/table.py

site: venv ## build the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

format: venv ## sort imports and format the code
	@.venv/bin/ruff check --quiet --select I --fix-only .
	@.venv/bin/ruff format --quiet .

clean: ## remove caches and build output (.venv and .fleetlog stay)
	@rm -rf build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	@find . \( -name .venv -o -name .git -o -name .fleetlog \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

static: venv
	$(call step,format,.venv/bin/ruff format --check .)
	$(call step,lint,.venv/bin/ruff check .)
	$(call step,import contracts,.venv/bin/lint-imports --no-logo)
	$(call step,types,.venv/bin/mypy)

# A .venv whose python no longer starts (its base was removed) is made anew.
$(STAMP): pyproject.toml
	@python=$$($(MAKE) python) || exit 1; \
	if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then \
		echo "making .venv with $$python"; \
		"$$python" -m venv --clear .venv || exit 1; \
	fi
	@$(call quietly,.venv/bin/python -m pip install --disable-pip-version-check --editable '.[dev]')
	@touch $@

# Prints the first python that is new enough and can make a venv. `command -v` is not enough: a pyenv shim may be dead.
python:
	@bare=; \
	for python in python3.14 python3.13 python3.12 python3.11 python3; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && { echo "$$python"; exit 0; }; \
		bare=$${bare:-$$python}; \
	done; \
	if [ "$$bare" ]; then \
		echo "fleetlog: $$bare cannot make virtual environments: its venv module is missing" \
			"(on Debian or Ubuntu: apt-get install python3-venv)." >&2; \
	else \
		echo "fleetlog needs Python 3.11 or newer: found none of python3.14, python3.13, python3.12, python3.11," \
			"and python3 is $$(python3 --version 2>/dev/null || echo missing)." >&2; \
	fi; \
	exit 1
