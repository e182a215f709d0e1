// The extension module accel._cpu: argument checking, the GIL, and Ctrl-C.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../float_environment.hpp"
#include "../isa.hpp"
#include "../openmp.hpp"
#include "../probe.hpp"
#include "launch.hpp"
#include "prepared.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_cpu, m) {
  using namespace accel;
  supported_isas();  // or no module
  m.doc() = "Native CPU kernels. Strides are in elements; pointers are integers; every call releases the GIL.";
  m.def(
      "isas",
      [] {
        std::vector<std::string> names;
        for (const KernelTable* table : supported_isas()) names.emplace_back(table->isa);
        return names;
      },
      "Instruction sets compiled in and supported by this CPU, best first.");
  m.def("compiled_isas", &compiled_isas, "Instruction sets compiled in, lowest first.");
#ifdef __clang__
  m.attr("compiler") = __VERSION__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
  if (!make_launch_type()) throw py::error_already_set();
  bind_compute(m);
  bind_along(m);
  bind_movement(m);
  bind_convolution(m);
  bind_attention(m);
  bind_factor(m);
  bind_quantized(m);
  bind_butterfly(m);
  m.def(
      "join_openmp",
      [](uintptr_t start, uintptr_t end, uintptr_t processors, uintptr_t size) {
        OpenMp openmp;
        openmp.start = reinterpret_cast<decltype(openmp.start)>(start);
        openmp.end = reinterpret_cast<decltype(openmp.end)>(end);
        openmp.processors = reinterpret_cast<decltype(openmp.processors)>(processors);
        openmp.size = reinterpret_cast<decltype(openmp.size)>(size);
        join_openmp(openmp);
      },
      py::arg("start"), py::arg("end"), py::arg("processors"), py::arg("size"),
      "Lets an OpenMP runtime start the threads of kernels, and count them among its own, by the addresses of its "
      "GOMP_parallel_start, GOMP_parallel_end, omp_get_num_procs and omp_get_num_threads; zeros: no more.");
  m.def("joined_openmp", &joined_openmp, "Whether an OpenMP runtime counts the threads of kernels.");
  m.def(
      "probe",
      [](const std::string& isa, const std::string& kind, int threads, double milliseconds, int64_t bytes) {
        const KernelTable& table = find_isa(isa);
        threads = to_threads(threads);
        const StandardFloats standard;  // subnormal numbers would cost what they do not elsewhere
        const py::gil_scoped_release released;
        return probe(table, kind, threads, milliseconds, bytes);
      },
      py::arg("isa"), py::arg("kind"), py::arg("threads") = 1, py::arg("milliseconds") = 20.0, py::arg("bytes") = 0,
      "Gigaoperations or gigabytes per second of all threads; None where the CPU has no such instruction.");
}
