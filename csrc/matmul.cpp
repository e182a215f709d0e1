#include "matmul.hpp"

#include <stdexcept>

#include "matmul_call.hpp"

namespace accel {

namespace {

constexpr int64_t kThreadWork = 1 << 22;  // multiply-adds that are worth a thread
constexpr int64_t kLongDot = 4 * kKC;     // k of a dot product whose own chunks fill lanes

/// The dtype in which the compute type's results are stored, as a program sees them.
DType accumulator_dtype(CType type, DType output) {
  switch (type) {
    case CType::kF32:
      return DType::kFloat32;
    case CType::kF64:
      return DType::kFloat64;
    case CType::kU32:
      return output == DType::kUint32 ? DType::kUint32 : DType::kInt32;
    default:
      return output == DType::kUint64 ? DType::kUint64 : DType::kInt64;
  }
}

/// The epilogue, with the accumulator cast to its first input's dtype first.
Pointwise after_cast(const KernelTable& table, DType accumulator, const Pointwise& epilogue) {
  std::vector<DType> inputs = epilogue.inputs();
  const int64_t cast = static_cast<int64_t>(inputs.size());
  std::vector<ProgramStep> steps = {{"cast", info(inputs[0]).name, {0}}};
  for (ProgramStep step : epilogue.steps()) {
    for (int64_t& arg : step.args) arg = arg == 0 ? cast : arg < cast ? arg : arg + 1;
    steps.push_back(std::move(step));
  }
  // A program without steps, whose result is its only input, has the cast as its result now.
  inputs[0] = accumulator;
  return Pointwise(table, std::move(inputs), std::move(steps), epilogue.output());
}

}  // namespace

Matmul::Matmul(const KernelTable& table, DType dtype, DType output, const Pointwise* epilogue, bool matrix_units)
    : dtype_(dtype), output_(output) {
  const auto refuse = [&](DType given) {
    throw std::invalid_argument(std::string("matmul of ") + info(dtype).name + " does not give " + info(given).name);
  };
  if (dtype == DType::kBool) throw std::invalid_argument("matmul does not take bool");
  if (epilogue) {
    if (epilogue->inputs().empty()) throw std::invalid_argument("an epilogue takes the accumulator as its first input");
    if (epilogue->output() != output) {
      throw std::invalid_argument(std::string("the epilogue gives ") + info(epilogue->output()).name + ", not " +
                                  info(output).name);
    }
  }
  const DType result = epilogue ? epilogue->inputs()[0] : output;
  CType type = CType::kF32;
  if (is_integer(dtype)) {
    if (!is_integer(result)) refuse(result);
    type = size_of(result) <= 4 ? CType::kU32 : CType::kU64;
  } else if (dtype == DType::kFloat64) {
    if (result != DType::kFloat64) refuse(result);
    type = CType::kF64;
  } else if (result != DType::kFloat32 && (epilogue || result != dtype)) {
    refuse(result);
  }
  const DType accumulator = accumulator_dtype(type, result);
  size_ = size_of(accumulator);
  native_ = size_of(dtype) == size_ && !is_half(dtype);
  for (const MatmulRow& row : table.matmuls) {
    if (row.type == type) kernel_ = &row;
  }
  for (const PackRow& row : table.packs) {
    if (row.from == dtype && row.to == type) pack_ = &row;
  }
  const auto panels_of = [](const UnitRow& row) {
    return Panels{row.mr, row.nr, row.depth, row.group, row.parts, row.starts, row.tile, row.a, row.b};
  };
  panels_ = {kernel_->mr, kernel_->nr, kKC, 1, 1, 0, kernel_->tile, pack_->a, pack_->b};
  for (const UnitKernels* kernels : {&table.stored, table.integer_dots}) {
    if (!kernels) continue;
    for (const FewRow& row : kernels->fews) {
      if (row.dtype == dtype && row.type == type) few_ = &row;
    }
    for (const UnitRow& row : kernels->units) {
      if (row.dtype == dtype && row.type == type) panels_ = panels_of(row);
    }
  }
  if (matrix_units && table.matrix) {
    for (const UnitRow& row : table.matrix->units) {
      if (row.dtype != dtype || row.type != type) continue;
      matrix_ = table.matrix;
      matrix_panels_ = panels_of(row);
    }
    for (const FewRow& row : table.matrix->fews) {
      if (row.dtype == dtype && row.type == type) matrix_few_ = &row;
    }
  }
  if (epilogue) {
    finish_.emplace(result == accumulator ? *epilogue : after_cast(table, accumulator, *epilogue));
  } else if (output != accumulator) {
    finish_.emplace(table, std::vector{accumulator}, std::vector<ProgramStep>{{"cast", info(output).name, {0}}},
                    output);
  }
}

void Matmul::run(const MatmulProblem& problem, int threads, Interrupt& interrupt) const {
  const Call call(*this, problem);
  if (call.entries == 0 || call.m == 0 || call.n == 0) return;
  const double work = static_cast<double>(call.entries) * call.m * call.n * std::max<int64_t>(call.k, 1);
  threads = worthwhile(work, kThreadWork, threads);
  const bool across = call.b_col == 1 && call.n >= kFewColumns;
  const bool along = call.b_row == 1 && call.n > 1;
  const bool few =
      few_ && ((across && call.m <= few_->across_rows) || (!across && along && call.m <= few_->along_rows));
  // The direct kernel widens what is not stored as it is computed.
  const int64_t direct_work = !native_ ? kWidenedWork : few ? kFewWork : kDirectWork;
  const bool small = static_cast<double>(call.m) * call.n * call.k <= direct_work;
  const bool narrow = native_ && call.m <= kFewRows && call.b_col == 1 && call.n < kFewColumns;
  if (call.m == 1 && call.n == 1 && call.k > 0) {
    const bool lies = native_ && call.a_col == 1 && call.b_row == 1 && call.k >= kLongDot;
    lies ? run_dots(call, threads, interrupt) : run_pairs(call, threads, interrupt);
  } else if (call.k > 0 && (small || narrow)) {
    batches(call) ? run_batch(call, threads, interrupt) : run_direct(call, threads, interrupt);
  } else if (call.k > 0 && few) {
    run_few(call, threads, interrupt);
  } else {
    run_packed(call, threads, interrupt);
  }
}

/// Whether the call can be computed again, as it has to be where matrix units meet an element that they do not allow:
/// what the epilogue reads has to be there still.
bool Matmul::repeatable(const Call& call) const {
  return std::none_of(call.extras.begin(), call.extras.end(),
                      [&](const Call::Extra& extra) { return extra.data == call.out; });
}

/// Turns a region's accumulators into the output, where they are not that already.
void Matmul::finish(const Call& call, const Entry& entry, const Region& region, char* acc, int64_t ldc,
                    Worker& worker) const {
  if (!finish_ && call.in_place) return;
  Extents shape;
  shape.append(region.rows);
  shape.append(region.columns);
  const auto operand = [&](char* data, int64_t row, int64_t col, int size) {
    Operand result{data + (region.row * row + region.column * col) * size, {}};
    result.strides.append(row);
    result.strides.append(col);
    return result;
  };
  Operand accumulators{acc, {}};
  accumulators.strides.append(ldc);
  accumulators.strides.append(1);
  const Operand out = operand(entry.out, call.out_row, call.out_col, size_of(output_));
  if (!finish_) {
    // The output's columns are apart.
    for (int64_t i = 0; i < region.rows; ++i) {
      scatter(size_, region.columns, out.data + i * call.out_row * size_, call.out_col, acc + i * ldc * size_);
    }
    return;
  }
  std::vector<Operand> in = {accumulators};
  for (size_t i = 0; i < call.extras.size(); ++i) {
    in.push_back(operand(entry.extras[i], call.extras[i].row, call.extras[i].col, size_of(extra(i))));
  }
  finish_->run(shape, out, in, worker);
}

}  // namespace accel
