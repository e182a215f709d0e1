#include "pointwise.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace accel {

namespace {

/// A function gives bool where it returns a byte at every dtype that it has, else its compute dtype.
bool gives_bool(const KernelTable& table, const std::string& function) {
  return std::all_of(table.functions.begin(), table.functions.end(),
                     [&](const FunctionRow& row) { return row.function != function || row.result == CType::kU8; });
}

DType result_dtype(const KernelTable& table, const FunctionRow& row) {
  if (gives_bool(table, row.function)) return DType::kBool;
  return parse_dtype(row.dtype);
}

/// The step of a program that gives a value; null for an input.
const ProgramStep* source(const std::vector<ProgramStep>& steps, size_t inputs, int64_t value) {
  return value < static_cast<int64_t>(inputs) ? nullptr : &steps[static_cast<size_t>(value) - inputs];
}

/// A function of float32 whose arguments are widened from a 16-bit float, and whose result is rounded to it, in one.
struct Fused {
  const FunctionRow* row;
  std::vector<int64_t> args;  // the values before they are widened
};

/// What a cast of a value to `to` closes; none where there is no such row, or another value.
std::optional<Fused> fused(const KernelTable& table, const std::vector<ProgramStep>& steps,
                           const std::vector<DType>& dtypes, size_t inputs, int64_t value, DType to) {
  const ProgramStep* const function = source(steps, inputs, value);
  if (!function || function->function == "cast" || function->dtype != "float32") return std::nullopt;
  Fused found{};
  for (const int64_t arg : function->args) {
    const ProgramStep* const widened = source(steps, inputs, arg);
    if (!widened || widened->function != "cast" || dtypes[widened->args[0]] != to) return std::nullopt;
    found.args.push_back(widened->args[0]);
  }
  for (const FunctionRow& row : table.halves) {
    if (row.function == function->function && row.dtype == std::string(info(to).name)) found.row = &row;
  }
  return found.row ? std::optional(found) : std::nullopt;
}

std::string describe(size_t index, const ProgramStep& step) {
  return "step " + std::to_string(index) + " (" + step.function + ", " + step.dtype + ")";
}

}  // namespace

Pointwise::Pointwise(const KernelTable& table, std::vector<DType> inputs, std::vector<ProgramStep> steps, DType output)
    : stream_(table.stream), inputs_(std::move(inputs)), spec_(std::move(steps)), output_(output) {
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
    std::vector<int64_t> args = spec.args;
    Step step{nullptr, nullptr, static_cast<int>(dtypes.size()), static_cast<int>(spec.args.size()), {}};
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
      if (const auto one = fused(table, spec_, dtypes, inputs_.size(), spec.args[0], to)) {
        step.kernel = one->row->kernel;
        step.with_options = one->row->with_options;
        step.arity = one->row->arity;
        args = one->args;
      }
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
      step.with_options = row->with_options;
      dtypes.push_back(result_dtype(table, *row));
    }
    for (int a = 0; a < step.arity; ++a) step.args[a] = roots[args[a]];
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
  repeatable_.assign(inputs_.size(), !steps_.empty());
  for (const Step& step : steps_) {
    for (int a = 0; a < step.arity; ++a) {
      if (step.args[a] < static_cast<int>(inputs_.size()) && !step.with_options) repeatable_[step.args[a]] = false;
    }
  }
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

bool Pointwise::streams() const {
  return steps_.empty() || (steps_.back().with_options && steps_.back().result == result_);
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

}  // namespace accel
