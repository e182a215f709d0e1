// Matrix multiply in the canonical order: per output, chunks of KC products accumulated by fma in ascending k from +0,
// chunk results added in ascending order; then an epilogue.
#pragma once

#include <optional>
#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "pointwise.hpp"
#include "threads.hpp"

namespace accel {

/// batch x (m, k) times batch x (k, n). Every stride list covers the batch dimensions and then the operand's own two.
struct MatmulProblem {
  Extents batch;
  int64_t m, n, k;
  Operand a, b, out;
  std::vector<Operand> extras;  // the epilogue's inputs after the accumulator, over (batch..., m, n)
};

class Matmul {
 public:
  /// `epilogue` may be null. Its first input is the accumulator: float32 for float32, float16 and bfloat16, float64 for
  /// float64, any integer dtype for integers; its output is `output`. Throws std::invalid_argument.
  /// `matrix_units` allows 16-bit floats another order of additions, within the same error bound.
  Matmul(const KernelTable& table, DType dtype, DType output, const Pointwise* epilogue, bool matrix_units);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }
  size_t extras() const { return finish_ ? finish_->inputs().size() - 1 : 0; }
  DType extra(size_t i) const { return finish_->inputs()[i + 1]; }

  void run(const MatmulProblem& problem, int threads, Interrupt& interrupt) const;

 private:
  struct Call;
  struct Entry;
  struct Region;
  struct Panels;

  template <class Body>
  void for_entries(const Call& call, int64_t begin, int64_t end, Body&& body) const;
  void run_few(const Call& call, int threads, Interrupt& interrupt) const;
  bool run_few(const Call& call, const FewRow& kernels, int threads, Interrupt& interrupt) const;
  void run_direct(const Call& call, int threads, Interrupt& interrupt) const;
  bool batches(const Call& call) const;
  void run_batch(const Call& call, int threads, Interrupt& interrupt) const;
  void run_dots(const Call& call, int threads, Interrupt& interrupt) const;
  void run_pairs(const Call& call, int threads, Interrupt& interrupt) const;
  bool exact_a(const Call& call, const Entry& entry) const;
  bool repeatable(const Call& call) const;
  void run_packed(const Call& call, int threads, Interrupt& interrupt) const;
  bool run_packed(const Call& call, const Panels& panels, int threads, Interrupt& interrupt) const;
  bool few(const Call& call, const FewRow& kernels, const Entry& entry, const Region& region, char* factors,
           bool prepared, Worker& worker) const;
  void direct(const Call& call, const Entry& entry, const Region& region, Worker& worker) const;
  void direct_panels(const Call& call, int64_t m, int64_t n, int64_t k, const char* a, const char* b, char* c,
                     int64_t ldc, bool add) const;
  void finish_dot(const Call& call, const Entry& entry, int64_t chunks, char* sums, Worker& worker) const;
  bool packed(const Call& call, const Panels& panels, const Entry& entry, const Region& region, Worker& worker) const;
  void macro_tile(const Panels& panels, int64_t k, int64_t rows, int64_t columns, const char* a, const char* b, char* c,
                  int64_t ldc, bool add, bool padded, Worker& worker) const;
  void finish(const Call& call, const Entry& entry, const Region& region, char* acc, int64_t ldc, Worker& worker) const;

  /// How A and B are packed, and multiplied by tiles.
  struct Panels {
    int64_t mr, nr, depth;
    int64_t group, parts, starts;  // as in UnitRow
    decltype(MatmulRow::tile) tile;
    PackPanel a, b;

    int64_t a_size(int64_t k) const { return (k + group - 1) / group * parts + starts; }  // of a row, in accumulators
    int64_t b_size(int64_t k) const { return (k + group - 1) / group; }                   // of a column
  };

  const DType dtype_, output_;
  int size_;  // bytes of the compute type
  const MatmulRow* kernel_ = nullptr;
  const PackRow* pack_ = nullptr;
  const FewRow* few_ = nullptr;  // null where B's dtype is not multiplied as it is stored
  Panels panels_;
  Panels matrix_panels_;
  const MatrixKernels* matrix_ = nullptr;
  const FewRow* matrix_few_ = nullptr;
  bool native_;                      // dtype is stored as the compute type
  std::optional<Pointwise> finish_;  // accumulator to output; none where they are the same bits
};

}  // namespace accel
