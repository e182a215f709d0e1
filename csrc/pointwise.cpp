#include "pointwise.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "step_pairs.hpp"

namespace accel {

namespace {

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

}  // namespace

Pointwise::Pointwise(const KernelTable& table, std::vector<DType> inputs, std::vector<ProgramStep> steps, DType output)
    : stream_(table.stream),
      reverse_(table.reverse),
      inputs_(std::move(inputs)),
      spec_(std::move(steps)),
      output_(output) {
  std::vector<DType> dtypes = inputs_;
  std::vector<int> roots(inputs_.size());  // a cast to the same dtype is another name for its argument
  for (size_t v = 0; v < roots.size(); ++v) roots[v] = static_cast<int>(v);
  for (size_t s = 0; s < spec_.size(); ++s) {
    const ProgramStep& spec = spec_[s];
    const ResolvedStep found = resolve(table, s, spec, dtypes);
    dtypes.push_back(found.result);
    if (!found.kernel) {
      roots.push_back(roots[spec.args[0]]);
      continue;
    }
    std::vector<int64_t> args = spec.args;
    const int result = static_cast<int>(dtypes.size()) - 1;
    Step step{"cast", found.kernel, found.with_options, result, static_cast<int>(args.size()), {}};
    if (spec.function != "cast") {
      step.function = find_row(table.functions, spec.function, spec.dtype)->function;
    } else {
      if (const auto one = fused(table, spec_, dtypes, inputs_.size(), spec.args[0], found.result)) {
        step.function = "";
        step.kernel = one->row->kernel;
        step.with_options = one->row->with_options;
        step.arity = one->row->arity;
        args = one->args;
      }
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
  pair(table, dtypes);
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

void Pointwise::pair(const KernelTable& table, const std::vector<DType>& dtypes) {
  std::vector<int> uses(dtypes.size());
  uses[result_] = 1;
  for (const Step& step : steps_) {
    for (int a = 0; a < step.arity; ++a) ++uses[step.args[a]];
  }
  pair_steps(
      table, steps_, [&](int value) { return dtypes[value]; },
      [&](int value, int times) { return uses[value] <= times; });
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
