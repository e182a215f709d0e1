#include "attention.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "contract.hpp"

namespace accel {

#define ACCEL_ATTENTION(isa)           \
  namespace isa {                      \
  Rows<AttentionRow> attention_rows(); \
  }
ACCEL_ATTENTION(baseline)
#if defined(__x86_64__)
ACCEL_ATTENTION(avx2)
ACCEL_ATTENTION(avx512)
#elif defined(__aarch64__)
ACCEL_ATTENTION(neon)
#endif
#undef ACCEL_ATTENTION

namespace {

constexpr double kThreadWork = 1 << 17;  // multiplications and additions that are worth a thread

Rows<AttentionRow> rows_of(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::attention_rows();
  if (isa == "avx2") return avx2::attention_rows();
#elif defined(__aarch64__)
  if (isa == "neon") return neon::attention_rows();
#endif
  return baseline::attention_rows();
}

/// How the rows of one head of keys are cut into parts: whole heads of queries together where they are short.
struct Tiles {
  int64_t span, count;  // rows that are cut alike, and the parts of each
  int64_t spans;

  Tiles(const AttentionProblem& p) {
    span = p.queries > kAttentionRows / 4 ? p.queries : p.queries * p.shared;
    spans = p.queries * p.shared / span;
    count = (span + kAttentionRows - 1) / kAttentionRows;
  }
  int64_t parts() const { return spans * count; }
  /// The first row of a part. The last rows, of which causal ones have most to do, come first.
  int64_t begin(int64_t part) const { return part / count * span + span * (part % count) / count; }
  int64_t end(int64_t part) const { return part / count * span + span * (part % count + 1) / count; }
};

}  // namespace

Attention::Attention(const KernelTable& table, DType dtype) : dtype_(dtype) {
  if (!is_half(dtype) && dtype != DType::kFloat32 && dtype != DType::kFloat64) {
    throw std::invalid_argument("attention takes floating dtypes");
  }
  const CType type = dtype == DType::kFloat64 ? CType::kF64 : CType::kF32;
  for (const AttentionRow& row : rows_of(table.isa)) {
    if (row.type == type) row_ = &row;
  }
}

void Attention::run(const AttentionProblem& p, const bool (&given)[5], const int64_t (&steps)[2], char* const* inputs,
                    char* const* outputs, int threads, Interrupt& interrupt) const {
  const int64_t itemsize = size_of(p.dtype), type_size = p.dtype == DType::kFloat64 ? 8 : 4;
  const char* others[5] = {};
  for (int i = 0, next = 3; i < 5; ++i) {
    if (given[i]) others[i] = inputs[next++];
  }
  const auto integer = [&](int which, int64_t b) {
    return reinterpret_cast<const int64_t*>(others[3 + which])[b * steps[which]];
  };
  const int64_t shared_heads = p.heads / p.shared;
  const Tiles tiles(p);
  const auto part_of = [&](int64_t number) {
    const int64_t b = number / (shared_heads * tiles.parts()), head = number / tiles.parts() % shared_heads;
    const int64_t tile = tiles.parts() - 1 - number % tiles.parts();
    const int64_t start = others[3] ? std::clamp<int64_t>(integer(0, b), 0, p.keys) : 0;
    const int64_t length = others[4] ? std::clamp<int64_t>(integer(1, b), 0, p.keys - start) : p.keys - start;
    const int64_t first = head * p.shared;
    AttentionPart part{};
    part.problem = &p;
    part.query = inputs[0] + (b * p.query[0] + first * p.query[1]) * itemsize;
    part.key = inputs[1] + (b * p.key[0] + head * p.key[1] + start * p.key[2]) * itemsize;
    part.value = inputs[2] + (b * p.value[0] + head * p.value[1] + start * p.value[2]) * itemsize;
    part.mask = others[0];
    if (part.mask) part.mask += (b * p.mask[0] + first * p.mask[1] + start * p.mask[3]) * size_of(p.mask_dtype);
    part.sinks = others[1] ? others[1] + first * p.sink * type_size : nullptr;
    part.slopes = others[2] ? others[2] + first * p.slope * type_size : nullptr;
    part.out = outputs[0] + (b * p.out[0] + first * p.out[1]) * itemsize;
    part.length = length;
    part.row = tiles.begin(tile);
    part.rows = tiles.end(tile) - part.row;
    part.begin = 0;
    part.end = length;
    return part;
  };
  const int64_t parts = p.batch * shared_heads * tiles.parts(), chunks = (p.keys + p.chunk - 1) / p.chunk;
  const double work = static_cast<double>(p.batch * p.heads) * static_cast<double>(p.queries) *
                      static_cast<double>(p.keys) * static_cast<double>(p.d + p.dv) / 8;
  threads = worthwhile(work, kThreadWork, threads);
  const int64_t room = row_->room(p), state = row_->state(p) * type_size;
  if (threads == 1 || parts >= 4 * int64_t{threads} || chunks == 1) {
    parallel_for(parts, threads, interrupt, [&](int64_t number, Worker& worker) {
      char* const memory = static_cast<char*>(scratch(ScratchUse::kTile, room + state * kAttentionRows));
      AttentionPart part = part_of(number);
      // Whole chunks at a time, so that a long sequence is interrupted soon.
      char* const states = memory + room;
      const int64_t total = part.end;
      const int64_t step = p.chunk * 64;
      part.end = std::min(step, total);
      row_->run(part, memory, states);
      worker.checkpoint(part.rows * part.end * (p.d + p.dv) / 16);
      if (part.end < total) {
        char* const more = static_cast<char*>(scratch(ScratchUse::kRows, p.chunk == 0 ? 0 : state * kAttentionRows));
        for (int64_t at = step; at < total; at += p.chunk) {
          part.begin = at;
          part.end = std::min(at + p.chunk, total);
          row_->run(part, memory, more);
          row_->join(part, states, more);
          worker.checkpoint(part.rows * p.chunk * (p.d + p.dv) / 16);
        }
      }
      row_->finish(part, states);
    });
    return;
  }
  // Each chunk has states of its own, which are joined in order.
  const int64_t stride = state * kAttentionRows;
  char* const states = static_cast<char*>(scratch(ScratchUse::kPartials, parts * chunks * stride));
  parallel_for(parts * chunks, threads, interrupt, [&](int64_t number, Worker& worker) {
    AttentionPart part = part_of(number / chunks);
    part.begin = std::min(number % chunks * p.chunk, part.length);
    part.end = std::min(part.begin + p.chunk, part.length);
    row_->run(part, scratch(ScratchUse::kTile, room), states + number * stride);
    worker.checkpoint(part.rows * p.chunk * (p.d + p.dv) / 16);
  });
  parallel_for(parts, threads, interrupt, [&](int64_t number, Worker& worker) {
    const AttentionPart part = part_of(number);
    char* const mine = states + number * chunks * stride;
    for (int64_t c = 1; c < chunks; ++c) row_->join(part, mine, mine + c * stride);
    row_->finish(part, mine);
    worker.checkpoint(part.rows * chunks * p.dv / 8);
  });
}

}  // namespace accel
