# affekt: `make` lists what can be made. Any Python from 3.10 to 3.13 will do; choose another
# with `make demo PYTHON=/path/to/python3.12`.

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-matrix test-avx2 lint bench bench-edge tables litert mediapipe test-litert clean python
.DELETE_ON_ERROR:

DEMO_ENV := .venv-demo
TEST_ENV := .venv-test
DOCS_ENV := .venv-docs
AVX2_ENV := .venv-avx2
LITERT_ENV := .venv-litert
MEDIAPIPE_ENV := .venv-mediapipe
# Where an environment keeps its programs.
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
SOURCES := $(shell find src -type f -not -name '*.pyc')
DATA ?= $(or $(AFFEKT_DATA),../shared/data)
# Test files are dealt out to so many processes, with one thread each. One that crashes ends the
# run: dealing its files out anew can wait for ever.
TEST_JOBS ?= 2
PYTEST_ARGS ?=

# The newest Python that really starts: a version manager's shim may be on the path and not work.
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3.10 python3 python; do \
	$$p -c '$(SUITABLE)' >/dev/null 2>&1 && { command -v $$p; break; }; done)
endif

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO_ENV)/.ready ## predict recordings in a new environment with the base install
	@$(DEMO_ENV)/$(BIN)/affekt demo --data "$(DATA)"

# Not --quiet: it also hides from --strict what it counts.
docs: $(DOCS_ENV)/.ready ## write the pages as a site, and check every link: build/site/
	@NO_MKDOCS_2_WARNING=1 $(DOCS_ENV)/$(BIN)/mkdocs build --strict
	@echo "To read it: $(DOCS_ENV)/$(BIN)/python -m http.server --directory build/site"

test: $(TEST_ENV)/.ready ## run the tests (those on real corpora need AFFEKT_DATA or ../shared/data)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(TEST_ENV)/$(BIN)/python -m pytest \
		-n $(TEST_JOBS) --dist loadfile --max-worker-restart 0 $(PYTEST_ARGS)

test-matrix: ## run the base install's tests on Python 3.10 to 3.13, with the lowest and the newest versions
	@.ci/matrix

# What asks the processor itself is changed; the others read variables.
test-avx2: ## run the tests with the kernels of a processor with AVX2 alone, on one with AVX-512
	@$(MAKE) --no-print-directory TEST_ENV=$(AVX2_ENV) $(AVX2_ENV)/.ready
	@$(AVX2_ENV)/bin/python benchmarks/avx2_kernels.py $(AVX2_ENV)/bin/python
	@NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR" ATEN_CPU_CAPABILITY=avx2 \
		ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell TORCHINDUCTOR_CPP_MARCH=haswell \
		$(MAKE) --no-print-directory TEST_ENV=$(AVX2_ENV) test

litert: $(LITERT_ENV)/.ready ## prepare the converter to LiteRT (2 GB): .venv-litert/bin/affekt export --to litert

mediapipe: $(MEDIAPIPE_ENV)/.ready ## prepare MediaPipe, for the test that its audio classifier answers alike

test-litert: $(LITERT_ENV)/.ready ## convert to LiteRT and run what comes out, with MediaPipe where it is prepared
	@MEDIAPIPE_PYTHON=$(wildcard $(MEDIAPIPE_ENV)/$(BIN)/python) $(LITERT_ENV)/$(BIN)/python -m pytest tests/export/targets/test_litert.py $(PYTEST_ARGS)

lint: $(TEST_ENV)/.ready ## ruff, formatting, layers, and mypy in strict mode
	@$(TEST_ENV)/$(BIN)/ruff check .
	@$(TEST_ENV)/$(BIN)/ruff format --check .
	@$(TEST_ENV)/$(BIN)/lint-imports
	@$(TEST_ENV)/$(BIN)/mypy

