// Convolutions.
#include "../convolution.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../isa.hpp"
#include "contract.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

constexpr int kNumbers = 4 + 7 * kSpatial;

template <size_t N>
std::array<int64_t, N> to_array(py::handle list, const char* what) {
  std::array<int64_t, N> result;
  const py::tuple items = to_items(list, N, what);
  for (size_t i = 0; i < N; ++i) result[i] = to_int(items[i], what);
  return result;
}

Spatial part(const std::array<int64_t, kNumbers>& numbers, int which) {
  Spatial result;
  for (int a = 0; a < kSpatial; ++a) result[a] = numbers[4 + which * kSpatial + a];
  return result;
}

Prepared prepare_convolution(py::object kernel, py::handle given, py::handle x_strides, py::handle weight_strides,
                             py::handle bias_strides, py::handle out_strides, py::handle extra_strides, int threads) {
  const Convolution& self = kernel.cast<const Convolution&>();
  const auto numbers = to_array<kNumbers>(given, "numbers");
  const bool biased = py::len(bias_strides) > 0;
  ConvolutionProblem problem{numbers[0],
                             numbers[1],
                             numbers[2],
                             numbers[3],
                             part(numbers, 0),
                             part(numbers, 1),
                             part(numbers, 2),
                             part(numbers, 3),
                             part(numbers, 4),
                             part(numbers, 5),
                             part(numbers, 6),
                             to_array<3 + kSpatial>(x_strides, "x_strides"),
                             to_array<3 + kSpatial>(weight_strides, "weight_strides"),
                             to_array<3 + kSpatial>(out_strides, "out_strides"),
                             {0, 0},
                             {}};
  if (biased) problem.bias = to_array<2>(bias_strides, "bias_strides");
  for (const py::handle strides : to_items(extra_strides, self.extras(), "extra_strides")) {
    problem.extras.push_back(to_array<3 + kSpatial>(strides, "extra_strides"));
  }
  double work = 1, size = static_cast<double>(problem.batch) * static_cast<double>(problem.groups);
  if (std::min({problem.batch, problem.groups, problem.outputs, problem.channels}) < 0) fail("lengths below 0");
  for (int a = 0; a < kSpatial; ++a) {
    if (std::min({problem.lengths[a], problem.kernel[a], problem.places[a], problem.stride[a], problem.dilation[a],
                  problem.spread[a]}) < 1) {
      fail("spatial lengths and steps must be positive");
    }
    for (const int64_t n : {problem.lengths[a], problem.kernel[a], problem.places[a], problem.stride[a],
                            problem.dilation[a], problem.spread[a], problem.low[a]}) {
      if (n > int64_t{1} << 40 || n < -(int64_t{1} << 40)) fail("a spatial length or step is too large");
    }
    work *= static_cast<double>(problem.places[a]) * static_cast<double>(problem.kernel[a]);
    size *= static_cast<double>(problem.places[a]);
  }
  if (size * static_cast<double>(problem.outputs) > static_cast<double>(kMaxElements)) fail("the problem is too large");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes.assign(biased ? 3 : 2, self.dtype());
  for (size_t i = 0; i < self.extras(); ++i) prepared.dtypes.push_back(self.extra(i));
  prepared.dtypes.push_back(self.dtype());
  const bool no_channels = problem.channels == 0 || problem.groups == 0;
  prepared.empty = {problem.batch == 0 || no_channels, no_channels || problem.outputs == 0};
  if (biased) prepared.empty.push_back(problem.groups == 0 || problem.outputs == 0);
  prepared.empty.resize(prepared.dtypes.size(), problem.batch == 0 || problem.groups == 0 || problem.outputs == 0);
  prepared.work = work * static_cast<double>(problem.batch) * static_cast<double>(problem.groups) *
                  static_cast<double>(problem.outputs) * static_cast<double>(problem.channels + 1) / 16;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs[0], inputs[1], biased ? inputs[2] : nullptr, inputs + (biased ? 3 : 2), outputs[0],
             threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_convolution(py::module_& m) {
  py::class_<Convolution> convolution(m, "Convolution", "Sums of products over windows, in the canonical order.");
  convolution.def(py::init([](const std::string& isa, const std::string& dtype, const Pointwise* epilogue) {
                    return Convolution(find_isa(isa), parse_dtype(dtype), epilogue);
                  }),
                  py::arg("isa"), py::arg("dtype"), py::arg("epilogue") = py::none());
  add_launch(convolution, &prepare_convolution, py::arg("numbers"), py::arg("x_strides"), py::arg("weight_strides"),
             py::arg("bias_strides"), py::arg("out_strides"), py::arg("extra_strides"), py::arg("threads"));
}

}  // namespace accel
