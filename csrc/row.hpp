// Row programs: scalar steps and folds over the rows of a domain, in stages between the folds, each of which goes over
// the elements in tiles that stay in cache.
//
//   stage 0   m = max x
//   stage 1   p = exp(x - m), t = sum p
//   stage 2   out = p / t
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "steps.hpp"
#include "threads.hpp"

namespace accel {

/// Inputs and outputs of a program, together.
inline constexpr size_t kMaxOperands = 128;

/// The dtype of a value of a row program, and whether it is a number for each element or one for each row.
struct RowValue {
  DType dtype;
  bool each;
};

/// Strides of operands of each element are those of the kept, then of the reduced dimensions; of each row, of the kept.
/// There is at least one row, of at least one element.
struct RowProblem {
  Extents kept, reduced;
  std::vector<Extents> in, out;
};

class Row {
 public:
  /// Steps are scalar functions and casts; "fold" with a kind instead of the dtype; and "index", which has no argument.
  /// Throws std::invalid_argument for what the table does not have or what does not fit together.
  Row(const KernelTable& table, std::vector<RowValue> inputs, const std::vector<ProgramStep>& steps,
      std::vector<int64_t> outputs);

  const std::vector<RowValue>& inputs() const { return inputs_; }
  const std::vector<RowValue>& outputs() const { return outputs_; }
  /// Steps, folds and the loads of operands.
  size_t work() const { return items_.size() + inputs_.size(); }

  /// A problem made ready for at most so many threads: how its rows are walked.
  struct Call;
  std::shared_ptr<const Call> prepare(const RowProblem& problem, int threads) const;

  /// Outputs overlap no input, except that one of a program without folds may be exactly the memory of an input.
  void run(const Call& call, char* const* in, char* const* out, int threads, Interrupt& interrupt) const;

 private:
  /// A step, a fold or the index. Arguments and results are values.
  struct Item {
    enum class Kind { kStep, kFold, kIndex } kind;
    const char* function;  // of a step: a function's name, "cast" or, of several in one, "first second"
    ArrayKernel kernel;
    OptionKernel with_options;  // null where there is none
    unsigned only;              // arguments that are one element wherever with_options is used; 0 where any may be
    const FoldRow* fold;        // of elements
    const FoldRow* next;        // of block results
    int result;
    int arity;
    int args[kMaxArity];
  };

  /// Where the elements of a value are while a tile is computed.
  enum class Home {
    kNone,
    kInput,  // the operand, or a tile that is gathered from it
    kIndex,  // a tile of numbers
    kRow,    // of a row's value: repeated
    kKept,   // memory for whole rows, from stage to stage
    kWide,   // a tile
    kSlot,   // a part of a tile, in L1
    kOut,    // the operand, or a tile that is scattered to it
  };
  struct Place {
    Home home = Home::kNone;
    int number = 0;           // of the operand, kept memory, tile or slot
    int flat = -1;            // the slot where the rows of a leaf are put one after another, where rows are short
    bool repeats = true;      // of a row's value: every step can repeat it
    bool read_again = false;  // after the step that computes it
  };
  struct Fill {
    int value;  // a row's, of which a fold takes so many elements
    int wide;
  };

  /// A sum of x where an element's number is a row's value, and of a row's value, which is to be +0, elsewhere: in a
  /// block without that element it is +0.
  struct Choice {
    size_t fold;  // of the stage's
    int number, zero;
  };

  /// What is done between folds.
  struct Stage {
    std::vector<Item> row_steps;  // of rows' values, first
    std::vector<int> leaves;      // values that tiles start from: operands', kept ones, the index, rows'
    std::vector<Item> steps;      // of elements
    std::vector<Fill> fills;
    std::vector<Item> folds;     // of the tiles' elements
    std::vector<int> stored;     // outputs that are copied from another home
    std::vector<int> scattered;  // outputs whose home is kOut
    std::vector<Place> places;   // of every value
    int wides = 0, slots = 0;
    std::vector<Choice> choices;
    std::vector<int> other_leaves;  // what is needed where no choice is in a block
    std::vector<Item> other_steps;
    bool simple = false;  // one step, which reads and writes everything where it is
    bool passes() const { return !folds.empty() || !stored.empty() || !scattered.empty(); }
  };

  /// The stages; where values are kept for later ones, or computed again from the operands.
  struct Plan {
    std::vector<Stage> stages;
    std::vector<int> kept;   // values
    int64_t kept_bytes = 0;  // of one element's
    int wides = 0, slots = 0;
  };

  struct Group;
  class Tiles;

  void drop_dead_items();
  Plan make_plan(bool keeps) const;
  bool cheap(int value) const;
  void add_elements(Stage& stage, int value, std::vector<bool>& wanted, const std::vector<bool>& computed,
                    std::vector<bool>& kept, bool keeps) const;
  void fold_before_casts(Stage& stage, const std::vector<int>& uses, const std::vector<bool>& kept) const;
  void pair(Stage& stage, const std::vector<int>& uses, const std::vector<bool>& kept) const;
  void find_choices(Stage& stage, const std::vector<bool>& kept) const;
  void place_values(Plan& plan, Stage& stage, const std::vector<bool>& kept) const;
  void begin_group(const Call& call, Group& group) const;
  void run_row_steps(const Call& call, const Stage& stage, Group& group) const;
  void finish_folds(const Call& call, const Stage& stage, Group& group) const;
  void write_rows(const Call& call, const Group& group) const;
  bool folds_across(const Call& call) const;
  void run_groups(const Call& call, char* const* operands, int threads, int64_t tasks, Interrupt& interrupt) const;
  void run_split(const Call& call, char* const* operands, int threads, int64_t tasks, Interrupt& interrupt) const;

  const KernelTable& table_;
  std::vector<RowValue> inputs_, outputs_;
  std::vector<RowValue> values_;
  std::vector<int64_t> sizes_;    // bytes of each value's elements
  std::vector<int> stages_;       // in which each value can be computed
  std::vector<int> sources_;      // the item that gives a value; -1 for inputs and what is not needed
  std::vector<int> row_numbers_;  // of rows' values: where they are in a group's memory; -1 for others
  int row_values_ = 0;
  std::vector<Item> items_;
  std::vector<int> results_;  // the values of the outputs
  Plan kept_, again_;
};

}  // namespace accel
