"""Compositions as graphs: a function of arrays is traced once for a set of layouts, its nodes are grouped, and each
group is one kernel.

    trace       runs a function on arrays without memory, and records the primitives that it calls
    graph       what was recorded: nodes, what they read and give; prints and checks itself
    group       which nodes one kernel computes together
    program     a group as the parameters of its primitive
    interpret   the same nodes computed otherwise: by the canonical algorithms, in NumPy
"""
