#include "pointwise.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace accel {

namespace {

constexpr int64_t kBatch = 1024;                      // elements that go through all steps together, in L1
constexpr int64_t kSlotBytes = kBatch * 8 + 3 * 64;   // skewed, so that slots do not share the low bits of addresses
constexpr int64_t kMinRow = 256;                      // shorter rows are gathered, several to a block
constexpr int64_t kGrain = 1 << 16;                   // elements x steps that are worth a task

/// A function gives bool where it returns a byte at every dtype that it has, else its compute dtype or an integer.
bool gives_bool(const KernelTable& table, const std::string& function) {
  return std::all_of(table.functions.begin(), table.functions.end(), [&](const FunctionRow& row) {
    return row.function != function || row.result == CType::kU8;
  });
}

DType result_dtype(const KernelTable& table, const FunctionRow& row) {
  if (gives_bool(table, row.function)) return DType::kBool;
  const DType compute = parse_dtype(row.dtype);
  if (storage(compute) == row.result) return compute;
  for (int d = 1; d < kDTypes; ++d) {
    if (kStorage[d] == row.result) return static_cast<DType>(d);
  }
  throw std::invalid_argument("a function's result has no dtype");
}

std::string describe(size_t index, const ProgramStep& step) {
  return "step " + std::to_string(index) + " (" + step.function + ", " + step.dtype + ")";
}

}  // namespace

Pointwise::Pointwise(const KernelTable& table, std::vector<DType> inputs, std::vector<ProgramStep> steps, DType output)
    : inputs_(std::move(inputs)), spec_(std::move(steps)), output_(output) {
  std::vector<DType> dtypes = inputs_;
  std::vector<int> roots(inputs_.size());  // a cast to the same dtype is another name for its argument
  for (size_t v = 0; v < roots.size(); ++v) roots[v] = static_cast<int>(v);
  for (size_t s = 0; s < spec_.size(); ++s) {
    const ProgramStep& spec = spec_[s];
    for (const int64_t arg : spec.args) {
      if (arg < 0 || arg >= static_cast<int64_t>(dtypes.size())) {
        throw std::invalid_argument(describe(s, spec) + " refers to value " + std::to_string(arg) + ", of " +
                                    std::to_string(dtypes.size()));
      }
    }
    Step step{nullptr, static_cast<int>(dtypes.size()), static_cast<int>(spec.args.size()), {}};
    if (spec.function == "cast") {
      if (spec.args.size() != 1) throw std::invalid_argument(describe(s, spec) + " takes one argument");
      const DType from = dtypes[spec.args[0]], to = parse_dtype(spec.dtype);
      if (from == to) {
        roots.push_back(roots[spec.args[0]]);
        dtypes.push_back(to);
        continue;
      }
      for (const CastRow& row : table.casts) {
        if (row.from == std::string(info(from).name) && row.to == spec.dtype) step.kernel = row.kernel;
      }
      if (!step.kernel) throw std::invalid_argument(describe(s, spec) + ": no cast from " + info(from).name);
      dtypes.push_back(to);
    } else {
      const auto row = std::find_if(table.functions.begin(), table.functions.end(), [&](const FunctionRow& r) {
        return r.function == spec.function && r.dtype == spec.dtype;
      });
      if (row == table.functions.end()) {
        throw std::invalid_argument(describe(s, spec) + ": there is no such function of this dtype");
      }
      if (row->arity != step.arity) {
        throw std::invalid_argument(describe(s, spec) + " takes " + std::to_string(row->arity) + " arguments, not " +
                                    std::to_string(step.arity));
      }
      for (int a = 0; a < step.arity; ++a) {
        const DType given = dtypes[spec.args[a]];
        if (storage(given) != row->args[a] || is_half(given)) {
          throw std::invalid_argument(describe(s, spec) + ": argument " + std::to_string(a) + " cannot be " +
                                      info(given).name);
        }
      }
      step.kernel = row->kernel;
      dtypes.push_back(result_dtype(table, *row));
    }
    for (int a = 0; a < step.arity; ++a) step.args[a] = roots[spec.args[a]];
    roots.push_back(step.result);
    steps_.push_back(step);
  }
  if (dtypes.empty()) throw std::invalid_argument("a program needs an input or a step");
  if (dtypes.back() != output_) {
    throw std::invalid_argument(std::string("the program gives ") + info(dtypes.back()).name + ", not " +
                                info(output_).name);
  }
  result_ = roots.back();
  slots_.assign(dtypes.size(), -1);
  drop_dead_steps();
  assign_slots();
}

