// One task makes a block of outputs (rows) at a block of places (columns) of one group, chunk by chunk:
//
//                            places ->
//                          +-----------+
//                        k | windows   |  packed by the task, zeros where there is no element
//                          +-----------+
//            k
//          +-----------+   +-----------+
//  outputs | weight    |   | sums      |  added to +0, then the bias, then stored
//          +-----------+   +-----------+
//            packed once
//
// The epilogue goes over a block in the result's memory, while it is in the cache.
//
// A zero is no skipped term where the weight is not finite (0 * inf), nor for a sum of -0; but the latter becomes +0 in
// the end, and for the former there is a path that skips.
#include "convolution.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "contract.hpp"

namespace accel {

namespace {

constexpr double kThreadWork = 1 << 22;   // multiply-adds that are worth a thread
constexpr double kTaskWork = 1 << 18;     // multiply-adds of a task of planes at least, where there are many
constexpr int64_t kSumBytes = 512 << 10;  // sums of a task, in L2
constexpr int64_t kMostPanels = 8;        // of places in a task
constexpr int64_t kRowBytes = 96 << 10;
constexpr int64_t kWindowPanels = 2;       // of outputs, whose products take as long as packing their windows
constexpr double kWeightPanels = 0.25;     // of places, whose products take as long as reading their weight
constexpr int64_t kPackTerms = 64;         // terms of all outputs that are packed at a time, where these lie together
constexpr int64_t kPackTile = 512;         // channels times positions of a row of the weight that are packed at a time
constexpr int64_t kPlaneBytes = 24 << 10;  // rows of a plane, with their shifted copies, in L1
constexpr int64_t kPlaneTerms = 64;
constexpr int64_t kNineRows = 16;  // of a block at least: two more are read than are made
constexpr int64_t kFinish = 4096;  // results of planes that an epilogue takes at a time, in L1
constexpr int64_t kMostStride = 4;

int64_t parts_of(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

/// Places beside each other along the last axis: the first one, `column` in a block and `across` along that axis.
struct Run {
  int64_t column, length, across, o1, o0;
  int64_t offset;  // of the entry's first element
};

/// Neighbouring places that meet neighbouring elements, or none.
struct Span {
  int64_t column, length;
  int64_t from;  // element of x that the first one meets, or kNowhere
};

constexpr int64_t kNowhere = INT64_MIN;

template <class T>
struct Convolver {
  const MatmulRow& row;
  const TapRow& taps;
  const PackPanel pack_rows;
  const ConvolutionProblem& p;
  const T* x;
  const T* weight;
  const T* bias;
  T* out;
  const Pointwise* epilogue;
  char* const* extras;

  const int64_t area = p.places[0] * p.places[1] * p.places[2];
  const int64_t columns = p.batch * area;
  const int64_t positions = p.kernel[0] * p.kernel[1] * p.kernel[2];
  const int64_t terms = positions * p.channels;
  const int64_t panels = parts_of(p.outputs, row.mr);  // of a group's rows

  const bool leaves = leaves_out();

  /// Whether some place meets no element at some kernel position.
  bool leaves_out() const {
    for (int a = 0; a < kSpatial; ++a) {
      const int64_t last = (p.places[a] - 1) * p.stride[a] + (p.kernel[a] - 1) * p.dilation[a] - p.low[a];
      if (p.low[a] > 0 || p.spread[a] > 1 || last >= p.lengths[a]) return true;
    }
    return false;
  }

  /// The element of axis a, times its stride, that a place meets at a kernel position; false where there is none.
  bool meets(int a, int64_t place, int64_t k, int64_t& offset) const {
    const int64_t at = place * p.stride[a] + k * p.dilation[a] - p.low[a];
    const int64_t element = p.spread[a] == 1 ? at : at / p.spread[a];
    if (at < 0 || element * p.spread[a] != at || element >= p.lengths[a]) return false;
    offset += element * p.x[3 + a];
    return true;
  }

  /// Where on the spatial axes of a weight a position is.
  int64_t of_weight(int64_t position) const {
    const int64_t k2 = position % p.kernel[2], k1 = position / p.kernel[2] % p.kernel[1];
    return position / p.kernel[2] / p.kernel[1] * p.weight[3] + k1 * p.weight[4] + k2 * p.weight[5];
  }

  /// Whether an output's weight lies channel by channel without gaps, position beside position.
  bool by_position() const {
    return positions > 1 && p.weight[2] == positions && (p.kernel[2] == 1 || p.weight[5] == 1) &&
           (p.kernel[1] == 1 || p.weight[4] == p.kernel[2]) &&
           (p.kernel[0] == 1 || p.weight[3] == p.kernel[1] * p.kernel[2]);
  }

  /// Packs such rows a block of channels at a time: in the order in which they lie, then position by position. Returns
  /// whether all are finite, or need not be.
  bool pack_neighbours(const T* from, int64_t valid, T* to) const {
    bool finite = true;
    const int64_t mr = row.mr, block = std::clamp<int64_t>(kPackTile / positions, 1, p.channels);
    T* const tile = static_cast<T*>(scratch(ScratchUse::kPackB, block * positions * mr * int64_t{sizeof(T)}));
    for (int64_t c = 0; c < p.channels; c += block) {
      const int64_t some = std::min(block, p.channels - c);
      pack_rows(some * positions, valid, from + c * positions, p.weight[1], 1, tile);
      finite = finite && (!leaves || taps.finite(some * positions * mr, tile));
      for (int64_t q = 0; q < positions; ++q) {
        const T* src = tile + q * mr;
        T* dst = to + (q * p.channels + c) * mr;
        for (int64_t j = 0; j < some; ++j, src += positions * mr, dst += mr) copy(mr, src, dst);
      }
    }
    return finite;
  }

  /// n elements, of 16 bytes at least in all.
  static void copy(int64_t n, const T* src, T* dst) {
    constexpr int64_t kBlock = 16 / sizeof(T);
    for (int64_t j = 0; j + kBlock < n; j += kBlock) std::memcpy(dst + j, src + j, 16);
    std::memcpy(dst + n - kBlock, src + n - kBlock, 16);
  }

  /// Packs terms [begin, end) of a panel of a group's weight, all of them where positions lie side by side; returns
  /// whether all of its elements are finite, or need not be.
  bool pack_weight(int64_t group, int64_t panel, int64_t begin, int64_t end, T* to) const {
    const int64_t first = panel * row.mr, valid = std::min<int64_t>(row.mr, p.outputs - first);
    const T* from = weight + group * p.weight[0] + first * p.weight[1];
    if (by_position()) return pack_neighbours(from, valid, to);
    bool finite = true;
    for (int64_t k = begin; k < end;) {
      const int64_t position = k / p.channels, c = k % p.channels;
      const int64_t some = std::min({int64_t{kKC}, p.channels - c, end - k});
      pack_rows(some, valid, from + of_weight(position) + c * p.weight[2], p.weight[1], p.weight[2], to);
      finite = finite && (!leaves || taps.finite(some * row.mr, to));
      to += some * row.mr;
      k += some;
    }
    return finite;
  }

  /// The runs of places [first, first + count).
  std::vector<Run> find_runs(int64_t first, int64_t count) const {
    std::vector<Run> runs;
    for (int64_t done = 0; done < count;) {
      const int64_t id = first + done, across = id % p.places[2];
      const int64_t length = std::min(count - done, p.places[2] - across);
      const int64_t o1 = id / p.places[2] % p.places[1], o0 = id / p.places[2] / p.places[1] % p.places[0];
      runs.push_back({done, length, across, o1, o0, id / area * p.x[0]});
      done += length;
    }
    return runs;
  }

  /// The spans of runs at a kernel position.
  void find_spans(const std::vector<Run>& runs, const Spatial& k, std::vector<Span>& spans) const {
    spans.clear();
    const int64_t step = p.x[5] * p.stride[2];
    // at = o * stride + shift lies in [0, length of the axis) for o from low to high - 1
    const int64_t s = p.stride[2], shift = k[2] * p.dilation[2] - p.low[2], room = p.lengths[2] - shift;
    const int64_t low = shift < 0 ? parts_of(-shift, s) : 0, high = room > 0 ? parts_of(room, s) : 0;
    for (const Run& run : runs) {
      const int64_t done = run.column, across = run.across, length = run.length;
      int64_t offset = run.offset;
      if (!meets(0, run.o0, k[0], offset) || !meets(1, run.o1, k[1], offset)) {
        add_span(spans, {done, length, kNowhere}, step);
      } else if (p.spread[2] == 1) {
        const int64_t begin = std::clamp(low, across, across + length);
        const int64_t end = std::clamp(high, begin, across + length);
        if (begin > across) add_span(spans, {done, begin - across, kNowhere}, step);
        if (end > begin) {
          const int64_t from = offset + (begin * s + shift) * p.x[5];
          add_span(spans, {done + begin - across, end - begin, from}, step);
        }
        if (end < across + length) add_span(spans, {done + end - across, across + length - end, kNowhere}, step);
      } else {
        for (int64_t i = 0; i < length; ++i) {
          int64_t from = offset;
          if (!meets(2, across + i, k[2], from)) from = kNowhere;
          add_span(spans, {done + i, 1, from}, step);
        }
      }
    }
  }

  static void add_span(std::vector<Span>& spans, const Span& next, int64_t step) {
    if (!spans.empty()) {
      Span& last = spans.back();
      const bool none = last.from == kNowhere;
      if (none == (next.from == kNowhere) && (none || last.from + last.length * step == next.from)) {
        last.length += next.length;
        return;
      }
    }
    spans.push_back(next);
  }

  /// Packs terms [begin, end) at a block of places, panel by panel: to[(panel * (end - begin) + k - begin) * nr + j].
  void pack_windows(const T* from, const std::vector<Run>& runs, int64_t count, int64_t begin, int64_t end,
                    std::vector<Span>& spans, T* to) const {
    const int64_t nr = row.nr, step = p.x[5] * p.stride[2], width = parts_of(count, nr) * nr;
    for (int64_t k = begin; k < end;) {
      const int64_t position = k / p.channels, channel = k % p.channels;
      const int64_t some = std::min(end - k, p.channels - channel);
      const Spatial at = {position / p.kernel[2] / p.kernel[1], position / p.kernel[2] % p.kernel[1],
                          position % p.kernel[2]};
      find_spans(runs, at, spans);
      if (count < width) add_span(spans, {count, width - count, kNowhere}, step);
      for (const Span& span : spans) {
        int64_t panel = span.column / nr, j = span.column % nr;
        for (int64_t done = 0; done < span.length; ++panel, j = 0) {
          const int64_t length = std::min(nr - j, span.length - done);
          T* const dst = to + (panel * (end - begin) + k - begin) * nr + j;
          if (span.from == kNowhere) {
            for (int64_t c = 0; c < some; ++c) std::fill_n(dst + c * nr, length, T{0});
          } else {
            const T* const src = from + span.from + done * step + channel * p.x[2];
            taps.bring(some, length, src, p.x[2], step, dst, nr);
          }
          done += length;
        }
      }
      k += some;
    }
  }

  /// Stores sums of outputs [first, first + rows) at places [begin, begin + count).
  void store(int64_t group, int64_t first, int64_t rows, int64_t begin, int64_t count, const T* sums,
             int64_t ld) const {
    T* to = out + group * p.out[1] + first * p.out[2];
    const T* beside = bias ? bias + group * p.bias[0] + first * p.bias[1] : nullptr;
    for (int64_t done = 0; done < count;) {
      const int64_t id = begin + done, across = id % p.places[2];
      const int64_t length = std::min(count - done, p.places[2] - across);
      T* there = to + id / area * p.out[0] + id / p.places[2] / p.places[1] % p.places[0] * p.out[3] +
                 id / p.places[2] % p.places[1] * p.out[4] + across * p.out[5];
      if (p.out[2] == 1 && p.out[5] != 1) {
        for (int64_t j = 0; j < length; ++j) {
          for (int64_t i = 0; i < rows; ++i) {
            const T sum = sums[i * ld + done + j] + T{0};
            there[j * p.out[5] + i] = beside ? sum + beside[i * p.bias[1]] : sum;
          }
        }
      } else {
        for (int64_t i = 0; i < rows; ++i) {
          taps.finish(1, length, sums + i * ld + done, 0, beside ? beside + i * p.bias[1] : nullptr,
                      there + i * p.out[2], 0, p.out[5]);
        }
      }
      done += length;
    }
  }

  /// How many places lie at equal steps in the result and in all that the epilogue reads, as many times as there are.
  int64_t even() const {
    const auto steps = [&](int axis, int64_t length) {
      const auto fits = [&](const auto& strides) { return strides[axis] == length * strides[5]; };
      return fits(p.out) && std::all_of(p.extras.begin(), p.extras.end(), fits);
    };
    int64_t run = p.places[2];
    if (p.places[1] > 1 && !steps(4, run)) return run;
    run *= p.places[1];
    if (p.places[0] > 1 && !steps(3, run)) return run;
    run *= p.places[0];
    return p.batch > 1 && !steps(0, run) ? run : columns;
  }

  /// The epilogue of outputs [first, first + rows) of groups from one on, at places [begin, begin + count), which are
  /// stored.
  void finish(int64_t group, int64_t groups, int64_t first, int64_t rows, int64_t begin, int64_t count, int64_t run,
              Worker& worker) const {
    if (!epilogue) return;
    for (int64_t done = 0; done < count;) {
      const int64_t id = begin + done, length = std::min(count - done, run - id % run);
      const int64_t o2 = id % p.places[2], o1 = id / p.places[2] % p.places[1];
      const int64_t o0 = id / p.places[2] / p.places[1] % p.places[0], entry = id / area;
      Extents shape;
      shape.append(groups);
      shape.append(rows);
      shape.append(length);
      const auto operand = [&](char* data, const auto& s, int64_t size) {
        const int64_t at = entry * s[0] + group * s[1] + first * s[2] + o0 * s[3] + o1 * s[4] + o2 * s[5];
        Operand result{data + at * size, {}};
        result.strides.append(s[1]);
        result.strides.append(s[2]);
        result.strides.append(s[5]);
        return result;
      };
      const Operand sums = operand(reinterpret_cast<char*>(out), p.out, sizeof(T));
      std::vector<Operand> in = {sums};
      for (size_t i = 0; i < p.extras.size(); ++i) {
        in.push_back(operand(extras[i], p.extras[i], info(epilogue->inputs()[1 + i]).size));
      }
      epilogue->run(shape, sums, in, worker);
      done += length;
    }
  }

  /// The same by the definition, for outputs [first, first + rows).
  void skipping(int64_t group, int64_t first, int64_t rows, int64_t begin, int64_t count, Worker& worker) const {
    for (int64_t id = begin; id < begin + count; ++id) {
      const int64_t o2 = id % p.places[2], o1 = id / p.places[2] % p.places[1];
      const int64_t o0 = id / p.places[2] / p.places[1] % p.places[0], entry = id / area;
      for (int64_t i = first; i < first + rows; ++i) {
        const T* factors = weight + group * p.weight[0] + i * p.weight[1];
        T total = 0, chunk = 0;
        int64_t k = 0;
        for (int64_t position = 0; position < positions; ++position) {
          const int64_t k2 = position % p.kernel[2], k1 = position / p.kernel[2] % p.kernel[1];
          const int64_t k0 = position / p.kernel[2] / p.kernel[1];
          int64_t offset = entry * p.x[0] + group * p.x[1];
          const bool there = meets(0, o0, k0, offset) && meets(1, o1, k1, offset) && meets(2, o2, k2, offset);
          const T* here = factors + k0 * p.weight[3] + k1 * p.weight[4] + k2 * p.weight[5];
          for (int64_t c = 0; c < p.channels; ++c) {
            if (there) chunk = std::fma(x[offset + c * p.x[2]], here[c * p.weight[2]], chunk);
            if (++k % kKC == 0) total += chunk, chunk = 0;
          }
        }
        total += chunk;
        if (bias) total += bias[group * p.bias[0] + i * p.bias[1]];
        out[entry * p.out[0] + group * p.out[1] + i * p.out[2] + o0 * p.out[3] + o1 * p.out[4] + o2 * p.out[5]] = total;
      }
      worker.checkpoint(rows * terms * 4);
    }
  }

  /// factors: the group's packed weight, or null, where each part of it is packed when it is met; then returns what
  /// pack_weight does.
  bool block(int64_t group, int64_t first, int64_t rows, int64_t begin, int64_t count, const T* factors,
             Worker& worker) const {
    const int64_t nr = row.nr, mr = row.mr, tiles = parts_of(count, nr), ld = tiles * nr;
    const int64_t high = parts_of(rows, mr) * mr;
    const int64_t kept = terms > kKC ? high : mr;  // of one chunk, a panel's sums are stored before the next ones come
    T* const sums = static_cast<T*>(scratch(ScratchUse::kTile, kept * ld * int64_t{sizeof(T)}));
    T* const windows = static_cast<T*>(scratch(ScratchUse::kPackB, std::min<int64_t>(kKC, terms) * ld * sizeof(T)));
    const std::vector<Run> runs = find_runs(begin, count);
    std::vector<Span> spans;
    const T* const from = x + group * p.x[1];
    T* const part = factors ? nullptr : static_cast<T*>(scratch(ScratchUse::kPackA, kKC * mr * int64_t{sizeof(T)}));
    bool finite = true;
    int64_t start = 0;
    do {
      const int64_t end = std::min<int64_t>(start + kKC, terms), length = end - start;
      pack_windows(from, runs, count, start, end, spans, windows);
      for (int64_t i = 0; i < rows; i += mr) {
        const int64_t panel = (first + i) / mr;
        const T* const a = factors ? factors + (panel * terms + start) * mr : part;
        if (!factors && !pack_weight(group, panel, start, end, part)) finite = false;
        T* const here = sums + (kept == mr ? 0 : i) * ld;
        if (terms == 0) std::fill_n(here, mr * ld, T{0});
        for (int64_t tile = 0; tile < tiles && length > 0; ++tile) {
          row.tile(length, std::min(mr, rows - i), a, windows + tile * nr * length, here + tile * nr, ld, start > 0);
        }
        if (end == terms) store(group, first + i, std::min(mr, rows - i), begin, count, here, ld);
        worker.checkpoint(mr * ld * (length + 1) / 16);
      }
      start = end;
    } while (start < terms);
    return finite;
  }

  /// Whether the terms are few, and a plane is cut into few phases by the strides.
  bool by_planes() const {
    return p.lengths[0] == 1 && p.kernel[0] == 1 && p.places[0] == 1 && p.low[0] == 0 && p.spread[1] == 1 &&
           p.spread[2] == 1 && p.stride[1] <= kMostStride && p.stride[2] <= kMostStride && p.outputs <= 4 &&
           terms > 0 && terms <= kPlaneTerms;
  }

  /// Rows of a plane with zeros around them, a part for each channel and phase of the strides:
  ///
  ///     row r of phase (f1, f2): elements f2, f2 + stride, f2 + 2 * stride, ... of row r * stride + f1
  ///
  /// Then every term of all places is one run from an offset on, with places at the pitch of the rows; what comes after
  /// the last place of a row is not stored.
  struct Phases {
    int64_t pitch, rows, part, size;
    std::vector<int64_t> offsets;  // of the terms

    Phases(const ConvolutionProblem& p, int64_t high) {
      const int64_t s1 = p.stride[1], s2 = p.stride[2];
      pitch = p.places[2] + (p.kernel[2] - 1) * p.dilation[2] / s2;
      rows = high + (p.kernel[1] - 1) * p.dilation[1] / s1;
      part = rows * pitch;
      size = part * s1 * s2 * p.channels;
      for (int64_t k1 = 0; k1 < p.kernel[1]; ++k1) {
        for (int64_t k2 = 0; k2 < p.kernel[2]; ++k2) {
          const int64_t at1 = k1 * p.dilation[1], at2 = k2 * p.dilation[2];
          for (int64_t c = 0; c < p.channels; ++c) {
            offsets.push_back(((at1 % s1 * s2 + at2 % s2) * p.channels + c) * part + at1 / s1 * pitch + at2 / s2);
          }
        }
      }
    }
  };

  /// Output rows [begin, end) of a plane. factors: terms of each output. `padded` has zeros where nothing is brought.
  void plane(int64_t entry, int64_t group, int64_t begin, int64_t end, const T* factors, const Phases& phases,
             T* padded) const {
    const int64_t width = p.places[2], s1 = p.stride[1], s2 = p.stride[2], high = end - begin;
    const T* const from = x + entry * p.x[0] + group * p.x[1];
    for (int64_t f1 = 0; f1 < std::min(s1, (p.kernel[1] - 1) * p.dilation[1] + 1); ++f1) {
      const int64_t y = begin * s1 + f1 - p.low[1];  // of the first row
      const int64_t top = std::clamp<int64_t>(y < 0 ? parts_of(-y, s1) : 0, 0, phases.rows);
      const int64_t bottom =
          std::clamp<int64_t>(p.lengths[1] > y ? parts_of(p.lengths[1] - y, s1) : 0, top, phases.rows);
      for (int64_t f2 = 0; f2 < std::min(s2, (p.kernel[2] - 1) * p.dilation[2] + 1); ++f2) {
        const int64_t shift = f2 - p.low[2], room = p.lengths[2] - shift;
        const int64_t left = std::clamp<int64_t>(shift < 0 ? parts_of(-shift, s2) : 0, 0, phases.pitch);
        const int64_t right = std::clamp<int64_t>(room > 0 ? parts_of(room, s2) : 0, left, phases.pitch);
        if (left == right || top == bottom) continue;
        for (int64_t c = 0; c < p.channels; ++c) {
          T* const dst = padded + ((f1 * s2 + f2) * p.channels + c) * phases.part + top * phases.pitch + left;
          const T* const src = from + c * p.x[2] + (y + top * s1) * p.x[4] + (left * s2 + shift) * p.x[5];
          taps.bring(bottom - top, right - left, src, s1 * p.x[4], s2 * p.x[5], dst, phases.pitch);
        }
      }
    }
    const int64_t vectors = parts_of((high - 1) * phases.pitch + width, taps.vector);
    T* const sums = static_cast<T*>(scratch(ScratchUse::kTile, vectors * taps.vector * int64_t{sizeof(T)}));
    for (int64_t i = 0; i < p.outputs; ++i) {
      taps.chain(vectors, terms, factors + i * terms, phases.offsets.data(), padded, sums);
      T* const to = out + entry * p.out[0] + group * p.out[1] + i * p.out[2] + begin * p.out[4];
      taps.finish(high, width, sums, phases.pitch, bias ? bias + group * p.bias[0] + i * p.bias[1] : nullptr, to,
                  p.out[4], p.out[5]);
    }
  }

  /// Whether windows are of 3 x 3 elements and neighbours lie beside each other.
  bool of_nine() const {
    return taps.nine && p.channels == 1 && p.kernel[1] == 3 && p.kernel[2] == 3 && p.stride[1] == 1 &&
           p.stride[2] == 1 && p.dilation[1] == 1 && p.dilation[2] == 1 && p.x[5] == 1 && p.out[5] == 1;
  }

  /// Then output rows [begin, end) of planes of `count` groups. factors: terms of each output.
  void planes_of_nine(int64_t entry, int64_t group, int64_t count, int64_t begin, int64_t end, const T* factors) const {
    const Planes planes{count,
                        p.x[1],
                        p.out[1],
                        p.outputs * terms,
                        p.bias[0],
                        {end - begin, p.places[2]},
                        {p.lengths[1], p.lengths[2]},
                        {p.low[1] - begin, p.low[2]},
                        p.x[4],
                        p.out[4]};
    for (int64_t i = 0; i < p.outputs; ++i) {
      taps.nine(planes, factors + (group * p.outputs + i) * terms, x + entry * p.x[0] + group * p.x[1],
                bias ? bias + group * p.bias[0] + i * p.bias[1] : nullptr,
                out + entry * p.out[0] + group * p.out[1] + i * p.out[2] + begin * p.out[4]);
    }
  }

  void run_planes(int threads, Interrupt& interrupt) const {
    const double work = static_cast<double>(p.groups) * static_cast<double>(p.outputs) * static_cast<double>(columns) *
                        static_cast<double>(terms);
    threads = worthwhile(work, kThreadWork / 8, threads);
    T* const factors = static_cast<T*>(scratch(ScratchUse::kPackA, p.groups * p.outputs * terms * int64_t{sizeof(T)}));
    std::vector<int64_t> offsets;
    for (int64_t position = 0; position < positions; ++position) {
      for (int64_t c = 0; c < p.channels; ++c) offsets.push_back(of_weight(position) + c * p.weight[2]);
    }
    T* to = factors;
    for (int64_t group = 0; group < p.groups; ++group) {
      for (int64_t i = 0; i < p.outputs; ++i) {
        const T* from = weight + group * p.weight[0] + i * p.weight[1];
        for (const int64_t at : offsets) *to++ = from[at];
      }
    }
    const bool skips = leaves && !taps.finite(to - factors, factors);
    const int64_t row_bytes = Phases(p, 1).pitch * p.stride[1] * p.stride[2] * p.channels * int64_t{sizeof(T)};
    const int64_t high = std::clamp<int64_t>(kPlaneBytes / row_bytes, 1, p.places[1]);
    const bool nine = !skips && of_nine() && high >= std::min(kNineRows, p.places[1]);
    const int64_t blocks = parts_of(p.places[1], high), planes = p.batch * p.groups, parts = planes * blocks;
    const int64_t tasks = std::min(parts, tasks_of(work, kTaskWork, threads));
    const Phases phases(p, high);
    const int64_t run = even();
    const int64_t most = nine && blocks > 1 ? 1 : std::max<int64_t>(1, kFinish / (high * p.places[2] * p.outputs));
    parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
      const int64_t room = phases.size + 2 * taps.vector;  // the last vector reads beyond
      T* const padded = static_cast<T*>(scratch(ScratchUse::kPackB, room * int64_t{sizeof(T)}));
      int64_t block = -1;
      const int64_t stop = parts * (task + 1) / tasks;
      for (int64_t i = parts * task / tasks, count; i < stop; i += count) {
        // Windows of nine read on where the last block ended.
        const int64_t at = nine ? i / blocks : i % planes, group = at % p.groups, entry = at / p.groups;
        const int64_t last = std::exchange(block, nine ? i % blocks : i / planes);
        if (!nine && block != last) std::fill_n(padded, room, T{0});  // planes of the same rows have the same zeros
        count = std::min({most, p.groups - group, stop - i});
        const int64_t begin = block * high, end = std::min(begin + high, p.places[1]);
        const int64_t first = entry * area + begin * p.places[2], places = (end - begin) * p.places[2];
        if (nine) {
          planes_of_nine(entry, group, count, begin, end, factors);
        } else {
          for (int64_t g = group; g < group + count; ++g) {
            if (skips) {
              skipping(g, 0, p.outputs, first, places, worker);
            } else {
              plane(entry, g, begin, end, factors + g * p.outputs * terms, phases, padded);
            }
          }
        }
        finish(group, count, 0, p.outputs, first, places, run, worker);
        worker.checkpoint(count * places * p.outputs * terms / 8);
      }
    });
  }

