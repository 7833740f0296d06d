# Everything a person or CI does with this project. `make` prints this help.
# uv does the work; where it is not installed, a private copy is put into .bootstrap by `python3 -m venv` and pip.

UV_VERSION := 0.9
ACTIONLINT := v1.7.12
PYTHON ?= python3
UV := $(or $(shell command -v uv 2>/dev/null),.bootstrap/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
E2E := tests/e2e
PYTEST_FLAGS ?= -n auto --dist worksteal
SECONDS ?= 600
MODULES ?= selector record placement merged overlay policy taking footprint address pipeline outcome memory template
FLOORS := $(addprefix tests/,documents engine formats test_admission.py test_errors.py test_golden.py test_members.py test_messages.py \
	test_validation.py test_workloads.py)

.DEFAULT_GOAL := help
.PHONY: help run test fuzz bench instructions drills check docs picture format golden schema crd chart coverage mutants controlplane judge capture plugin image clean

help: ## print this help
	@printf 'mesh-injector: a Kubernetes sidecar injector\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the main job, from nothing: a real HTTPS webhook answers real AdmissionReviews
	@$(BIN)/mesh-injector demo

test: $(READY) ## all tests; those on a real API server too, where it is built or Go can build it (ten minutes, once)
	@$(BIN)/python $(E2E)/controlplane/build.py --if-able
	$(BIN)/pytest $(PYTEST_FLAGS)

bench: $(READY) ## measure every promise of docs/performance.md, and write its table (ten minutes on an idle machine)
	$(BIN)/python -m benchmarks --write

instructions: $(READY) ## count the instructions of one review, which a busy machine does not change (needs valgrind; five minutes)
	$(BIN)/python -m benchmarks.instructions

drills: controlplane ## two replicas under load, killed, restarted, dead and frozen: DRILLS="burst killed" chooses; prints a table (ten minutes)
	$(BIN)/python -m tests.e2e.drills $(DRILLS)

fuzz: $(READY) ## hostile reviews for as long as one likes: make fuzz SECONDS=600; what it finds is tried first the next time
	@end=$$(($$(date +%s) + $(SECONDS))); while [ "$$(date +%s)" -lt "$$end" ]; do \
		$(BIN)/pytest tests/fuzz -q --hypothesis-profile=fuzz --hypothesis-show-statistics || exit; done

controlplane: $(READY) ## build etcd, API server, controllers, kubectl and helm for the tests (needs Go; KUBERNETES=v1.36 chooses a version)
	$(BIN)/python $(E2E)/controlplane/build.py

judge: controlplane ## try all our checks on a real API server, and write what it refuses and we do not predict to known.yaml
	$(BIN)/pytest $(E2E)/test_judge.py --judge-all -q

capture: controlplane ## write the pods and reviews that a real API server sends anew; then `make golden`, and look at the diff
	$(BIN)/pytest $(E2E)/test_captures.py --update-golden -q

check: $(READY) ## ruff format, ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## build the documentation as a site into dist/site; a link, anchor or page that is missing ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

picture: $(READY) ## draw docs/demo.svg anew, from what the demo shows
	$(BIN)/python scripts/draw_picture.py

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(READY) ## write the golden cases anew; look at the diff before you commit
	$(BIN)/pytest tests/test_golden.py --update-golden -q

crd: $(READY) ## write the CRD anew from the model
	$(BIN)/python scripts/generate_crd.py
	cp crds/*.yaml config/crd/

.PHONY: reference workflows
reference: $(READY) ## write the parts of docs/ that follow from the code: commands, fields, metrics, messages, bounds
	$(BIN)/python -m scripts.generate_reference

chart: $(READY) ## write what the Helm chart takes over from config/ and the CRD, and its table of values
	$(BIN)/python scripts/generate_chart.py

coverage: $(READY) ## branch coverage of the floors without I/O by their own tests and by no chance, which must leave nothing out
	$(BIN)/pytest $(PYTEST_FLAGS) $(FLOORS) --hypothesis-profile=examples --cov --cov-report=term-missing:skip-covered

mutants: $(READY) ## break the engine in small ways and see which its tests overlook; goes on where it was: make mutants MODULES="selector record"
	$(BIN)/python -m scripts.mutants --seconds $(SECONDS) $(MODULES)

schema: $(READY) ## write what we know of Kubernetes anew, pod schema and defaults: make schema VERSION=v1.38.0 (needs Go)
	$(BIN)/python scripts/generate_pod_schema.py $(if $(VERSION),--version $(VERSION))
	$(BIN)/python scripts/generate_pod_defaults.py

workflows: ## lint .github/workflows with actionlint (needs Go)
	go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT)

image: $(READY) ## lint the Dockerfile, carry it out without a container engine, and start `mesh-injector version` in it
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m scripts.rehearse_image version

plugin: $(READY) ## build `kubectl mesh-injector` for krew into dist/: archives with all packages, and the manifest (FLAGS=--all for every platform)
	$(BIN)/python -m scripts.build_plugin $(FLAGS)

clean: ## remove everything that was set up or cached
	rm -rf .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage mutants dist

$(READY): pyproject.toml uv.lock | $(UV)
	@echo 'setting up .venv (once; about a minute when nothing is cached)'
	@$(UV) sync --frozen $(if $(filter command environment,$(firstword $(origin PYTHON))),--python $(PYTHON))
	@touch $@

.bootstrap/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'mesh-injector needs Python 3.11 or newer: make PYTHON=python3.12 …'; exit 1; }
	@echo 'uv is not installed: putting a private copy into .bootstrap'
	@$(PYTHON) -m venv .bootstrap && .bootstrap/bin/pip install --quiet --disable-pip-version-check 'uv>=$(UV_VERSION)'
