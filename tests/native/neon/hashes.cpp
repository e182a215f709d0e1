// Runs kernels of one instruction set on generated data and prints a hash of each result.
//
// Reads cases from standard input, one a line, and prints one line for each: the FNV-1a hash of the output's bytes, in
// which every NaN counts as the same one. test_neon.py makes the same data and hashes in NumPy.
//
//   pointwise ISA FUNCTION DTYPE OUTPUT N INPUT...
//   reduce    ISA KIND DTYPE OUTPUT KEPT REDUCED columns|rows
//   matmul    ISA DTYPE OUTPUT M N K rows|columns (of A) rows|columns (of B)
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "isa.hpp"
#include "matmul.hpp"
#include "pointwise.hpp"
#include "reduce.hpp"

using namespace accel;

namespace {

class NoInterrupt final : public Interrupt {
  bool pending() override { return false; }
};

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

struct FloatFormat {
  int bits, mantissa, bias;
};

bool float_format(DType dtype, FloatFormat& format) {
  switch (dtype) {
    case DType::kFloat16:
      format = {16, 10, 15};
      return true;
    case DType::kBfloat16:
      format = {16, 7, 127};
      return true;
    case DType::kFloat32:
      format = {32, 23, 127};
      return true;
    case DType::kFloat64:
      format = {64, 52, 1023};
      return true;
    default:
      return false;
  }
}

/// n elements from a seed. Floats: of every bit pattern where `wild`, else of both signs and 2**-4 to 2**4.
std::vector<uint64_t> make(DType dtype, int64_t n, uint64_t seed, bool wild) {
  const int size = size_of(dtype);
  std::vector<uint64_t> storage((n * size + 7) / 8 + 1);
  char* const bytes = reinterpret_cast<char*>(storage.data());
  FloatFormat format;
  const bool is_float = float_format(dtype, format);
  for (int64_t i = 0; i < n; ++i) {
    uint64_t x = mix(seed * 1000003 + i);
    if (dtype == DType::kBool) x &= 1;
    if (is_float && !(wild && i % 2)) {
      const uint64_t sign = x >> 63, exponent = format.bias - 4 + (x >> 52) % 8;
      const uint64_t fraction = x & ((uint64_t{1} << format.mantissa) - 1);
      x = sign << (format.bits - 1) | exponent << format.mantissa | fraction;
    }
    std::memcpy(bytes + i * size, &x, size);  // little-endian
  }
  return storage;
}

uint64_t hash(DType dtype, int64_t n, const char* bytes) {
  FloatFormat format;
  const bool is_float = float_format(dtype, format);
  const int size = size_of(dtype);
  uint64_t h = 0xcbf29ce484222325;
  for (int64_t i = 0; i < n; ++i) {
    uint64_t x = 0;
    std::memcpy(&x, bytes + i * size, size);
    if (is_float) {
      const uint64_t infinity = ((uint64_t{1} << (format.bits - 1 - format.mantissa)) - 1) << format.mantissa;
      if ((x & ~(uint64_t{1} << (format.bits - 1))) > infinity) x = infinity + 1;
    }
    h = (h ^ x) * 0x100000001b3;
  }
  return h;
}

Extents extents(std::initializer_list<int64_t> values) {
  Extents result;
  for (const int64_t value : values) result.append(value);
  return result;
}

char* bytes(std::vector<uint64_t>& storage) { return reinterpret_cast<char*>(storage.data()); }

DType read_dtype(std::istream& in) {
  std::string name;
  in >> name;
  return parse_dtype(name);
}

uint64_t run_pointwise(std::istream& in, const KernelTable& table) {
  std::string function, dtype;
  int64_t n;
  in >> function >> dtype;
  const DType output = read_dtype(in);
  in >> n;
  std::vector<DType> inputs;
  ProgramStep step{function, dtype, {}};
  for (std::string name; in >> name;) {
    step.args.push_back(static_cast<int64_t>(inputs.size()));
    inputs.push_back(parse_dtype(name));
  }
  std::vector<std::vector<uint64_t>> data;
  for (size_t i = 0; i < inputs.size(); ++i) data.push_back(make(inputs[i], n, i + 1, true));
  std::vector<Operand> operands;
  for (auto& storage : data) operands.push_back({bytes(storage), extents({1})});
  std::vector<uint64_t> out((n * size_of(output) + 7) / 8 + 1);
  NoInterrupt interrupt;
  Pointwise(table, inputs, {step}, output).run(extents({n}), {bytes(out), extents({1})}, operands, 1, interrupt);
  return hash(output, n, bytes(out));
}

uint64_t run_reduce(std::istream& in, const KernelTable& table) {
  std::string kind, layout;
  in >> kind;
  const DType dtype = read_dtype(in), output = read_dtype(in);
  int64_t kept, reduced;
  in >> kept >> reduced >> layout;
  auto x = make(dtype, kept * reduced, 1, false);
  std::vector<uint64_t> out((kept * size_of(output) + 7) / 8 + 1);
  const bool columns = layout == "columns";
  NoInterrupt interrupt;
  Reduce(table, kind, dtype, output)
      .run(extents({kept}), {bytes(out), extents({1})}, bytes(x), extents({columns ? 1 : reduced}), extents({reduced}),
           extents({columns ? kept : 1}), 2, interrupt);
  return hash(output, kept, bytes(out));
}

uint64_t run_matmul(std::istream& in, const KernelTable& table) {
  const DType dtype = read_dtype(in), output = read_dtype(in);
  int64_t m, n, k;
  std::string a_layout, b_layout;
  in >> m >> n >> k >> a_layout >> b_layout;
  auto a = make(dtype, m * k, 1, false), b = make(dtype, k * n, 2, false);
  std::vector<uint64_t> out((m * n * size_of(output) + 7) / 8 + 1);
  const auto strides = [](const std::string& layout, int64_t rows, int64_t columns) {
    return layout == "rows" ? extents({columns, 1}) : extents({1, rows});
  };
  MatmulProblem problem{{}, m, n, k, {}, {}, {}, {}};
  problem.a = {bytes(a), strides(a_layout, m, k)};
  problem.b = {bytes(b), strides(b_layout, k, n)};
  problem.out = {bytes(out), extents({n, 1})};
  NoInterrupt interrupt;
  Matmul(table, dtype, output, nullptr, false).run(problem, 2, interrupt);
  return hash(output, m * n, bytes(out));
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string family, isa;
    in >> family >> isa;
    const KernelTable& table = find_isa(isa);
    const uint64_t h = family == "pointwise" ? run_pointwise(in, table)
                       : family == "reduce"  ? run_reduce(in, table)
                                             : run_matmul(in, table);
    std::printf("%016llx\n", static_cast<unsigned long long>(h));
  }
}
