# Set up, run and check accel. No root is needed; what is missing is named by .ci/venv.
#
#   make demo       the main job, on every device found, with an OpenCL CPU device from pip
#   make test       the whole test suite; PYTEST_ARGS="-k matmul" for a part of it
#   make gpu        what a machine with a GPU can show, within ten minutes, in one folder to keep and send
#   make check      formatters and linters; generated pages of docs/ are not stale; GPUs' code is not worse than they say
#   make docs       draws tables and README's figure anew, and makes the site, of docs/, into build/site: open
#                   build/site/index.html
#   make sanitize   the C++ kernels under AddressSanitizer and UndefinedBehaviorSanitizer
#   make deep       the test suite with many random examples, and the tests marked slow
#   make clean      removes everything that make made
#
# PYTHON: the interpreter (3.11 to 3.13). VENV: the virtual environment. JOBS: processes that test, and files that are
# compiled, at once. ACCEL_BUILD_ISA: instruction sets to compile for, see docs/settings.md. GPU_ARGS: options of
# .ci/gpu, "--help" prints them.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
GPU_ARGS ?=

BIN := $(VENV)/bin
DONE := $(VENV)/done
WHEELS := $(VENV)/wheel
FLOCK := $(shell command -v flock)
INSTALL := $(if $(FLOCK),flock $(VENV)) $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
PIP := $(INSTALL) --constraint constraints.txt
BUILD_TOOLS := setuptools pybind11 numpy ml_dtypes
SOURCES := setup.py pyproject.toml MANIFEST.in README.md LICENSE $(shell find src kernels bench csrc -type f \
  -not -name '*.py[cod]' -not -name '*.so' -not -path '*.egg-info/*')
CXX_SOURCES := $(shell find csrc tests -name '*.cpp' -o -name '*.hpp')

# What is tested is compiled for every instruction set, and so is what once was; else for this machine's CPU.
ifndef ACCEL_BUILD_ISA
ACCEL_BUILD_ISA := $(if $(or $(filter test deep sanitize,$(MAKECMDGOALS)),$(wildcard $(DONE)/isa-all)),all,native)
endif
export ACCEL_BUILD_ISA
COMPILED_FOR := $(DONE)/isa-$(subst $() ,,$(ACCEL_BUILD_ISA))

BEGUN := $(shell date +%s)
say = @printf '\n== %s\n' "$(1)"
where = $(call say,$(1) after $$(($$(date +%s) - $(BEGUN))) s. accel is in $(BIN); to use it: . $(BIN)/activate)

.PHONY: demo test gpu check docs sanitize deep clean
# While the kernels are compiled pip fetches the packages of an extra, where one run of pip can wait for another.
ifeq ($(if $(FLOCK),$(word 2,$(MAKECMDGOALS)),-),)
MAKEFLAGS += --jobs=2
else
.NOTPARALLEL:
endif
.DELETE_ON_ERROR:

demo: $(DONE)/accel $(DONE)/extra-demo
	$(call say,running the demo on every device: up to a minute. OpenCL kernels are compiled in the first run)
	$(BIN)/accel demo
	$(call where,demo done)

test: $(DONE)/accel $(DONE)/extra-all
	$(call say,running the tests in $(JOBS) processes: many minutes. JOBS=8 for more processes)
	$(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)
	$(call where,tests passed)

deep: $(DONE)/accel $(DONE)/extra-all
	$(call say,running the tests with many examples in $(JOBS) processes: hours)
	$(BIN)/pytest -n $(JOBS) --deep $(PYTEST_ARGS)

gpu: $(DONE)/accel $(DONE)/extra-all
	@left=$$((600 - $$(date +%s) + $(BEGUN))); \
	if [ $$left -lt 120 ]; then echo "setting up took most of the ten minutes; everything is there now: make gpu"; exit 1; fi; \
	$(BIN)/python .ci/gpu --seconds $$left $(GPU_ARGS)

check: $(DONE)/accel $(DONE)/extra-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(BIN)/python docs/generate.py --check
	$(BIN)/python docs/gpu_code.py --check

docs: $(DONE)/accel $(DONE)/extra-docs
	$(BIN)/python docs/generate.py
	rm -rf build/site build/doctrees
	$(BIN)/sphinx-build -q -W --keep-going -b html -d build/doctrees docs build/site
	$(call where,the site is in build/site)

sanitize: $(DONE)/accel $(DONE)/extra-all
	PATH="$(abspath $(BIN)):$$PATH" tests/native/sanitize.sh $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist demo-output *.egg-info .pytest_cache .ruff_cache .hypothesis

$(DONE)/python: .ci/venv
	$(call say,making the virtual environment $(VENV): up to a minute)
	.ci/venv $(VENV) $(PYTHON)
	$(PIP) $(BUILD_TOOLS)
	mkdir -p $(DONE) && touch $@

$(COMPILED_FOR): | $(DONE)/python
	rm -f $(DONE)/isa-*
	touch $@

# build/temp.* keeps compiled objects; build/lib.* would put modules into the wheel that the sources have no more
$(DONE)/wheel: $(DONE)/python $(COMPILED_FOR) constraints.txt $(SOURCES)
	$(call say,compiling the C++ kernels (instruction sets: $(ACCEL_BUILD_ISA)) $(JOBS) files at once: 1 to 3 minutes on two free cores, several times that for all; what is unchanged is not compiled again)
	rm -rf build/lib* build/bdist* $(WHEELS)
	. $(VENV)/build-env && ACCEL_BUILD_JOBS="$${ACCEL_BUILD_JOBS:-$(JOBS)}" \
	  $(BIN)/python -W ignore setup.py --quiet bdist_wheel --dist-dir $(WHEELS)
	touch $@

$(DONE)/accel: $(DONE)/wheel
	$(PIP) --force-reinstall --no-deps $(WHEELS)/*.whl
	$(PIP) $(WHEELS)/*.whl
	touch $@
	$(call where,accel is installed)

# torch 2.13.0 built for CUDA asks for triton 3.7.1, and torch 2.15 for the 3.9 that accel needs: triton comes last, by itself
# facenet-pytorch asks for an old torch: it is there for the weights that it brings, and nothing imports it
$(DONE)/extra-all: pyproject.toml constraints.txt | $(DONE)/python
	$(call say,installing what the tests need. torch for CUDA is some gigabytes: minutes)
	grep -v '^triton==' constraints.txt >$(DONE)/constraints-but-triton.txt
	$(BIN)/python .ci/requirements opencl,opencl-cpu,torch,demo,bench,test,docs >$(DONE)/requirements-all.txt
	$(INSTALL) --constraint $(DONE)/constraints-but-triton.txt --requirement $(DONE)/requirements-all.txt
	$(PIP) --no-deps "$$(grep '^triton==' constraints.txt)" "$$(grep '^facenet-pytorch==' constraints.txt)"
	touch $@

$(DONE)/extra-demo: EXTRAS := demo,opencl-cpu
$(DONE)/extra-dev: EXTRAS := dev
$(DONE)/extra-docs: EXTRAS := docs
$(DONE)/extra-%: pyproject.toml constraints.txt | $(DONE)/python
	$(call say,installing the extras $(EXTRAS) from pip: a minute or two)
	$(BIN)/python .ci/requirements $(EXTRAS) >$(DONE)/requirements-$*.txt
	$(PIP) --requirement $(DONE)/requirements-$*.txt
	touch $@
