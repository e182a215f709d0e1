"""The table of OpenCL's rows: noisy rows are marked and counted, rows without a ratio say why and enter no mean."""

from __future__ import annotations

from accel.bench.cpu.opencl import Row, table


def test_the_table_says_how_busy_and_noisy_it_was():
    rows = [
        Row("quick", 2e-6, 1e-6, noisy=False),
        Row("slow", 8e-6, 1e-6, noisy=True),
        Row("alone", 3e-6, None, noisy=False, refused="its threads spin"),
    ]
    lines = "\n".join(table(rows, "a device", 0.25, 0.5)).splitlines()
    assert lines[0] == (
        "a device; 1 of 3 rows noisier than ±2% (marked ±), 0.25 runnable processes per core when it began, "
        "others took 50% of the cores"
    )
    assert [line for line in lines if line.startswith("| ")][1:] == [
        "| alone | 3.0 |  |  |",
        "| slow | 8.0 | 1.0 | 0.12 ± |",
        "| quick | 2.0 | 1.0 | 0.50 |",
    ]
    assert "alone: no ratio: its threads spin" in lines
    assert lines[-1] == "2 rows: geometric mean 0.25, worst 0.12"
    only = list(table(rows[2:], "a device", None, None))
    assert "mean" not in "\n".join(only) and only[0] == "a device; 0 of 1 rows noisier than ±2% (marked ±)\n"
