// Whatever the compiler targets by default: SSE2 on x86-64, where fma is done in software.
#pragma once
#define ACCEL_ISA baseline
#define ACCEL_VECTOR_BYTES 16
#define ACCEL_TILE_ROWS 4
#define ACCEL_TILE_VECTORS 2
