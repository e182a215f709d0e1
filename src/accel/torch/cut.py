"""An FX graph cut into parts that accel computes and the rest, which stays torch's."""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch.fx import Graph, GraphModule, Node

from .part import Part, is_views, refusal

VIEWS_ONLY = "only views around it, nothing to compute"


@dataclass(frozen=True)
class Cut:
    """module: the graph, with a `Part` in the place of each of accel's parts. parts: the nodes of each. left: the nodes
    that stay torch's, with the reason."""

    module: GraphModule
    parts: tuple[tuple[Node, ...], ...]
    left: dict[Node, str]


def cut(module: GraphModule) -> Cut:
    """The graph of operators of ATen, cut into as few parts as a walk in its order finds.

    Slots run one after the other: accel's have even numbers, torch's odd ones. A node is in the first slot of its kind
    that is not before its operands'. Random numbers and writes keep their order, writes come last.
    """
    nodes = [node for node in module.graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    left: dict[Node, str] = {}
    for node in nodes:
        source = node.args[0] if node.target is operator.getitem else node
        why = left.get(source) if source is not node else refusal(node)
        if why is not None:
            left[node] = why
    slots = _slots(nodes, left)
    working = {slots[node] for node in nodes if node not in left and not is_views(node)}
    idle = [node for node in nodes if node not in left and slots[node] not in working]
    if idle:
        left |= dict.fromkeys(idle, VIEWS_ONLY)
        slots = _slots(nodes, left)
    by_slot: dict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        by_slot[slots[node]].append(node)
    for slot in [slot for slot in by_slot if slot % 2 == 0]:
        if not _inputs(by_slot[slot]):  # a function of no array is nothing that accel fuses
            left |= dict.fromkeys(by_slot[slot], "a part without operands")
            by_slot[slot + 1] = by_slot.pop(slot) + by_slot.get(slot + 1, [])
    return Cut(*_rebuilt(module, by_slot), left)


def _slots(nodes: list[Node], left: dict[Node, str]) -> dict[Node, int]:
    slots: dict[Node, int] = {}
    drawn = 1
    free = []
    for node in nodes:
        theirs = node in left
        before = [slots[x] for x in node.all_input_nodes if x in slots]
        if not theirs and not node.all_input_nodes:
            free.append(node)
        slot = max(before, default=0)
        slot += slot % 2 != theirs
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            drawn = slot = max(slot, drawn)
        slots[node] = slot
    last = max(slots.values(), default=0) | 1
    for node in nodes:
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            slots[node] = last
    for node in reversed(free):  # numbers are made where they are used first, not handed from part to part
        users = [slots[user] for user in node.users if user in slots]
        slots[node] = min(users, default=slots[node])
        if slots[node] % 2:
            left[node] = "only torch's operators use it"
    return slots


def _inputs(nodes: list[Node]) -> list[Node]:
    own = set(nodes)
    return list(dict.fromkeys(x for node in nodes for x in node.all_input_nodes if x not in own))


def _rebuilt(module: GraphModule, by_slot: dict[int, list[Node]]) -> tuple[GraphModule, tuple[tuple[Node, ...], ...]]:
    graph = Graph()
    made: dict[Node, Node] = {}
    parts = []
    for node in module.graph.nodes:
        if node.op in ("placeholder", "get_attr"):
            made[node] = graph.node_copy(node)
    for slot in sorted(by_slot):
        nodes = by_slot[slot]
        if slot % 2:
            for node in nodes:
                made[node] = graph.node_copy(node, made.__getitem__)
            continue
        own, inputs, name = set(nodes), _inputs(nodes), f"accel_{len(parts)}"
        outputs = [node for node in nodes if any(user not in own for user in node.users)]
        if any(isinstance(node.meta["val"], (tuple, list)) for node in outputs):
            raise AssertionError("several results are taken apart where they are made")
        module.add_submodule(name, Part(name, nodes, inputs, outputs))
        call = graph.call_module(name, tuple(made[x] for x in inputs))
        for i, node in enumerate(outputs):
            made[node] = graph.call_function(operator.getitem, (call, i))
        parts.append(tuple(nodes))
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    graph.node_copy(output, made.__getitem__)
    return GraphModule(module, graph), tuple(parts)