bench: $(TEST_ENV)/.bench ## measure speed and robustness, then write the tables again
	@$(TEST_ENV)/$(BIN)/python benchmarks/speed.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/latency.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/startup.py
	@$(TEST_ENV)/$(BIN)/python benchmarks/features.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/augment.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/robustness.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/domain.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/serve.py
	@$(TEST_ENV)/$(BIN)/python benchmarks/attack.py
	@$(TEST_ENV)/$(BIN)/python benchmarks/realtime.py --data "$(DATA)"
	@$(TEST_ENV)/$(BIN)/python benchmarks/known_course.py --data "$(DATA)"
	@$(MAKE) --no-print-directory tables

bench-edge: $(LITERT_ENV)/.ready ## measure every export, beside what else a small device could run
	@$(LITERT_ENV)/$(BIN)/pip install --quiet librosa==0.11.0
	@$(LITERT_ENV)/$(BIN)/python benchmarks/edge.py --data "$(DATA)"
	@$(LITERT_ENV)/$(BIN)/python benchmarks/prune.py --data "$(DATA)"

tables: $(TEST_ENV)/.ready ## write tables and pictures of docs/ again from benchmarks/
	@$(TEST_ENV)/$(BIN)/python benchmarks/pages.py
	@test ! -f benchmarks/results/architectures.json || $(TEST_ENV)/$(BIN)/python benchmarks/architectures.py --table-only
	@test ! -f benchmarks/results/speed.json || $(TEST_ENV)/$(BIN)/python benchmarks/speed.py --table-only
	@test ! -f benchmarks/results/startup.json || $(TEST_ENV)/$(BIN)/python benchmarks/startup.py --table-only
	@test ! -f benchmarks/results/latency.json || $(TEST_ENV)/$(BIN)/python benchmarks/latency.py --table-only
	@test ! -f benchmarks/results/devices.json || $(TEST_ENV)/$(BIN)/python benchmarks/devices.py --table-only
	@test ! -f benchmarks/results/edge.json || $(TEST_ENV)/$(BIN)/python benchmarks/edge.py --table-only
	@test ! -f benchmarks/results/processors.json || $(TEST_ENV)/$(BIN)/python benchmarks/processors.py --table-only
	@test ! -f benchmarks/results/prune.json || $(TEST_ENV)/$(BIN)/python benchmarks/prune.py --table-only
	@test ! -f benchmarks/results/features.json || $(TEST_ENV)/$(BIN)/python benchmarks/features.py --table-only
	@test ! -f benchmarks/results/robustness.json || $(TEST_ENV)/$(BIN)/python benchmarks/robustness.py --table-only
	@test ! -f benchmarks/results/unseen.json || $(TEST_ENV)/$(BIN)/python benchmarks/unseen.py --table-only
	@test ! -f benchmarks/results/fusion.json || $(TEST_ENV)/$(BIN)/python benchmarks/fusion.py --table-only
	@test ! -f benchmarks/results/text_model.json || $(TEST_ENV)/$(BIN)/python benchmarks/text_model.py --table-only
	@test ! -f benchmarks/results/raters.json || $(TEST_ENV)/$(BIN)/python benchmarks/raters.py --table-only
	@test ! -f benchmarks/results/dimensions.json || $(TEST_ENV)/bin/python benchmarks/dimensions.py --table-only
	@test ! -f benchmarks/results/adaptation.json || $(TEST_ENV)/$(BIN)/python benchmarks/adaptation.py --table-only
	@test ! -f benchmarks/results/few_examples.json || $(TEST_ENV)/$(BIN)/python benchmarks/few_examples.py --table-only
	@test ! -f benchmarks/results/realtime.json || $(TEST_ENV)/$(BIN)/python benchmarks/realtime.py --table-only
	@test ! -f benchmarks/results/monitoring.json || $(TEST_ENV)/$(BIN)/python benchmarks/monitoring.py --table-only
	@test ! -f benchmarks/results/known_course.json || $(TEST_ENV)/$(BIN)/python benchmarks/known_course.py --table-only
	@test ! -f benchmarks/results/domain.json || $(TEST_ENV)/$(BIN)/python benchmarks/domain.py --table-only
	@test ! -f benchmarks/results/frontends.json || $(TEST_ENV)/$(BIN)/python benchmarks/frontends.py --table-only
	@test ! -f benchmarks/results/augment.json || $(TEST_ENV)/$(BIN)/python benchmarks/augment.py --table-only
	@test ! -f benchmarks/results/serve.json || $(TEST_ENV)/$(BIN)/python benchmarks/serve.py --table-only
	@test ! -f benchmarks/results/attack.json || $(TEST_ENV)/$(BIN)/python benchmarks/attack.py --table-only
	@test ! -f benchmarks/results/ablation.json || $(TEST_ENV)/$(BIN)/python benchmarks/ablation.py --table-only

