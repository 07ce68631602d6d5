SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench lock clean
BIN := .venv/bin
READY := .venv/ready

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 14

demo: $(READY) ## see the product do its job on the embedded tape; no key, no network
	@$(BIN)/orderflow demo

test: $(READY) ## run the tests; ORDER_FLOW_REAL_DATA names the folder of the real tapes
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadgroup $(ARGS)

lint: $(READY) ## ruff, mypy --strict and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict flows operators sinks
	@$(BIN)/lint-imports

bench: $(READY) .venv/bench ## run the side-by-side benchmarks: a table here, JSON in benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## resolve the pinned versions again (needs uv)
	@uv pip compile --quiet --generate-hashes --universal --fork-strategy fewest --no-header --no-annotate \
	  --upgrade --extra dev pyproject.toml --output-file requirements.lock
	@echo polars | uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate \
	  --upgrade --python-version 3.11 - --output-file requirements-bench.lock

clean: ## remove the virtual environment and the caches, not data/
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python counts only if it can make a virtual environment: Debian's may lack ensurepip.
$(READY): requirements.lock
	@python=$$(for p in $(PYTHON) python3.12 python3.11 python3 python; do \
	  "$$p" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	    >/dev/null 2>&1 && echo "$$p" && break; done); \
	if [ -z "$$python" ]; then \
	  echo "orderflow needs Python 3.11 or 3.12 with its venv module: install one, or name it with make PYTHON=<path>." >&2; \
	  exit 1; \
	fi; \
	echo "making .venv with $$python (once, about a minute)" >&2; \
	rm -rf .venv && "$$python" -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bench: requirements-bench.lock $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-bench.lock
	@touch $@