  /// Of a block: how many outputs, and how many panels of places.
  struct Block {
    int64_t rows, width;
  };

  /// The blocks whose greatest share of a thread costs least. Where there are many, the largest that caches hold.
  Block cut(int threads) const {
    const int64_t mr = row.mr, nr = row.nr, wide = parts_of(columns, nr);
    const int64_t high = std::min(panels, std::max(int64_t{1}, kRowBytes / int64_t{sizeof(T)} / nr / mr));
    const int64_t room = kSumBytes / int64_t{sizeof(T)} / (high * mr) / nr;
    const int64_t least_across = parts_of(wide, std::clamp(room, int64_t{2}, kMostPanels));
    const int64_t most = kMostTasks * threads;
    Block best{};
    double least = 0;
    for (int64_t down = parts_of(panels, high); down <= panels; ++down) {
      for (int64_t across = least_across; across <= wide; ++across) {
        if (p.groups * down * across > most && best.rows > 0) break;
        const int64_t height = parts_of(panels, down), width = parts_of(wide, across);
        const double each = (height + kWindowPanels) * (width + kWeightPanels);
        const double cost = each * parts_of(p.groups * down * across, threads);
        if (best.rows == 0 || cost < least) best = {std::min(height * mr, p.outputs), width}, least = cost;
      }
      if (p.groups * down * least_across > most) break;
    }
    return best;
  }

