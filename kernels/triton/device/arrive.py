"""Program instances that share work out: which is the last to be done, and what the others found.

    each instance   puts its results into scratch, then adds 1 to the counter of its group
    the last one    sees that all others have, sets the counter to 0 for the next launch, and takes their results

Which one that is changes no bit: it takes the results in the order of their places.

Why it is right on every GPU: an atomic exchange of scope "gpu" is done where all multiprocessors look, beyond caches of
their own, and with "acquire" its thread waits until it is. So the results of an instance are there before its barrier,
whichever threads put them (a release by the thread that counts would wait for its own wave's stores alone on AMD), and
the counter comes behind the barrier. The last one acquires, which drops what its caches may hold of them: of a
multiprocessor's, and on an MI300 of its die's.
"""

import triton
import triton.language as tl


@triton.jit
def put(at, value, there):
    """Stores results that another instance will take: numbers of 32 or 64 bits, which are exchanged as integers, as
    the interpreter exchanges no others."""
    WORD: tl.constexpr = tl.int64 if value.dtype.primitive_bitwidth == 64 else tl.int32
    words = at.to(tl.pointer_type(WORD), bitcast=True)
    tl.atomic_xchg(words, value.to(WORD, bitcast=True), mask=there, sem="acquire", scope="gpu")


@triton.jit
def last(counter, count):
    """Whether all others of a group of so many instances have put theirs."""
    tl.debug_barrier()
    before = tl.atomic_add(counter, 1, sem="acq_rel", scope="gpu")
    done = before == count - 1
    if done:
        tl.atomic_xchg(counter, 0, sem="relaxed", scope="gpu")
    return done


@triton.jit
def taken(at, there):
    """Results that instances have put, 0 where none is there. Neither atomic nor volatile loads, of which each would
    wait for the one before on AMD."""
    return tl.load(at, mask=there, other=0, cache_modifier=".cg")
