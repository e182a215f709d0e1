#include "row.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "reduce.hpp"
#include "step_pairs.hpp"

namespace accel {

namespace {

constexpr const char* kPaired[] = {"add", "subtract", "multiply"};
const std::string kCast = "cast";

bool is_arithmetic(const std::string& function) {
  return std::find(std::begin(kPaired), std::end(kPaired), function) != std::end(kPaired);
}

}  // namespace

Row::Row(const KernelTable& table, std::vector<RowValue> inputs, const std::vector<ProgramStep>& steps,
         std::vector<int64_t> outputs)
    : table_(table), inputs_(std::move(inputs)), values_(inputs_), stages_(inputs_.size(), 0) {
  std::vector<DType> dtypes;
  std::vector<int> roots;  // a cast to the same dtype is another name for its argument
  for (size_t i = 0; i < inputs_.size(); ++i) {
    dtypes.push_back(inputs_[i].dtype);
    roots.push_back(static_cast<int>(i));
  }
  for (size_t s = 0; s < steps.size(); ++s) {
    const ProgramStep& step = steps[s];
    const int value = static_cast<int>(values_.size());
    Item item{Item::Kind::kStep, nullptr, nullptr, nullptr, 0, nullptr, nullptr, value, 0, {}};
    RowValue result{DType::kInt64, true};
    int stage = 0, root = value;
    if (step.function == "index") {
      if (!step.args.empty()) throw std::invalid_argument(describe(s, step) + " takes no argument");
      item.kind = Item::Kind::kIndex;
    } else if (step.function == "fold") {
      if (step.args.size() != 1 || step.args[0] < 0 || step.args[0] >= value) {
        throw std::invalid_argument(describe(s, step) + " takes one of the values before it");
      }
      const int arg = roots[step.args[0]];
      result = {values_[arg].dtype, false};
      item.kind = Item::Kind::kFold;
      item.fold = item.next = &find_fold(table, step.dtype, result.dtype);
      if (is_half(result.dtype) || size_of(result.dtype) < 4 || result.dtype == DType::kInt32 ||
          result.dtype == DType::kUint32) {
        throw std::invalid_argument(describe(s, step) + " of " + info(result.dtype).name);
      }
      item.arity = 1;
      item.args[0] = arg;
      stage = stages_[arg] + 1;
    } else {
      const ResolvedStep found = resolve(table, s, step, dtypes);
      result = {found.result, false};
      item.arity = static_cast<int>(step.args.size());
      for (int a = 0; a < item.arity; ++a) {
        item.args[a] = roots[step.args[a]];
        result.each |= values_[item.args[a]].each;
        stage = std::max(stage, stages_[item.args[a]]);
      }
      item.function = step.function == kCast ? "cast" : find_row(table.functions, step.function, step.dtype)->function;
      item.kernel = found.kernel;
      item.with_options = found.with_options;
      if (!found.kernel) root = item.args[0];
    }
    values_.push_back(result);
    dtypes.push_back(result.dtype);
    stages_.push_back(stage);
    roots.push_back(root);
    if (root == value) items_.push_back(item);
  }
  if (outputs.empty()) throw std::invalid_argument("a row program needs an output");
  if (inputs_.size() + outputs.size() > kMaxOperands) {
    throw std::invalid_argument("a row program has at most " + std::to_string(kMaxOperands) + " inputs and outputs");
  }
  for (const int64_t output : outputs) {
    if (output < 0 || output >= static_cast<int64_t>(values_.size())) {
      throw std::invalid_argument("output " + std::to_string(output) + " is no value");
    }
    results_.push_back(roots[output]);
    outputs_.push_back(values_[roots[output]]);
  }
  for (const RowValue& value : values_) sizes_.push_back(size_of(value.dtype));
  drop_dead_items();
  kept_ = make_plan(true);
  again_ = make_plan(false);
}

void Row::drop_dead_items() {
  std::vector<Item> live;
  std::vector<bool> needed(values_.size());
  for (const int value : results_) needed[value] = true;
  for (auto item = items_.rbegin(); item != items_.rend(); ++item) {
    if (!needed[item->result]) continue;
    for (int a = 0; a < item->arity; ++a) needed[item->args[a]] = true;
    live.push_back(*item);
  }
  items_.assign(live.rbegin(), live.rend());
  sources_.assign(values_.size(), -1);
  for (size_t i = 0; i < items_.size(); ++i) sources_[items_[i].result] = static_cast<int>(i);
  row_numbers_.assign(values_.size(), -1);
  for (size_t v = 0; v < values_.size(); ++v) {
    if (needed[v] && !values_[v].each) row_numbers_[v] = row_values_++;
  }
}

/// Whether a later stage had better compute a value again from operands, perhaps in one with other steps, than have it
/// kept.
bool Row::cheap(int value) const {
  const Item& item = items_[sources_[value]];
  if (item.kind != Item::Kind::kStep) return false;
  const DType dtype = values_[value].dtype;
  if (item.function == kCast) return sources_[item.args[0]] < 0;
  if (!is_arithmetic(item.function) || (dtype != DType::kFloat32 && dtype != DType::kFloat64)) return false;
  const auto is_operand = [&](int arg) { return !values_[arg].each || sources_[arg] < 0; };
  const auto is_widened = [&](int arg) {
    const Item& first = items_[sources_[arg]];
    return first.kind == Item::Kind::kStep && first.function == kCast && sources_[first.args[0]] < 0 &&
           find_pair(table_, first.function, item.function, values_[first.args[0]].dtype, values_[first.result].dtype,
                     dtype);
  };
  const bool others_are_operands = std::all_of(item.args + 1, item.args + item.arity, is_operand);
  return others_are_operands && (is_operand(item.args[0]) || is_widened(item.args[0]));
}

/// Marks in `wanted` the items that a stage needs for a value of each element, and adds what they start from.
void Row::add_elements(Stage& stage, int value, std::vector<bool>& wanted, const std::vector<bool>& computed,
                       std::vector<bool>& kept, bool keeps) const {
  std::vector<int> open{value};
  while (!open.empty()) {
    const int v = open.back();
    open.pop_back();
    if (wanted[v] || std::find(stage.leaves.begin(), stage.leaves.end(), v) != stage.leaves.end()) continue;
    const int source = sources_[v];
    const bool is_step = values_[v].each && source >= 0 && items_[source].kind == Item::Kind::kStep;
    const bool keep = is_step && keeps && computed[v] && !cheap(v);
    if (keep) kept[v] = true;
    if (!is_step || keep) {
      stage.leaves.push_back(v);
      continue;
    }
    wanted[v] = true;
    for (int a = 0; a < items_[source].arity; ++a) open.push_back(items_[source].args[a]);
  }
}

/// A fold of elements that are widened for it alone reads them as they are.
void Row::fold_before_casts(Stage& stage, const std::vector<int>& uses, const std::vector<bool>& kept) const {
  for (Item& fold : stage.folds) {
    const int wide = fold.args[0];
    const auto cast =
        std::find_if(stage.steps.begin(), stage.steps.end(), [&](const Item& step) { return step.result == wide; });
    if (cast == stage.steps.end() || cast->function != kCast || uses[wide] > 1 || kept[wide]) continue;
    const DType from = values_[cast->args[0]].dtype;
    const FoldRow& direct = find_fold(table_, fold.next->kind, from);
    if (direct.accumulator != storage(values_[wide].dtype)) continue;
    fold.fold = &direct;
    fold.args[0] = cast->args[0];
    stage.steps.erase(cast);
  }
}

/// Makes one of two steps where the kernels have both in one, and takes quotients by a row's value to theirs.
void Row::pair(Stage& stage, const std::vector<int>& uses, const std::vector<bool>& kept) const {
  pair_steps(
      table_, stage.steps, [&](int value) { return values_[value].dtype; },
      [&](int value, int times) { return uses[value] <= times && !kept[value]; });
  for (Item& step : stage.steps) {
    if (step.function != std::string("divide") || !values_[step.args[0]].each || values_[step.args[1]].each) continue;
    const FunctionRow* const row = find_row(table_.quotients, "divide", info(values_[step.result].dtype).name);
    if (!row) continue;
    step.with_options = row->with_options;
    step.only = 1u << 1;
  }
}

/// Finds the stage's choices, and what it does beside them. All values have their places.
void Row::find_choices(Stage& stage, const std::vector<bool>& kept) const {
  const auto step_of = [&](int value, const char* function) -> const Item* {
    const Item* const item = sources_[value] < 0 ? nullptr : &items_[sources_[value]];
    return item && item->kind == Item::Kind::kStep && item->function == std::string(function) ? item : nullptr;
  };
  const auto is_index = [&](int value) {
    return sources_[value] >= 0 && items_[sources_[value]].kind == Item::Kind::kIndex;
  };
  for (size_t f = 0; f < stage.folds.size(); ++f) {
    const Item* const where = step_of(stage.folds[f].args[0], "where");
    if (!where || stage.folds[f].next->kind != std::string("sum") || values_[where->args[2]].each) continue;
    const Item* const equal = step_of(where->args[0], "equal");
    if (!equal) continue;
    const bool first = is_index(equal->args[0]);
    const int number = equal->args[first ? 1 : 0];
    if (!is_index(equal->args[first ? 0 : 1]) || values_[number].each) continue;
    stage.choices.push_back({f, number, where->args[2]});
  }
  std::vector<bool> needed = kept;
  for (size_t f = 0; f < stage.folds.size(); ++f) {
    const auto is_its = [&](const Choice& choice) { return choice.fold == f; };
    if (std::none_of(stage.choices.begin(), stage.choices.end(), is_its)) needed[stage.folds[f].args[0]] = true;
  }
  for (const int k : stage.stored) needed[results_[k]] = true;
  for (const int k : stage.scattered) needed[results_[k]] = true;
  for (auto step = stage.steps.rbegin(); step != stage.steps.rend(); ++step) {
    if (!needed[step->result]) continue;
    for (int a = 0; a < step->arity; ++a) needed[step->args[a]] = true;
    stage.other_steps.insert(stage.other_steps.begin(), *step);
  }
  std::copy_if(stage.leaves.begin(), stage.leaves.end(), std::back_inserter(stage.other_leaves),
               [&](int leaf) { return needed[leaf]; });
}

/// Every leaf has a slot for short rows; a step's is free again after the last step that reads it.
void Row::place_values(Plan& plan, Stage& stage, const std::vector<bool>& kept) const {
  std::vector<int> last_use(values_.size(), -1);
  std::vector<bool> folded(values_.size());
  stage.places.assign(values_.size(), {});
  for (size_t s = 0; s < stage.steps.size(); ++s) {
    const Item& step = stage.steps[s];
    for (int a = 0; a < step.arity; ++a) last_use[step.args[a]] = static_cast<int>(s);
  }
  for (const Item& fold : stage.folds) folded[fold.args[0]] = true;
  const auto kept_number = [&](int value) {
    const auto at = std::find(plan.kept.begin(), plan.kept.end(), value);
    return static_cast<int>(at - plan.kept.begin());
  };
  for (const int leaf : stage.leaves) {
    Place& place = stage.places[leaf];
    if (!values_[leaf].each) {
      place.home = Home::kRow;
      place.number = row_numbers_[leaf];
    } else if (sources_[leaf] < 0) {
      place.home = Home::kInput;
      place.number = leaf;
    } else if (items_[sources_[leaf]].kind == Item::Kind::kIndex) {
      place.home = Home::kIndex;
    } else {
      place.home = Home::kKept;
      place.number = kept_number(leaf);
    }
    if (last_use[leaf] >= 0) place.flat = stage.slots++;
  }
  for (const Item& step : stage.steps) {
    for (int a = 0; a < step.arity; ++a) {
      Place& place = stage.places[step.args[a]];
      place.repeats &= step.with_options != nullptr;
    }
  }
  for (size_t k = 0; k < results_.size(); ++k) {
    const int value = results_[k];
    if (!values_[value].each || stages_[value] != &stage - plan.stages.data()) continue;
    Place& place = stage.places[value];
    if (place.home != Home::kNone || kept[value]) {
      stage.stored.push_back(static_cast<int>(k));
    } else {
      place.home = Home::kOut;
      place.number = static_cast<int>(k);
      stage.scattered.push_back(static_cast<int>(k));
    }
  }
  std::vector<int> free;
  for (size_t s = 0; s < stage.steps.size(); ++s) {
    const Item& step = stage.steps[s];
    Place& place = stage.places[step.result];
    place.read_again = last_use[step.result] >= 0 || folded[step.result];
    if (kept[step.result]) {
      place.home = Home::kKept;
      place.number = kept_number(step.result);
    } else if (place.home == Home::kNone && folded[step.result]) {
      place.home = Home::kWide;
      place.number = stage.wides++;
    } else if (place.home == Home::kNone) {
      // Taken before the arguments' slots are given back: a result shares no memory with its arguments.
      if (free.empty()) free.push_back(stage.slots++);
      place.home = Home::kSlot;
      place.number = free.back();
      free.pop_back();
    }
    for (int a = 0; a < step.arity; ++a) {
      const int value = step.args[a];
      const bool repeated = std::find(step.args, step.args + a, value) != step.args + a;
      if (stage.places[value].home == Home::kSlot && last_use[value] == static_cast<int>(s) && !repeated) {
        free.push_back(stage.places[value].number);
      }
    }
  }
  for (const Item& fold : stage.folds) {
    if (!values_[fold.args[0]].each) stage.fills.push_back({fold.args[0], stage.wides++});
  }
  stage.simple = stage.steps.size() == 1 && std::all_of(stage.leaves.begin(), stage.leaves.end(),
                                                        [&](int leaf) { return stage.places[leaf].repeats; });
  plan.wides = std::max(plan.wides, stage.wides);
  plan.slots = std::max(plan.slots, stage.slots);
}

Row::Plan Row::make_plan(bool keeps) const {
  Plan plan;
  int last = 0;
  for (const Item& item : items_) last = std::max(last, stages_[item.result]);
  plan.stages.resize(static_cast<size_t>(last) + 1);
  std::vector<bool> computed(values_.size()), kept(values_.size());
  std::vector<std::vector<int>> uses;
  for (Stage& stage : plan.stages) {
    const int number = static_cast<int>(&stage - plan.stages.data());
    std::vector<bool> wanted(values_.size());
    std::vector<int> its_uses(values_.size());
    for (const Item& item : items_) {
      if (item.kind == Item::Kind::kFold && stages_[item.args[0]] == number) {
        stage.folds.push_back(item);
        ++its_uses[item.args[0]];
        if (values_[item.args[0]].each) add_elements(stage, item.args[0], wanted, computed, kept, keeps);
      } else if (item.kind == Item::Kind::kStep && !values_[item.result].each && stages_[item.result] == number) {
        stage.row_steps.push_back(item);
      }
    }
    for (const int value : results_) {
      if (!values_[value].each || stages_[value] != number) continue;
      ++its_uses[value];
      add_elements(stage, value, wanted, computed, kept, keeps);
    }
    for (const Item& item : items_) {
      if (!wanted[item.result]) continue;
      stage.steps.push_back(item);
      for (int a = 0; a < item.arity; ++a) ++its_uses[item.args[a]];
      computed[item.result] = true;
    }
    uses.push_back(its_uses);
  }
  for (size_t v = 0; v < kept.size(); ++v) {
    if (!kept[v]) continue;
    plan.kept.push_back(static_cast<int>(v));
    plan.kept_bytes += size_of(values_[v].dtype);
  }
  for (size_t s = 0; s < plan.stages.size(); ++s) {
    fold_before_casts(plan.stages[s], uses[s], kept);
    pair(plan.stages[s], uses[s], kept);
    place_values(plan, plan.stages[s], kept);
    find_choices(plan.stages[s], kept);
  }
  return plan;
}

}  // namespace accel
