"""Keys with arrays, lists and masks."""

import numpy as np
from hypothesis import strategies as st

INDEX_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@st.composite
def keys(draw, shape):
    """A key with one or more arrays, lists or masks, beside integers, slices, None and an ellipsis."""
    items, common = [], draw(st.sampled_from(((), (1,), (3,), (2, 3), (0,))))
    kinds = draw(st.lists(st.sampled_from(("array", "array", "integer", "slice", "mask")), max_size=len(shape)))
    for n, kind in zip(shape, [*kinds, "array"], strict=False):
        if kind == "slice" or (n == 0 and kind == "integer"):
            items.append(draw(st.sampled_from((slice(None), slice(None, None, -1), slice(1, None, 2)))))
        elif kind == "integer":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "mask" and common in ((), (1,)):  # which broadcasts with however many are True
            mask = np.zeros(n, bool)
            mask[: draw(st.integers(0, n))] = True
            items.append(mask)
            common = (int(mask.sum()),)
        else:
            kept = draw(st.sampled_from((common, (1,) * len(common), common[1:])))
            if n == 0:
                kept = (0,)
            size = int(np.prod(kept))
            low, high = (-n, n - 1) if n else (0, 0)
            flat = draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
            index = np.array(flat, np.int64).reshape(kept)
            items.append(
                index.tolist()
                if kept and draw(st.booleans())
                else index.astype(draw(st.sampled_from(INDEX_DTYPES[:4])))
            )
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)
