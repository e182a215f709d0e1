// Two steps of a program in a pass, where the kernels have both in one: the bits are those of the steps one by one.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "steps.hpp"

namespace accel {

/// The row of `function`, or of a cast, in one with a step `first` before it, whose result is its first argument; null
/// where there is none. from, between, result: dtypes of the first step's first argument, of its result and of the
/// second's. Loops that read or write 16-bit floats are at that dtype, and compute in float32.
const FunctionRow* find_pair(const KernelTable& table, const std::string& first, const std::string& function,
                             DType from, DType between, DType result);

/// Makes one of two steps where the table has both in one, and nothing else needs the first's result; and of that and
/// a third. type_of(value): its dtype. free(value, times): whether nothing but these reads of a step needs a value.
/// A Step has function ("" where it is in no pair), kernel, with_options, result, arity and args.
template <class Step, class TypeOf, class Free>
void pair_steps(const KernelTable& table, std::vector<Step>& all, const TypeOf& type_of, const Free& free) {
  std::vector<Step> steps;
  for (const Step& step : all) {
    const bool twice = step.arity == 2 && step.args[0] == step.args[1];
    std::string function = step.function;
    if (twice && function != "multiply") {
      steps.push_back(step);
      continue;
    }
    if (twice) function = "square";
    const bool commutes = step.arity == 2 && (function == "add" || function == "multiply");
    bool paired = false;
    for (int a = 0; a < (commutes ? 2 : 1) && a < step.arity && !paired; ++a) {
      const int value = step.args[a];
      const auto first = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.result == value; });
      if (first == steps.end() || !free(value, 1 + twice)) continue;
      const FunctionRow* const row =
          find_pair(table, first->function, function, type_of(first->args[0]), type_of(value), type_of(step.result));
      if (!row) continue;
      Step both = step;
      both.function = row->function;
      both.kernel = row->kernel;
      both.with_options = row->with_options;
      both.arity = row->arity;
      std::copy_n(first->args, first->arity, both.args);
      for (int from = 0, to = first->arity; to < row->arity; ++from) {
        if (from != a) both.args[to++] = step.args[from];
      }
      const auto is_read = [&](int k) { return row->args[k] == storage(type_of(both.args[k])); };
      bool reads = true;
      for (int k = 0; k < row->arity; ++k) reads &= is_read(k);
      if (!reads) continue;
      steps.erase(first);
      steps.push_back(both);
      paired = true;
    }
    if (!paired) steps.push_back(step);
  }
  all = std::move(steps);
}

}  // namespace accel
