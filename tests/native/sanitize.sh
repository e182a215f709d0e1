#!/usr/bin/env bash
# Builds the CPU's extension with AddressSanitizer and UndefinedBehaviorSanitizer in build/sanitize, for the instruction
# sets that this machine runs, and runs its tests on that build; fails on any report. Objects are kept for the next run.
# Leaks are not looked for: Python keeps memory to the end. Further arguments go to pytest.
# PYTHON: an interpreter with accel, pytest and the build requirements of pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python}
folder=build/sanitize
report=$(mktemp -d)/report
trap 'rm -rf "${report%/report}"' EXIT

ACCEL_BUILD_ISA=$("$python" -c 'from accel import _cpu; print(*_cpu.isas(), sep=",")')
export ACCEL_BUILD_ISA
# -O1: readable reports of the same loops. Memory is checked by calls, and null pointers by AddressSanitizer alone: in
# line, and twice, these checks take the compiler ten times as long.
flags="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=null,object-size"
flags+=" -fno-sanitize-recover=all --param asan-instrumentation-with-call-threshold=0"
ACCEL_BUILD_FLAGS=$flags "$python" setup.py -q build_ext --build-temp $folder/temp --build-lib $folder/lib
ACCEL_NATIVE_MODULE=$(find $folder/lib -name '_cpu*.so')
export ACCEL_NATIVE_MODULE

# No driver is loaded: some are opened with RTLD_DEEPBIND, which AddressSanitizer refuses.
sanitized() {
  ACCEL_DEVICE=cpu LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:exitcode=99:log_path="$report" \
    UBSAN_OPTIONS=print_stacktrace=1:exitcode=99:log_path="$report" PYTHONMALLOC=malloc "$@"
}

# Control: an array said to be longer than it is must be reported.
status=0
sanitized "$python" - <<'PYTHON' || status=$?
import importlib.util, os, numpy
spec = importlib.util.spec_from_file_location("_cpu", os.environ["ACCEL_NATIVE_MODULE"])
cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu)
x, out = numpy.zeros(64, "float32"), numpy.zeros(65, "float32")
cpu.Pointwise("baseline", ["float32"], [("negative", "float32", [0])], "float32").run(
    [x.ctypes.data], [out.ctypes.data], [65], [1], [[1]], 1)
PYTHON
if [ "$status" != 99 ] || ! grep -q heap-buffer-overflow "$report".*; then
  echo "the control was not reported (exit status $status)" >&2
  exit 1
fi
rm "$report".*

status=0
sanitized "$python" -m pytest -q -p no:cacheprovider --confcutdir=tests/native tests/native/test_native*.py "$@" || status=$?
# The test that asks for too much memory leaves a warning; everything else is a report.
if grep -shqv "WARNING: AddressSanitizer failed to allocate" "$report".*; then
  cat "$report".* >&2
  echo "a sanitizer has reported" >&2
  exit 1
fi
exit "$status"
