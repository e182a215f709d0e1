# Set up, run and check accel. No root is needed; what is missing is named by .ci/venv.
#
#   make demo       the main job, on every device found, with an OpenCL CPU device from pip
#   make test       the whole test suite; PYTEST_ARGS="-k matmul" for a part of it
#   make check      formatters and linters; generated pages of docs/ are not stale
#   make sanitize   the C++ kernels under AddressSanitizer and UndefinedBehaviorSanitizer
#   make deep       the test suite with many random examples, and the tests marked slow
#   make clean      removes everything that make made
#
# PYTHON: the interpreter (3.11 to 3.13). VENV: the virtual environment. JOBS: processes that test at once.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
DONE := $(VENV)/done
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
BUILD_TOOLS := setuptools pybind11 numpy ml_dtypes
SOURCES := setup.py pyproject.toml MANIFEST.in README.md LICENSE $(shell find src kernels bench csrc -type f \
  -not -name '*.py[cod]' -not -name '*.so' -not -path '*.egg-info/*')
CXX_SOURCES := $(shell find csrc tests -name '*.cpp' -o -name '*.hpp')

.PHONY: demo test check sanitize deep clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

demo: $(DONE)/accel $(DONE)/extra-demo
	$(BIN)/accel demo

test: $(DONE)/accel $(DONE)/extra-all
	$(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

deep: $(DONE)/accel $(DONE)/extra-all
	$(BIN)/pytest -n $(JOBS) --deep $(PYTEST_ARGS)

check: $(DONE)/accel $(DONE)/extra-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(BIN)/python docs/generate.py --check

sanitize: $(DONE)/accel $(DONE)/extra-all
	PATH="$(abspath $(BIN)):$$PATH" tests/native/sanitize.sh

clean:
	rm -rf $(VENV) build dist demo-output *.egg-info .pytest_cache .ruff_cache .hypothesis

$(DONE)/python: .ci/venv
	.ci/venv $(VENV) $(PYTHON)
	$(PIP) $(BUILD_TOOLS)
	mkdir -p $(DONE) && touch $@

# build/temp.* keeps compiled objects; build/lib.* would put modules into the wheel that the sources have no more
$(DONE)/accel: $(DONE)/python constraints.txt $(SOURCES)
	rm -rf build/lib* build/bdist*
	. $(VENV)/build-env && $(PIP) --no-build-isolation .
	touch $@

# torch 2.13.0 built for CUDA asks for triton 3.7.1, and torch 2.15 for the 3.9 that accel needs: triton comes last, by itself
$(DONE)/extra-all: pyproject.toml constraints.txt | $(DONE)/accel
	grep -v '^triton==' constraints.txt >$(DONE)/constraints-but-triton.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint $(DONE)/constraints-but-triton.txt "accel[opencl,opencl-cpu,torch,demo,bench,test]"
	$(PIP) --no-deps "$$(grep '^triton==' constraints.txt)"
	touch $@

$(DONE)/extra-demo: EXTRAS := demo,opencl-cpu
$(DONE)/extra-dev: EXTRAS := dev
$(DONE)/extra-%: pyproject.toml constraints.txt | $(DONE)/accel
	$(PIP) "accel[$(EXTRAS)]"
	touch $@
