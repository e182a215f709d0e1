#include "attention.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "contract.hpp"
#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(Rows<AttentionRow> attention_rows())

namespace {

constexpr double kThreadWork = 1 << 17;  // multiplications and additions that are worth a thread

/// How the rows of one head of keys are cut into parts: whole heads of queries together where they are short.
struct Tiles {
  int64_t span, count;  // rows that are cut alike, and the parts of each
  int64_t spans;

  Tiles(int64_t queries, int64_t shared) {
    span = queries > kAttentionRows / 4 ? queries : queries * shared;
    spans = span == 0 ? 0 : queries * shared / span;
    count = (span + kAttentionRows - 1) / kAttentionRows;
  }
  int64_t parts() const { return spans * count; }
  /// The first row of a part. The last rows, of which causal ones have most to do, come first.
  int64_t begin(int64_t part) const { return part / count * span + span * (part % count) / count; }
  int64_t end(int64_t part) const { return part / count * span + span * (part % count + 1) / count; }
};

/// The queries of a sequence: those before the next one's first; all, where the last one ends at the end.
struct Packed {
  int64_t first, count;
  Packed(const char* offsets, int64_t step, int64_t b, int64_t batch, int64_t queries) {
    const auto at = [&](int64_t i) { return reinterpret_cast<const int64_t*>(offsets)[i * step]; };
    first = b == 0 ? 0 : std::clamp<int64_t>(at(b), 0, queries);
    count = (b == batch - 1 ? queries : std::clamp<int64_t>(at(b + 1), first, queries)) - first;
  }
};

}  // namespace

Attention::Attention(const KernelTable& table, DType dtype) : dtype_(dtype) {
  if (!is_half(dtype) && dtype != DType::kFloat32 && dtype != DType::kFloat64) {
    throw std::invalid_argument("attention takes floating dtypes");
  }
  const CType type = dtype == DType::kFloat64 ? CType::kF64 : CType::kF32;
  for (const AttentionRow& row : ACCEL_OF_ISA(table.isa, attention_rows)()) {
    if (row.type == type) row_ = &row;
  }
}

void Attention::run(const AttentionProblem& p, const bool (&given)[kOperands], const int64_t (&steps)[kOperands][2],
                    char* const* inputs, char* const* outputs, int threads, Interrupt& interrupt) const {
  const int64_t itemsize = size_of(p.dtype), type_size = p.dtype == DType::kFloat64 ? 8 : 4;
  const char* others[kOperands] = {};
  for (int i = 0, next = 3; i < kOperands; ++i) {
    if (given[i]) others[i] = inputs[next++];
  }
  const auto integer = [&](Operand which, int64_t b) {
    return reinterpret_cast<const int64_t*>(others[which])[b * steps[which][0]];
  };
  const int64_t shared_heads = p.heads / p.shared;
  // Of packed sequences, whose parts differ in number: how many there are before each.
  int64_t* before = nullptr;
  const auto packed = [&](int64_t b) { return Packed(others[kOffsets], steps[kOffsets][0], b, p.batch, p.queries); };
  if (others[kOffsets]) {
    before = static_cast<int64_t*>(scratch(ScratchUse::kBlocks, (p.batch + 1) * int64_t{sizeof(int64_t)}));
    before[0] = 0;
    for (int64_t b = 0; b < p.batch; ++b)
      before[b + 1] = before[b] + shared_heads * Tiles(packed(b).count, p.shared).parts();
  }
  const auto part_of = [&](int64_t number) {
    int64_t b = 0, row = 0, queries = p.queries;
    if (before) {
      b = std::upper_bound(before, before + p.batch + 1, number) - before - 1;
      number -= before[b];
      const Packed its = packed(b);
      row = its.first, queries = its.count;
    }
    const Tiles tiles(queries, p.shared);
    if (!before) {
      b = number / (shared_heads * tiles.parts());
      number %= shared_heads * tiles.parts();
    }
    const int64_t head = number / tiles.parts(), tile = tiles.parts() - 1 - number % tiles.parts();
    const int64_t start = others[kStarts] ? std::clamp<int64_t>(integer(kStarts, b), 0, p.keys) : 0;
    const int64_t length =
        others[kLengths] ? std::clamp<int64_t>(integer(kLengths, b), 0, p.keys - start) : p.keys - start;
    const int64_t first = head * p.shared;
    AttentionPart part{};
    part.problem = &p;
    part.query = inputs[0] + (b * p.query[0] + first * p.query[1] + row * p.query[2]) * itemsize;
    part.key = inputs[1] + head * p.key[1] * itemsize;
    part.value = inputs[2] + head * p.value[1] * itemsize;
    if (others[kPages]) {
      part.table = reinterpret_cast<const int64_t*>(others[kPages]) + b * steps[kPages][0];
      part.step = steps[kPages][1];
      part.start = start;
    } else {
      part.key += (b * p.key[0] + start * p.key[2]) * itemsize;
      part.value += (b * p.value[0] + start * p.value[2]) * itemsize;
    }
    part.mask = others[kMask];
    if (part.mask) part.mask += (b * p.mask[0] + first * p.mask[1] + start * p.mask[3]) * size_of(p.mask_dtype);
    part.sinks = others[kSinks] ? others[kSinks] + first * p.sink * type_size : nullptr;
    part.slopes = others[kSlopes] ? others[kSlopes] + first * p.slope * type_size : nullptr;
    if (others[kDropout]) {
      part.dropout = reinterpret_cast<const uint64_t*>(others[kDropout]) + b * p.dropout[0] + first * p.dropout[1];
    }
    part.out = outputs[0] + (b * p.out[0] + first * p.out[1] + row * p.out[2]) * itemsize;
    part.queries = queries;
    part.length = length;
    part.row = tiles.begin(tile);
    part.rows = tiles.end(tile) - part.row;
    part.begin = 0;
    part.end = length;
    return part;
  };
  const int64_t parts = before ? before[p.batch] : p.batch * shared_heads * Tiles(p.queries, p.shared).parts();
  const int64_t chunks = (p.keys + p.chunk - 1) / p.chunk;
  const double work = static_cast<double>(before ? p.heads : p.batch * p.heads) * static_cast<double>(p.queries) *
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
