#include "kernels/first_places.hpp"
#include "kernels/sort_network.hpp"

#ifdef __AVX2__
#include "kernels/quick_sort.hpp"
#endif

namespace accel::ACCEL_ISA {

static constexpr SortRow kSorts[] = {
    {1, false, ShortSort<uint8_t>::values},  {1, true, ShortSort<uint8_t>::indices},
    {2, false, ShortSort<uint16_t>::values}, {2, true, ShortSort<uint16_t>::indices},
    {4, false, ShortSort<uint32_t>::values}, {4, true, ShortSort<uint32_t>::indices},
    {8, false, ShortSort<uint64_t>::values},
};

Rows<SortRow> sort_rows();
Rows<SortRow> sort_rows() { return {kSorts, sizeof kSorts / sizeof *kSorts}; }

static constexpr FirstKernel kFirstKernels[] = {FirstPlaces<int8_t>::row(), FirstPlaces<int16_t>::row(),
                                                FirstPlaces<int32_t>::row(), FirstPlaces<int64_t>::row()};

Rows<FirstKernel> first_kernels();
Rows<FirstKernel> first_kernels() { return {kFirstKernels, sizeof kFirstKernels / sizeof *kFirstKernels}; }

Rows<LongSort> long_sorts();
#ifdef __AVX2__
static constexpr LongSort kLongSorts[] = {{4, QuickSort<int32_t>::run}, {8, QuickSort<int64_t>::run}};
Rows<LongSort> long_sorts() { return {kLongSorts, sizeof kLongSorts / sizeof *kLongSorts}; }
#else
Rows<LongSort> long_sorts() { return {nullptr, 0}; }
#endif

}  // namespace accel::ACCEL_ISA