clean: ## remove environments, builds and caches; runs/ and results stay
	@rm -rf $(DEMO_ENV) $(TEST_ENV) $(AVX2_ENV) $(DOCS_ENV) $(LITERT_ENV) $(MEDIAPIPE_ENV) .venv-matrix .venv-uv build dist demo
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .numba-*

# An environment is made once and kept until what it depends on changes. The demo environment
# holds the base install and nothing else; the test environment runs the source tree itself.
$(DEMO_ENV)/.ready: pyproject.toml hatch_build.py constraints.txt $(SOURCES) | python
	@echo "Preparing $(DEMO_ENV) with $$("$(PYTHON)" --version) ..."
	@test -x $(DEMO_ENV)/$(BIN)/pip || "$(PYTHON)" -m venv $(DEMO_ENV)
	@$(DEMO_ENV)/$(BIN)/pip install --quiet --constraint constraints.txt .
	@touch $@

$(TEST_ENV)/.ready: pyproject.toml constraints.txt | python
	@echo "Preparing $(TEST_ENV) with $$("$(PYTHON)" --version) ..."
	@test -x $(TEST_ENV)/$(BIN)/pip || "$(PYTHON)" -m venv $(TEST_ENV)
	@$(TEST_ENV)/$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,search,ssl,features,tables,stream,mic,serve,dev]'
	@touch $@

$(DOCS_ENV)/.ready: pyproject.toml constraints.txt | python
	@test -x $(DOCS_ENV)/$(BIN)/pip || "$(PYTHON)" -m venv $(DOCS_ENV)
	@$(DOCS_ENV)/$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

# The converter's packages ask for older versions of some others: it has constraints of its own.
$(LITERT_ENV)/.ready: pyproject.toml constraints-litert.txt | python
	@echo "Preparing $(LITERT_ENV), which takes minutes and 2 GB ..."
	@test -x $(LITERT_ENV)/$(BIN)/pip || "$(PYTHON)" -m venv $(LITERT_ENV)
	@$(LITERT_ENV)/$(BIN)/pip install --quiet --constraint constraints-litert.txt --editable '.[train,litert]' pytest
	@touch $@

# Apart from the converter, because each pins packages that the other has too.
$(MEDIAPIPE_ENV)/.ready: | python
	@test -x $(MEDIAPIPE_ENV)/$(BIN)/pip || "$(PYTHON)" -m venv $(MEDIAPIPE_ENV)
	@$(MEDIAPIPE_ENV)/$(BIN)/pip install --quiet mediapipe==1.2.3
	@touch $@

$(TEST_ENV)/.bench: $(TEST_ENV)/.ready
	@$(TEST_ENV)/$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[opensmile]' \
		audiomentations==0.43.1 fast-mp3-augment==0.2.0
	@touch $@

python:
	@"$(PYTHON)" -c '$(SUITABLE)' 2>/dev/null || { \
		found=$$("$(or $(PYTHON),python3)" --version 2>/dev/null | head -n 1); \
		echo "error: affekt needs Python 3.10 to 3.13 with its venv module; found: $${found:-none}"; \
		echo "       Name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; \
		exit 1; } >&2