void Pointwise::drop_dead_steps() {
  std::vector<Step> live;
  std::vector<bool> needed(slots_.size());
  needed[result_] = true;
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (!needed[step->result]) continue;
    for (int a = 0; a < step->arity; ++a) needed[step->args[a]] = true;
    live.push_back(*step);
  }
  steps_.assign(live.rbegin(), live.rend());
}

/// Every input keeps a slot; a step's slot is free again after the last step that reads it.
void Pointwise::assign_slots() {
  const int inputs = static_cast<int>(inputs_.size());
  std::vector<int> last_use(slots_.size(), -1);
  for (size_t s = 0; s < steps_.size(); ++s) {
    for (int a = 0; a < steps_[s].arity; ++a) last_use[steps_[s].args[a]] = static_cast<int>(s);
  }
  slot_count_ = inputs;
  for (int i = 0; i < inputs; ++i) slots_[i] = i;
  std::vector<int> free;
  for (size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = steps_[s];
    // Taken before the arguments' slots are given back: a result shares no memory with its arguments.
    if (free.empty()) free.push_back(slot_count_++);
    slots_[step.result] = free.back();
    free.pop_back();
    for (int a = 0; a < step.arity; ++a) {
      const int value = step.args[a];
      const bool repeated = std::find(step.args, step.args + a, value) != step.args + a;
      if (value >= inputs && last_use[value] == static_cast<int>(s) && !repeated) free.push_back(slots_[value]);
    }
  }
}

/// Operand 0 of the nest is the output, operand i + 1 input i.
struct Pointwise::Region {
  Nest nest;
  std::vector<char*> data;
  std::vector<int> sizes;
  std::vector<bool> dense;     // row-major contiguous over the whole nest
  std::vector<bool> constant;  // every stride 0
  int64_t elements;

  Region(const Pointwise& program, const Extents& shape, const Operand& out, const std::vector<Operand>& in) {
    nest.shape = shape;
    nest.strides.reserve(in.size() + 1);
    const auto add = [this](const Operand& operand, DType dtype) {
      nest.strides.push_back(operand.strides);
      data.push_back(operand.data);
      sizes.push_back(size_of(dtype));
    };
    add(out, program.output_);
    for (size_t i = 0; i < in.size(); ++i) add(in[i], program.inputs_[i]);
    elements = shape.product();
    nest.sort_and_collapse();
    for (const Extents& strides : nest.strides) {
      bool is_dense = true, is_constant = true;
      int64_t step = 1;
      for (int d = nest.rank() - 1; d >= 0; --d) {
        is_dense &= strides[d] == step;
        is_constant &= strides[d] == 0;
        step *= nest.shape[d];
      }
      dense.push_back(is_dense);
      constant.push_back(is_constant && !is_dense);
    }
  }
};

void Pointwise::run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, int threads,
                    Interrupt& interrupt) const {
  const Region region(*this, shape, out, in);
  if (region.elements == 0) return;
  const int64_t work = region.elements * static_cast<int64_t>(steps_.size() + 1);
  const int64_t tasks = std::clamp<int64_t>(work / kGrain, 1, threads == 1 ? 1 : int64_t{8} * threads);
  const int64_t share = ((region.elements + tasks - 1) / tasks + kBatch - 1) / kBatch * kBatch;
  parallel_for((region.elements + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    run_range(region, task * share, std::min(region.elements, (task + 1) * share), worker);
  });
}

void Pointwise::run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, Worker& worker) const {
  const Region region(*this, shape, out, in);
  if (region.elements > 0) run_range(region, 0, region.elements, worker);
}

