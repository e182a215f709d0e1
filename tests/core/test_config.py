"""Settings: each variable's grammar, its loud failures, and precedence."""

from __future__ import annotations

import subprocess
import sys

import pytest

import accel
from accel import registry
from accel.backends import cpu
from accel.config import OPTIONS, Config

GOOD = {
    "ACCEL_BACKEND": ("triton, opencl,cpu", ("triton", "opencl", "cpu")),
    "ACCEL_DEVICE": (" opencl:intel ", "opencl:intel"),
    "ACCEL_OVERRIDE": ("matmul=cpu, softmax=opencl", (("matmul", "cpu"), ("softmax", "opencl"))),
    "ACCEL_FALLBACK": ("error", "error"),
    "ACCEL_FUSION": ("off", "off"),
    "ACCEL_CHECK": ("sync", "sync"),
    "ACCEL_NUMERICS": ("reproducible", "reproducible"),
    "ACCEL_VERBOSE": ("dispatch,profile", ("dispatch", "profile")),
    "ACCEL_NUM_THREADS": ("3", 3),
    "ACCEL_OPENMP": ("off", "off"),
    "ACCEL_CPU_ISA": ("avx2", "avx2"),
    "ACCEL_CACHE_DIR": ("/tmp/x", "/tmp/x"),
    "ACCEL_POOL_LIMIT": ("64M", 64 << 20),
    "ACCEL_TUNE": ("off", "off"),
    "ACCEL_AOT": ("/tmp/x", "/tmp/x"),
}

BAD = {
    "ACCEL_BACKEND": (",", "cpu,cpu", "cpu,vulkan"),
    "ACCEL_DEVICE": ("cuda:0", "gpu", ":0", "CPU"),
    "ACCEL_OVERRIDE": ("matmul", "=cpu", "matmul=", "matmul=nope", "summ=cpu"),
    "ACCEL_FALLBACK": ("yes",),
    "ACCEL_FUSION": ("yes", "1"),
    "ACCEL_CHECK": ("on", "1"),
    "ACCEL_NUMERICS": ("exact",),
    "ACCEL_VERBOSE": ("loud",),
    "ACCEL_NUM_THREADS": ("0", "-2", "many", "1.5", "2147483648", "18446744073709551617"),
    "ACCEL_OPENMP": ("on", "torch"),
    "ACCEL_CPU_ISA": ("sse9",),
    "ACCEL_POOL_LIMIT": ("-1", "1T", "K", "1.5G", "lots"),
    "ACCEL_TUNE": ("always", "search"),
}


def test_every_variable_is_tested():
    assert {option.variable for option in OPTIONS} == set(GOOD)


@pytest.mark.parametrize("variable", GOOD)
def test_variable(monkeypatch, variable):
    text, value = GOOD[variable]
    monkeypatch.setenv(variable, text)
    name = next(option.name for option in OPTIONS if option.variable == variable)
    fresh = Config()
    assert getattr(fresh, name) == value
    assert fresh.source(name) == variable


