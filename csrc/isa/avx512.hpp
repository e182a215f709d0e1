// AVX-512 F, BW, DQ, VL with FMA and F16C.
#pragma once
#define ACCEL_ISA avx512
#define ACCEL_VECTOR_BYTES 64
#define ACCEL_TILE_ROWS 12
#define ACCEL_TILE_VECTORS 2
