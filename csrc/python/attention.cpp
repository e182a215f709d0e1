// Attention.
#include "../attention.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <vector>

#include "../isa.hpp"
#include "contract.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

/// shape: batch, heads, heads of keys, queries, keys, d, dv. pages: how many, and keys of one, or zeros. strides: of
/// query, key, value and out, then of every operand that `given` names. before, after: -1 where a query sees all.
/// dropped: of 2^24, how many probabilities; kept: what the others are multiplied by.
Prepared prepare_attention(py::object kernel, py::handle shape, std::pair<int64_t, int64_t> pages,
                           const std::vector<std::string>& given, py::handle strides, const std::string& mask_dtype,
                           double scale, double softcap, bool from_end, int64_t before, int64_t after, uint32_t dropped,
                           double kept, int64_t chunk, int threads) {
  const Attention& self = kernel.cast<const Attention&>();
  const Extents lengths = to_strides(shape, 7, "shape");
  constexpr int kCount = Attention::kOperands;
  const std::array<const char*, kCount> names = {"mask",    "sinks",   "slopes", "starts",
                                                 "lengths", "offsets", "pages",  "dropout"};
  AttentionProblem p{};
  p.dtype = self.dtype();
  p.mask_dtype = parse_dtype(mask_dtype);
  p.batch = lengths[0], p.heads = lengths[1], p.queries = lengths[3], p.keys = lengths[4];
  p.d = lengths[5], p.dv = lengths[6];
  for (int i = 0; i < 7; ++i) {
    if (lengths[i] <= 0) fail("lengths must be above 0");
  }
  if (p.heads % lengths[2] != 0) fail("heads of keys must divide those of queries");
  p.shared = p.heads / lengths[2];
  if (chunk <= 0 || chunk % kLanes != 0) fail("chunk must be a multiple of " + std::to_string(kLanes));
  if (before < -1 || after < -1) fail("before and after must be at least -1");
  const DType type = p.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  if (p.mask_dtype != DType::kBool && p.mask_dtype != p.dtype && p.mask_dtype != type) fail("mask_dtype does not fit");
  p.pages = pages.first, p.page = pages.second;
  for (const int64_t n : {p.batch, p.heads, p.queries, p.keys, p.pages, p.page}) {
    if (n > kMaxElements) fail("the problem is too large");
  }
  p.dropped = dropped, p.kept = kept;
  p.scale = scale, p.softcap = softcap, p.from_end = from_end, p.before = before, p.after = after, p.chunk = chunk;
  const py::tuple all = to_items(strides, 4 + given.size(), "strides");
  const auto four = [&](size_t i, int64_t (&to)[4], const char* what) {
    const Extents its = to_strides(all[i], 4, what);
    for (int axis = 0; axis < 4; ++axis) to[axis] = its[axis];
  };
  four(0, p.query, "query"), four(1, p.key, "key"), four(2, p.value, "value"), four(3, p.out, "out");
  std::array<bool, kCount> there{};
  std::array<std::array<int64_t, 2>, kCount> steps{};
  Prepared prepared;
  prepared.dtypes = {p.dtype, p.dtype, p.dtype};
  for (size_t i = 0, last = 0; i < given.size(); ++i) {
    size_t which = last;
    while (which < names.size() && given[i] != names[which]) ++which;
    if (which == names.size()) fail("given: " + given[i] + " is unknown, or out of order");
    last = which + 1;
    there[which] = true;
    if (which == 0) {
      four(4 + i, p.mask, "mask");
      prepared.dtypes.push_back(p.mask_dtype);
      continue;
    }
    const int axes = which == Attention::kPages || which == Attention::kDropout ? 2 : 1;
    const Extents its = to_strides(all[4 + i], axes, names[which]);
    steps[which] = {its[0], its[axes - 1]};
    const bool integers = which >= Attention::kStarts;
    prepared.dtypes.push_back(which == Attention::kDropout ? DType::kUint64 : integers ? DType::kInt64 : type);
  }
  p.sink = steps[Attention::kSinks][0], p.slope = steps[Attention::kSlopes][0];
  p.dropout[0] = steps[Attention::kDropout][0], p.dropout[1] = steps[Attention::kDropout][1];
  if (there[Attention::kPages] && (p.pages <= 0 || p.page <= 0 || p.keys % p.page)) fail("pages do not fit");
  prepared.dtypes.push_back(p.dtype);
  prepared.empty.assign(prepared.dtypes.size(), false);
  prepared.work = static_cast<double>(p.batch * p.heads) * static_cast<double>(p.queries) *
                  static_cast<double>(p.keys) * static_cast<double>(p.d + p.dv) / 16;
  threads = to_threads(threads);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    bool flags[kCount];
    int64_t apart[kCount][2];
    for (int i = 0; i < kCount; ++i) flags[i] = there[i], apart[i][0] = steps[i][0], apart[i][1] = steps[i][1];
    self.run(p, flags, apart, inputs, outputs, threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_attention(py::module_& m) {
  py::class_<Attention> attention(m, "Attention", "Attention in the canonical order.");
  attention.def(py::init([](const std::string& isa, const std::string& dtype) {
                  return Attention(find_isa(isa), parse_dtype(dtype));
                }),
                py::arg("isa"), py::arg("dtype"));
  add_launch(attention, &prepare_attention, py::arg("shape"), py::arg("pages"), py::arg("given"), py::arg("strides"),
             py::arg("mask_dtype"), py::arg("scale"), py::arg("softcap"), py::arg("from_end"), py::arg("before"),
             py::arg("after"), py::arg("dropped"), py::arg("kept"), py::arg("chunk"), py::arg("threads"));
}

}  // namespace accel
