# All set-up from a clean clone with only Python 3.10 or newer. `make help` lists the targets.
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3.10 python3 python3.14,$(if $(shell $(p) -c 'import sys; print(sys.version_info >= (3, 10) or "")' 2>/dev/null),$(p))))
DEV := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help test test-integrations lint demo portal docs pictures bench lock chromium check-python
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

check-python:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer was found. Install one, or name it: make PYTHON=/path/to/python3 test"; exit 1; }

# The stamp is newer than what it was made from, or the environment is brought up to date.
.make/dev: pyproject.toml azureml-alias/pyproject.toml requirements-dev.lock hatch_build.py | check-python
	$(PYTHON) -m venv .venv
	$(DEV)/python -m pip install --quiet --requirement requirements-dev.lock
	$(DEV)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable ./azureml-alias
	@mkdir -p .make && touch .make/dev

.make/demo: pyproject.toml hatch_build.py $(shell find src azureml-alias portal/src -type f 2>/dev/null | grep -v -e __pycache__ -e server/portal) | check-python
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet '.[demo]' ./azureml-alias
	@mkdir -p .make && touch .make/demo

demo: .make/demo  ## train two real models and watch them live in the portal
	.venv-demo/bin/tracklog demo

lint: .make/dev  ## formatting, types, import directions
	$(DEV)/ruff check
	$(DEV)/ruff format --check
	$(DEV)/mypy
	$(DEV)/lint-imports

portal: .make/dev  ## check and build the web interface
	$(DEV)/python hatch_build.py npm run check
	$(DEV)/python hatch_build.py

docs: .make/dev  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(DEV)/python -m mkdocs build --quiet --strict

chromium: .make/dev
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else $(DEV)/python -m playwright install chromium \
	  || { echo "The portal's tests need Chromium. Install it with your package manager, then run make test again."; exit 1; }; fi

test: .make/dev chromium lint portal  ## everything, installing what the tests need
	$(DEV)/python -m pytest -n 3

# Sources through PYTHONPATH: nothing to build. fastai without what it needs for pictures: a second torch.
SOURCES := PYTHONPATH=$(CURDIR)/src:$(CURDIR)/azureml-alias/src
INTEGRATIONS := $(SOURCES) .venv-integrations/bin/python
.make/integrations: requirements-integrations.txt | check-python
	$(PYTHON) -m venv .venv-integrations .venv-mlflow2
	.venv-integrations/bin/python -m pip install --quiet --requirement requirements-integrations.txt
	.venv-integrations/bin/python -m pip install --quiet --no-deps fastai==2.8.12
	grep --invert-match '==' requirements-integrations.txt >.venv-mlflow2/requirements.txt
	.venv-mlflow2/bin/python -m pip install --quiet --requirement .venv-mlflow2/requirements.txt 'mlflow<3'
	@mkdir -p .make && touch .make/integrations

test-integrations: .make/dev .make/integrations  ## libraries that log through MLflow or Azure ML v1, and the last MLflow 2
	$(INTEGRATIONS) -m pytest -n 2 -p no:cacheprovider tests/integrations
	$(SOURCES) .venv-mlflow2/bin/python -m pytest -n 2 -p no:cacheprovider tests/mlflow --ignore tests/mlflow/test_exchange.py

pictures: .make/dev chromium portal  ## take the documentation's pictures of the portal anew
	PYTHONPATH=$(CURDIR) $(DEV)/python scripts/pictures.py

bench: .make/dev  ## print each measured figure beside its floor
	for script in benchmarks/bench_*.py; do $(DEV)/python $$script || exit 1; done

lock: .make/dev  ## pin what `make test` installs, for every Python and system, in requirements-dev.lock
	$(DEV)/python -m pip install --quiet uv
	$(DEV)/python -m uv pip compile --quiet --universal --python-version 3.10 --upgrade --all-extras --group dev --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' --output-file requirements-dev.lock pyproject.toml