@pytest.mark.parametrize(("variable", "text"), [(v, t) for v, texts in BAD.items() for t in texts])
def test_bad_variable_names_itself_and_its_grammar(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    grammar = next(option.grammar for option in OPTIONS if option.variable == variable)
    with pytest.raises(accel.ConfigError) as caught:
        Config().current()
    assert variable in str(caught.value)
    assert text in str(caught.value)
    assert grammar in str(caught.value)


@pytest.mark.parametrize(("variable", "text"), [(v, t) for v, texts in BAD.items() for t in texts])
def test_a_bad_attribute_or_context_fails_at_once_and_changes_nothing(variable, text):
    option = next(option for option in OPTIONS if option.variable == variable)
    fresh = Config()
    before = fresh.current()
    with pytest.raises(accel.ConfigError) as caught:
        setattr(fresh, option.name, text)
    assert str(caught.value).startswith(f"config.{option.name}={text!r}: ")
    assert option.grammar in str(caught.value)
    if option.apply is None:
        with pytest.raises(accel.ConfigError) as caught, fresh(**{option.name: text}):
            pass
        assert str(caught.value).startswith(f"config({option.name})={text!r}: ")
    assert fresh.current() is before


def test_a_long_wrong_value_is_shown_in_part():
    with pytest.raises(accel.ConfigError) as caught:
        Config().num_threads = "9" * 5000
    assert len(str(caught.value)) < 250


REFUSED = {
    "ACCEL_DEVICE": ("cpu:9", accel.DeviceError),
    "ACCEL_BACKEND": ("triton", accel.BackendUnavailableError),
    "ACCEL_OVERRIDE": ("add=triton", accel.AccelError),
    "ACCEL_CPU_ISA": ("neon" if "neon" not in cpu.native().isas() else "avx512", accel.ConfigError),
}
"""Values inside the grammar that this machine cannot serve: what the first call raises."""


@pytest.mark.skipif(any(d.kind == "gpu" for d in accel.devices()), reason="a GPU serves triton")
@pytest.mark.parametrize("variable", REFUSED)
def test_what_cannot_be_served_names_where_it_was_chosen(monkeypatch, variable):
    value, kind = REFUSED[variable]
    name = next(option.name for option in OPTIONS if option.variable == variable)

    def said() -> str:
        with pytest.raises(kind) as caught:
            accel.add(accel.ones(2), 1)
        return str(caught.value)

    with accel.config(**{name: value}):
        assert said().startswith(f"config({name})")
    try:
        setattr(accel.config, name, value)
        assert said().startswith(f"config.{name}")
        monkeypatch.setenv(variable, value)
        accel.config.reload()
        assert said().startswith(variable)
    finally:
        monkeypatch.undo()
        accel.config.reload()


def test_a_bad_setting_is_not_taken_for_a_broken_backend(monkeypatch):
    """The error goes when the setting is put right."""
    monkeypatch.setattr(registry, "_backends", {})
    monkeypatch.setenv("ACCEL_NUMERICS", "nope")
    accel.config.reload()
    try:
        for name in registry.backend_names():
            reason = registry.unavailable(name)
            assert reason is None or "ACCEL_NUMERICS" in reason or "nope" not in reason
            assert "ACCEL_NUMERICS" not in str(registry._backends.get(name))
    finally:
        monkeypatch.undo()
        accel.config.reload()


def test_an_empty_variable_is_automatic(monkeypatch):
    monkeypatch.setenv("ACCEL_NUM_THREADS", " ")
    assert Config().num_threads is None


def test_precedence(monkeypatch):
    monkeypatch.setenv("ACCEL_NUM_THREADS", "3")
    fresh = Config()
    assert (fresh.num_threads, fresh.source("num_threads")) == (3, "ACCEL_NUM_THREADS")
    fresh.num_threads = 2
    assert (fresh.num_threads, fresh.source("num_threads")) == (2, "config")
    with fresh(num_threads=1):
        assert (fresh.num_threads, fresh.source("num_threads")) == (1, "context")
        with fresh(numerics="fast"):
            assert (fresh.num_threads, fresh.numerics) == (1, "fast")
        assert fresh.numerics == "default"
    assert fresh.num_threads == 2
    fresh.num_threads = None
    assert fresh.num_threads is None
    fresh.reload()
    assert fresh.num_threads == 3


def test_attributes_are_checked():
    fresh = Config()
    with pytest.raises(accel.ConfigError, match=r"config\.numerics='exact'"):
        fresh.numerics = "exact"
    with pytest.raises(AttributeError, match="no 'numeric'"):
        fresh.numeric = "fast"
    with pytest.raises(AttributeError, match="no 'numeric'"):
        fresh.numeric  # noqa: B018
    with pytest.raises(accel.ConfigError, match="no 'numeric'"), fresh(numeric="fast"):
        pass


def test_structured_values():
    fresh = Config()
    fresh.backend = ["opencl", "cpu"]
    fresh.override = {"matmul": "cpu"}
    fresh.verbose = ()
    assert (fresh.backend, fresh.override, fresh.verbose) == (("opencl", "cpu"), (("matmul", "cpu"),), ())


def test_snapshots_are_one_object_and_do_not_change():
    fresh = Config()
    before = fresh.current()
    with fresh(numerics="fast"):
        assert fresh.current() is not before
    assert fresh.current() is before
    with pytest.raises(AttributeError):
        before.numerics = "fast"


def test_context_belongs_to_its_thread():
    import threading

    seen = []
    with accel.config(numerics="fast"):
        thread = threading.Thread(target=lambda: seen.append(accel.config.numerics))
        thread.start()
        thread.join()
    handed_on = getattr(sys.flags, "thread_inherit_context", False)
    assert seen == ["fast" if handed_on else "default"]


def test_repr_shows_sources():
    assert "numerics = 'default' (automatic)" in repr(Config())


def test_a_bad_environment_does_not_break_the_import():
    run = subprocess.run(
        [sys.executable, "-c", "import accel\ntry: accel.ones(1)\nexcept accel.ConfigError as e: print('said', e)"],
        env={"PATH": "/usr/bin", "ACCEL_NUMERICS": "nope"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert "said ACCEL_NUMERICS='nope'" in run.stdout