  void run(int threads, Interrupt& interrupt) const {
    const double work = static_cast<double>(p.groups) * static_cast<double>(p.outputs) * static_cast<double>(columns) *
                        static_cast<double>(std::max<int64_t>(terms, 1));
    threads = worthwhile(work, kThreadWork, threads);
    const int64_t mr = row.mr, nr = row.nr, size = terms * mr, all = p.groups * panels;
    const Block cuts = cut(threads);
    const int64_t rows = cuts.rows, width = cuts.width;
    const int64_t across = parts_of(columns, width * nr), down = parts_of(p.outputs, rows);
    const int64_t run = even();
    const int64_t blocks = p.groups * down * across, tasks = std::min(blocks, threads == 1 ? 1 : kMostTasks * threads);
    std::atomic<bool> finite{true};
    const auto multiply = [&](const T* factors, bool skips) {
      parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
        for (int64_t i = blocks * task / tasks; i < blocks * (task + 1) / tasks; ++i) {
          const int64_t group = i / across / down, first = i / across % down * rows, begin = i % across * width * nr;
          const int64_t high = std::min(rows, p.outputs - first), wide = std::min(width * nr, columns - begin);
          const T* const its = factors ? factors + group * panels * size : nullptr;
          if (skips) {
            skipping(group, first, high, begin, wide, worker);
          } else if (!block(group, first, high, begin, wide, its, worker)) {
            finite.store(false, std::memory_order_relaxed);
          }
          finish(group, 1, first, high, begin, wide, run, worker);
        }
      });
    };
    if (across == 1 && !by_position()) {  // no part of the weight is met twice
      multiply(nullptr, false);
      if (!finite) multiply(nullptr, true);
      return;
    }
    T* const factors = static_cast<T*>(scratch(ScratchUse::kPackA, std::max<int64_t>(all * size, 1) * sizeof(T)));
    const bool together = p.weight[1] == 1 && p.outputs > mr && !by_position();
    const int64_t piece = together ? kPackTerms : std::max<int64_t>(terms, 1);
    const int64_t pieces = parts_of(std::max<int64_t>(terms, 1), piece), packs = all * pieces;
    const int64_t packers =
        std::min(packs, tasks_of(static_cast<double>(all) * static_cast<double>(size), 1 << 16, threads));
    parallel_for(packers, threads, interrupt, [&](int64_t task, Worker& worker) {
      for (int64_t i = packs * task / packers; i < packs * (task + 1) / packers; ++i) {
        const int64_t panel = i % panels, group = i / panels / pieces, begin = i / panels % pieces * piece;
        T* const to = factors + (group * panels + panel) * size + begin * mr;
        if (!pack_weight(group, panel, begin, std::min(begin + piece, terms), to)) {
          finite.store(false, std::memory_order_relaxed);
        }
        worker.checkpoint(std::min(piece, terms) * mr);
      }
    });
    multiply(factors, !finite);
  }
};

}  // namespace

