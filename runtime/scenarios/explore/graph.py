"""Directed graphs as `{node: [nodes]}`: knots, shortest ways, what is reached. Deterministic, never recursive."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

Graph = Mapping[int, Sequence[int]]


def knots(graph: Graph) -> list[list[int]]:
    """The strongly connected components of two nodes or more, largest first (Tarjan, SIAM J. Comput. 1972)."""
    found = (nodes for nodes in components(graph) if len(nodes) > 1)
    return sorted(found, key=lambda nodes: (-len(nodes), nodes))


def components(graph: Graph) -> list[list[int]]:
    """All strongly connected components, each sorted, what is imported before what imports it."""
    return _Tarjan(graph).components()


def marks_from_above(graph: Graph, marked: Iterable[int]) -> dict[int, int]:
    """For each node the set of marked nodes that reach it, as the bits of a number (bit n: the n-th marked one)."""
    marks: dict[int, int] = {node: 1 << bit for bit, node in enumerate(marked)}
    for nodes in reversed(components(graph)):
        shared = 0
        for node in nodes:
            shared |= marks.get(node, 0)
        if not shared:
            continue
        for node in nodes:
            marks[node] = shared
            for child in graph.get(node, ()):
                marks[child] = marks.get(child, 0) | shared
    return marks


class _Tarjan:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._index: dict[int, int] = {}
        self._low: dict[int, int] = {}
        self._stack: list[int] = []
        self._waiting: set[int] = set()
        self._found: list[list[int]] = []

    def components(self) -> list[list[int]]:
        for node in sorted(self._graph):
            if node not in self._index:
                self._search(node)
        return self._found

    def _search(self, start: int) -> None:
        self._enter(start)
        path = [(start, iter(self._graph.get(start, ())))]
        while path:
            node, below = path[-1]
            child = next(below, None)
            if child is None:
                path.pop()
                self._leave(node)
                if path:
                    parent = path[-1][0]
                    self._low[parent] = min(self._low[parent], self._low[node])
            elif child not in self._index:
                self._enter(child)
                path.append((child, iter(self._graph.get(child, ()))))
            elif child in self._waiting:
                self._low[node] = min(self._low[node], self._index[child])

    def _enter(self, node: int) -> None:
        self._index[node] = self._low[node] = len(self._index)
        self._stack.append(node)
        self._waiting.add(node)

    def _leave(self, node: int) -> None:
        if self._low[node] != self._index[node]:
            return
        component: list[int] = []
        while not component or component[-1] != node:
            component.append(self._stack.pop())
            self._waiting.discard(component[-1])
        self._found.append(sorted(component))


def shortest_way(graph: Graph, starts: Iterable[int], goal: int) -> list[int]:
    """The nodes from one of the starts to the goal, both included; empty if there is no way."""
    before: dict[int, int] = dict.fromkeys(sorted(set(starts)), -1)
    queue = deque(before)
    while queue:
        node = queue.popleft()
        if node == goal:
            return _traced(before, goal)
        for child in graph.get(node, ()):
            if child not in before:
                before[child] = node
                queue.append(child)
    return []


def _traced(before: Mapping[int, int], goal: int) -> list[int]:
    way = [goal]
    while before[way[-1]] >= 0:
        way.append(before[way[-1]])
    return way[::-1]


def shortest_cycle(graph: Graph, nodes: Sequence[int]) -> list[int]:
    """A shortest cycle inside a knot, its smallest node first; the first node is not repeated at the end."""
    inside = _inside(graph, nodes)
    best: list[int] = []
    for node in nodes:
        for child in inside[node]:
            way = shortest_way(inside, [child], node)
            if way and (not best or len(way) < len(best)):
                best = way
        if len(best) == 2:
            break
    turn = best.index(min(best)) if best else 0
    return best[turn:] + best[:turn]


class Cut(NamedTuple):
    """An edge to take out, and the size of the largest knot that is then left (0: none)."""

    source: int
    target: int
    left: int


def best_cuts(graph: Graph, nodes: Sequence[int], fixed: Set[int], most: int = 3) -> list[Cut]:
    """Greedily the edges whose removal shrinks the knot most, one after the other. Edges out of `fixed` nodes stay.

    Empty for a knot of more than 400 edges, where trying each would take too long.
    """
    inside = _inside(graph, nodes)
    if sum(map(len, inside.values())) > 400:
        return []
    cuts: list[Cut] = []
    while len(cuts) < most and (not cuts or cuts[-1].left):
        cut = _best_cut(inside, fixed)
        if cut is None:
            break
        cuts.append(cut)
        inside = _without(inside, cut.source, cut.target)
    return cuts


def _best_cut(graph: dict[int, list[int]], fixed: Set[int]) -> Cut | None:
    tied = {node for knot in knots(graph) for node in knot}
    tried = []
    for source in sorted(tied - fixed):
        for target in graph[source]:
            left = [len(knot) for knot in knots(_without(graph, source, target))]
            tried.append((sum(left), max(left, default=0), source, target))
    if not tried:
        return None
    _, largest, source, target = min(tried)
    return Cut(source, target, largest)


def _without(graph: dict[int, list[int]], source: int, target: int) -> dict[int, list[int]]:
    return {**graph, source: [node for node in graph[source] if node != target]}


def _inside(graph: Graph, nodes: Sequence[int]) -> dict[int, list[int]]:
    among = set(nodes)
    return {node: [child for child in graph.get(node, ()) if child in among] for node in nodes}
