#!/usr/bin/env bash
# Builds the native extension with AddressSanitizer and UndefinedBehaviorSanitizer in a temporary folder and runs its
# tests on that build; fails on any report. Leaks are not looked for: Python keeps memory to the end.
# PYTHON: an interpreter with NumPy, ml_dtypes, pytest and the build requirements of pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

export ACCEL_BUILD_ISA="${ACCEL_BUILD_ISA:-all}"
# -O1: readable reports and a short build of the same loops.
ACCEL_BUILD_FLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all" \
  "$python" setup.py -q build_ext --build-temp "$folder/temp" --build-lib "$folder/lib"
ACCEL_NATIVE_MODULE=$(find "$folder/lib" -name '_cpu*')
export ACCEL_NATIVE_MODULE

# No driver is loaded: some are opened with RTLD_DEEPBIND, which AddressSanitizer refuses.
sanitized() {
  ACCEL_DEVICE=cpu LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:exitcode=99:log_path="$folder/report" \
    UBSAN_OPTIONS=print_stacktrace=1:exitcode=99:log_path="$folder/report" PYTHONMALLOC=malloc "$@"
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
if [ "$status" != 99 ] || ! grep -q heap-buffer-overflow "$folder"/report.*; then
  echo "the control was not reported (exit status $status)" >&2
  exit 1
fi
rm "$folder"/report.*

status=0
sanitized "$python" -m pytest -q -p no:cacheprovider --confcutdir=tests/native tests/native/test_native*.py "$@" || status=$?
# The test that asks for too much memory leaves a warning; everything else is a report.
if grep -shqv "WARNING: AddressSanitizer failed to allocate" "$folder"/report.*; then
  cat "$folder"/report.* >&2
  echo "a sanitizer has reported" >&2
  exit 1
fi
exit "$status"
