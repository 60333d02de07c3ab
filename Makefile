# `make demo` and `make test` set up everything they need in .venv and then run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OPENCODE_VERSION := 1.18.33
COUNT := 100
NAMES := 1000000
MINUTES := 30
SEED :=
FAULTS := slice
OPENCODE := .cache/opencode/node_modules/.bin/opencode
# Each with the version that docs/how-to/agents.md and tests/agents/programs.py name.
AGENTS := claude=@anthropic-ai/claude-code@2.1.197 codex=@openai/codex@0.171.0 gemini=@google/gemini-cli@0.61.0 \
	opencode=opencode-ai@$(OPENCODE_VERSION)

.DEFAULT_GOAL := help
.PHONY: help demo docs reference picture test check bench opencode agents agents-slice mounts torture models faults soak fuzz format mutants clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | column -t -s '	'

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("wf needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	touch $(READY)

demo: $(READY) ## a whole epic on two worker pools, with scripted agents and a worker killed on the way
	$(BIN)/wf demo $(DEMO_ARGS)

test: $(READY) ## the test suite (without the real OpenCode)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal -m "not opencode and not agents and not mounts and not torture and not soak and not faults" $(TEST_ARGS)

check: $(READY) ## ruff, mypy --strict, import layers, who opens files, who calls git
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/support/check_opens.py
	$(BIN)/python tests/support/check_git.py

docs: $(READY) ## the documentation as a site in site/, its links and anchors checked; nothing is loaded from elsewhere
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	$(BIN)/python docs/site_tools/check_site.py site

reference: $(READY) ## write the pages of docs/reference that are made from the program
	$(BIN)/python docs/site_tools/reference.py

picture: $(READY) ## record wf demo as the picture of README
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python docs/site_tools/picture.py docs/images/demo.svg wf demo

bench: $(READY) ## figures, each beside its floor in the same run; all of them are written to docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m benchmarks $(or $(BENCH_ARGS),--write docs/performance.md)

$(OPENCODE):
	npm install --no-audit --no-fund --silent --prefix .cache/opencode opencode-ai@$(OPENCODE_VERSION)

opencode: $(READY) $(OPENCODE) ## the end-to-end tests that drive the real OpenCode (needs npm)
	WF_TEST_OPENCODE=$(abspath $(OPENCODE)) $(BIN)/python -m pytest -n 2 --dist worksteal -m opencode $(TEST_ARGS)

.cache/agents/.ready: Makefile
	set -e; for one in $(AGENTS); do \
		npm install --no-audit --no-fund --silent --prefix .cache/agents/$${one%%=*} $${one#*=} || \
		echo "SKIPPED, LOUDLY: npm could not install $${one#*=}, so it is not driven." >&2; done
	touch $@

agents: $(READY) .cache/agents/.ready ## Claude Code, Codex, Gemini CLI and OpenCode from npm under real workers, with a scripted model
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs -m agents tests/agents $(TEST_ARGS)

agents-slice: $(READY) .cache/agents/.ready ## the part of it that .ci/run runs
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs -m "agents and slice" tests/agents $(TEST_ARGS)

mounts: $(READY) ## two hosts on sshfs, GlusterFS, NFS and SMB, with kills and outages (as root; needs their packages)
	$(BIN)/python -m pytest -s -rs -m mounts tests/mounts $(TEST_ARGS)

torture: $(READY) ## the power fails at every change that real commands make on a disk (FUSE; as root)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group torture
	$(BIN)/python -m pytest -rs -m torture tests/torture $(TEST_ARGS)

models: $(READY) ## the model of synced folders in its largest worlds (minutes)
	$(BIN)/python -m pytest -rs -m torture tests/model $(TEST_ARGS)

faults: $(READY) ## a full disk, no descriptors, a stepped clock, a deleted spool, ... under a real worker; FAULTS=all for plans, too
	WF_FAULTS=$(FAULTS) $(BIN)/python -m pytest -n 2 --dist worksteal -rs -m faults tests/faults $(TEST_ARGS)

soak: $(READY) ## MINUTES of work while everything is killed at random; SEED=N does the same again
	WF_SOAK_MINUTES=$(MINUTES) WF_SOAK_SEED=$(SEED) $(BIN)/python -m pytest -q -s -m soak tests/soak $(TEST_ARGS)

format: $(READY) ## reformat
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

fuzz: $(READY) ## NAMES hostile names and contents in every folder of a spool, by SEED
	cd tests && nice ../$(BIN)/python -m fuzz.run --names $(NAMES) --seed $(or $(SEED),1)

mutants: $(READY) ## mutation score of contract, spool, queue, attempt, planjobs from COUNT mutants drawn by a seed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group mutants
	nice $(BIN)/python tests/support/mutants.py --count $(COUNT) $(MUTANTS)

clean: ## remove what make made
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache dist mutants site
