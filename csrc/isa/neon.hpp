// Advanced SIMD, which every 64-bit Arm CPU has.
#pragma once
#define ACCEL_ISA neon
#define ACCEL_VECTOR_BYTES 16
#define ACCEL_TILE_ROWS 8
#define ACCEL_TILE_VECTORS 3