void Pointwise::run_range(const Region& region, int64_t begin, int64_t end, Worker& worker) const {
  const Nest& nest = region.nest;
  const int operands = static_cast<int>(nest.strides.size());
  const int64_t inner = nest.inner();
  const bool single_row = inner >= kMinRow || nest.rank() <= 1;

  // Values' slots, then a list of where the rows of a block begin in the output.
  const int64_t slot_bytes = slot_count_ * kSlotBytes;
  char* const memory =
      static_cast<char*>(scratch(ScratchUse::kBlocks, slot_bytes + kSlotBytes + kBatch * int64_t{sizeof(int64_t)}));
  char* const out_slot = memory + slot_bytes;
  int64_t* const out_rows = reinterpret_cast<int64_t*>(out_slot + kSlotBytes);
  const auto slot = [&](int value) { return memory + slots_[value] * kSlotBytes; };

  std::vector<const void*> values(slots_.size(), nullptr);
  std::vector<const char*> splatted(operands, nullptr);  // the element that an input's slot is filled with
  const int64_t longest = std::min(kBatch, end - begin);
  for (int k = 1; k < operands; ++k) {
    if (!region.constant[k]) continue;
    gather(region.sizes[k], longest, slot(k - 1), region.data[k], 0);
    values[k - 1] = slot(k - 1);
  }

  RowCursor cursor(nest, begin / inner);
  int64_t column = begin % inner;
  int64_t n;
  for (int64_t at = begin; at < end; at += n) {
    n = std::min(kBatch, end - at);
    if (single_row) n = std::min(n, inner - column);
    const bool out_direct = region.dense[0] || (single_row && nest.inner_stride(0) == 1);
    char* const out =
        !out_direct ? out_slot
                    : region.data[0] +
                          (region.dense[0] ? at : cursor.offset(0) + column) * region.sizes[0];
    for (int k = 1; k < operands; ++k) {
      const int size = region.sizes[k];
      if (region.constant[k]) continue;
      if (region.dense[k]) {
        values[k - 1] = region.data[k] + at * size;
        continue;
      }
      if (!single_row) {
        values[k - 1] = slot(k - 1);
        continue;
      }
      const int64_t stride = nest.inner_stride(k);
      const char* const source = region.data[k] + (cursor.offset(k) + column * stride) * size;
      if (stride == 1) {
        values[k - 1] = source;
        continue;
      }
      // A copy has no step: it is gathered straight into its output.
      char* const to = steps_.empty() && k - 1 == result_ ? out : slot(k - 1);
      values[k - 1] = to;
      if (stride == 0 && to != out) {
        if (splatted[k] == source) continue;
        splatted[k] = source;
        gather(size, std::min(kBatch, inner), to, source, 0);
      } else {
        gather(size, n, to, source, stride);
      }
    }
    int64_t pieces = 0;
    if (single_row) {
      out_rows[0] = cursor.offset(0) + column * nest.inner_stride(0);
    } else {
      for (int64_t done = 0; done < n;) {
        const int64_t piece = std::min(n - done, inner - column);
        out_rows[pieces++] = cursor.offset(0) + column * nest.inner_stride(0);
        for (int k = 1; k < operands; ++k) {
          if (region.dense[k] || region.constant[k]) continue;
          const int64_t stride = nest.inner_stride(k);
          gather(region.sizes[k], piece, slot(k - 1) + done * region.sizes[k],
                 region.data[k] + (cursor.offset(k) + column * stride) * region.sizes[k], stride);
        }
        done += piece;
        column += piece;
        if (column == inner) {
          column = 0;
          cursor.next();
        }
      }
    }

    for (const Step& step : steps_) {
      const void* args[kMaxArity];
      for (int a = 0; a < step.arity; ++a) args[a] = values[step.args[a]];
      char* const result = step.result == result_ ? out : slot(step.result);
      step.kernel(n, result, args);
      values[step.result] = result;
    }
    if (values[result_] != out) std::memmove(out, values[result_], static_cast<size_t>(n) * region.sizes[0]);

    if (single_row) {
      if (!out_direct) scatter(region.sizes[0], n, region.data[0] + out_rows[0] * region.sizes[0], nest.inner_stride(0), out);
      column += n;
      if (column == inner) {
        column = 0;
        cursor.next();
      }
    } else if (!out_direct) {
      int64_t first = at;  // of the piece; pieces end where rows do
      int64_t done = 0;
      for (int64_t p = 0; p < pieces; ++p) {
        const int64_t piece = std::min(n - done, inner - first % inner);
        scatter(region.sizes[0], piece, region.data[0] + out_rows[p] * region.sizes[0], nest.inner_stride(0),
                out + done * region.sizes[0]);
        done += piece;
        first += piece;
      }
    }
    worker.checkpoint(n * static_cast<int64_t>(steps_.size() + 1));
  }
}

}  // namespace accel
