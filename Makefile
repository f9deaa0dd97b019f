# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. Both set up what they need.
PYTHON ?= python3.11
VENV := .venv
KESC := $(VENV)/bin/kesc
READY := $(VENV)/.ready

.PHONY: demo test test-fast lint setup clean

setup: $(READY)

$(READY): pyproject.toml requirements/no-deps.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[quickstart,test]'
	$(VENV)/bin/pip install --quiet --no-deps -r requirements/no-deps.txt
	touch $@

demo: $(READY)
	$(KESC) build pipelines/quickstart.yaml
	$(KESC) export pipelines/quickstart.yaml --to build/quickstart-dataset

test: $(READY) lint
	$(VENV)/bin/pytest

test-fast: $(READY) lint
	$(VENV)/bin/pytest -m 'not model and not faults'

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

clean:
	rm -rf build $(VENV)