Convolution::Convolution(const KernelTable& table, DType dtype, const Pointwise* epilogue) : dtype_(dtype) {
  if (epilogue) {
    if (epilogue->inputs().empty() || epilogue->inputs()[0] != dtype || epilogue->output() != dtype) {
      throw std::invalid_argument("a convolution's epilogue takes its sums, and gives results, of its dtype");
    }
    epilogue_.emplace(*epilogue);
  }
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64) {
    throw std::invalid_argument("convolutions take float32 and float64");
  }
  for (const MatmulRow& row : table.matmuls) {
    if (row.type == storage(dtype)) row_ = &row;
  }
  for (const PackRow& row : table.packs) {
    if (row.from == dtype && row.to == storage(dtype)) pack_ = &row;
  }
  taps_ = &find_taps(table, storage(dtype));
}

void Convolution::run(const ConvolutionProblem& problem, const char* x, const char* weight, const char* bias,
                      char* const* extras, char* out, int threads, Interrupt& interrupt) const {
  const auto with = [&](auto zero) {
    using T = decltype(zero);
    const auto typed = [](const char* data) { return reinterpret_cast<const T*>(data); };
    const Convolver<T> convolver{*row_,
                                 *taps_,
                                 pack_->a,
                                 problem,
                                 typed(x),
                                 typed(weight),
                                 typed(bias),
                                 reinterpret_cast<T*>(out),
                                 epilogue_ ? &*epilogue_ : nullptr,
                                 extras};
    if (convolver.columns > 0 && problem.groups > 0 && problem.outputs > 0) {
      convolver.by_planes() ? convolver.run_planes(threads, interrupt) : convolver.run(threads, interrupt);
    }
  };
  dtype_ == DType::kFloat32 ? with(float{}) : with(double{});
}

}  // namespace accel
