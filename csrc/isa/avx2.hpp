// AVX2 with FMA and F16C.
#pragma once
#define ACCEL_ISA avx2
#define ACCEL_VECTOR_BYTES 32
#define ACCEL_TILE_ROWS 6
#define ACCEL_TILE_VECTORS 2
