#include "steps.hpp"

#include <algorithm>
#include <stdexcept>

#include "step_pairs.hpp"

namespace accel {

namespace {

/// A function gives bool where it returns a byte at every dtype that it has, else its compute dtype.
bool gives_bool(const KernelTable& table, const std::string& function) {
  return std::all_of(table.functions.begin(), table.functions.end(),
                     [&](const FunctionRow& row) { return row.function != function || row.result == CType::kU8; });
}

ResolvedStep resolve_cast(const KernelTable& table, size_t index, const ProgramStep& step,
                          const std::vector<DType>& dtypes) {
  if (step.args.size() != 1) throw std::invalid_argument(describe(index, step) + " takes one argument");
  const DType from = dtypes[step.args[0]], to = parse_dtype(step.dtype);
  if (from == to) return {nullptr, nullptr, to};
  for (const CastRow& row : table.casts) {
    if (row.from == std::string(info(from).name) && row.to == step.dtype) return {row.kernel, nullptr, to};
  }
  throw std::invalid_argument(describe(index, step) + ": no cast from " + info(from).name);
}

}  // namespace

std::string describe(size_t index, const ProgramStep& step) {
  return "step " + std::to_string(index) + " (" + step.function + ", " + step.dtype + ")";
}

const FunctionRow* find_row(const Rows<FunctionRow>& rows, const std::string& function, const std::string& dtype) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const FunctionRow& r) { return r.function == function && r.dtype == dtype; });
  return row == rows.end() ? nullptr : row;
}

const FunctionRow* find_pair(const KernelTable& table, const std::string& first, const std::string& function,
                             DType from, DType between, DType result) {
  const DType dtype = is_half(from) ? from : result;
  if (is_half(dtype) && between != DType::kFloat32) return nullptr;
  if (is_half(from) && function == "cast" && result != from) return nullptr;
  return find_row(table.pairs, first + " " + function, info(dtype).name);
}

ResolvedStep resolve(const KernelTable& table, size_t index, const ProgramStep& step,
                     const std::vector<DType>& dtypes) {
  for (const int64_t arg : step.args) {
    if (arg < 0 || arg >= static_cast<int64_t>(dtypes.size())) {
      throw std::invalid_argument(describe(index, step) + " refers to value " + std::to_string(arg) + ", of " +
                                  std::to_string(dtypes.size()));
    }
  }
  if (step.function == "cast") return resolve_cast(table, index, step, dtypes);
  const FunctionRow* const row = find_row(table.functions, step.function, step.dtype);
  if (!row) throw std::invalid_argument(describe(index, step) + ": there is no such function of this dtype");
  if (row->arity != static_cast<int>(step.args.size())) {
    throw std::invalid_argument(describe(index, step) + " takes " + std::to_string(row->arity) + " arguments, not " +
                                std::to_string(step.args.size()));
  }
  for (int a = 0; a < row->arity; ++a) {
    const DType given = dtypes[step.args[a]];
    if (storage(given) != row->args[a] || is_half(given)) {
      throw std::invalid_argument(describe(index, step) + ": argument " + std::to_string(a) + " cannot be " +
                                  info(given).name);
    }
  }
  return {row->kernel, row->with_options, gives_bool(table, step.function) ? DType::kBool : parse_dtype(row->dtype)};
}

}  // namespace accel
