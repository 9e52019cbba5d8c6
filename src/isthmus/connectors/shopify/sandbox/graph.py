"""Shopify's GraphQL endpoint (reference 6.1, 6.3): costs, page limits, errors with HTTP 200, unknown names refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.connectors.shopify.sandbox.language import Field, Operation, Unreadable, filled, parse
from isthmus.kit.clock import Clock
from isthmus.sandbox import Call, Reply, Seller, Shop, json_reply

#: What a field gives: a value, an object by its fields' names, a list of these, or a function of its arguments.
Node: TypeAlias = Mapping[str, object]
Arguments: TypeAlias = Mapping[str, object]
Resolver: TypeAlias = Callable[[Arguments], object]

_LARGEST_PAGE = 250
_CEILING = 1_000
_MUTATION = 10
#: Fields that cost nothing beside what they belong to.
_FREE = frozenset({"pageInfo", "edges", "userErrors", "orderCancelUserErrors"})


class Wrong(Exception):
    """An error of the whole answer, told with HTTP 200; `code` goes into its extensions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Points:
    """What is left of each shop's points: `rate` come back a second, up to `size`."""

    def __init__(self, clock: Clock, rate: float = 100.0, size: float = 2_000.0) -> None:
        self._clock = clock
        self.rate, self.size = rate, size
        self._left: dict[str, tuple[float, float]] = {}

    def left(self, shop: str) -> float:
        """What may be spent now."""
        left, at = self._left.get(shop, (self.size, self._clock.monotonic()))
        return min(self.size, left + max(0.0, self._clock.monotonic() - at) * self.rate)

    def spend(self, shop: str, cost: float) -> None:
        """Take points away."""
        self._left[shop] = self.left(shop) - cost, self._clock.monotonic()

    def set_rate(self, rate: float, size: float) -> None:
        """Change the limit while running; buckets start full again."""
        self.rate, self.size = rate, size
        self._left.clear()


@dataclass(slots=True)
class Ask:
    """One request to the endpoint while it is answered; `key` is the idempotency key of the field in hand."""

    shop: Shop
    call: Call
    seller: Seller
    key: str = ""


#: The fields that an operation may begin with, each for one request.
Roots: TypeAlias = Callable[[Ask], Mapping[str, Resolver]]


def answer(ask: Ask, points: Points, queries: Roots, mutations: Roots) -> Reply:
    """POST /graphql.json."""
    requested = 0
    try:
        operation, variables = _read(ask.call)
        requested = _checked_cost(operation, variables)
        _admit(ask, points, requested)
        shown = _Shown(ask, variables)
        data = shown.whole(operation, mutations if operation.kind == "mutation" else queries)
    except Wrong as wrong:
        ask.shop.recording.refused(ask.call.record, wrong.code)
        told = {"message": str(wrong), "extensions": {"code": wrong.code}}
        return json_reply({"errors": [told], "extensions": _cost(points, ask.seller, requested, None)})
    actual = shown.objects if operation.kind == "query" else _MUTATION
    points.spend(ask.seller.id, actual)
    return json_reply({"data": data, "extensions": _cost(points, ask.seller, requested, actual)})


def denied() -> Reply:
    """The answer to an app that may not ask."""
    told = {"message": "Access denied for the GraphQL Admin API.", "extensions": {"code": "ACCESS_DENIED"}}
    return json_reply({"errors": [told]})


def _admit(ask: Ask, points: Points, requested: int) -> None:
    if points.left(ask.seller.id) < requested:
        ask.shop.recording.counts["throttled"] += 1
        raise Wrong("THROTTLED", "Throttled")


def _cost(points: Points, seller: Seller, requested: int, actual: int | None) -> Node:
    status = {
        "maximumAvailable": points.size,
        "currentlyAvailable": float(int(points.left(seller.id))),
        "restoreRate": points.rate,
    }
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}


def _read(call: Call) -> tuple[Operation, Arguments]:
    body = call.json()
    document, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(document, str) or not isinstance(variables, dict):
        raise Wrong("BAD_REQUEST", "a request has a query, and variables by name")
    try:
        operation = parse(document)
    except Unreadable as error:
        raise Wrong("GRAPHQL_PARSE_FAILED", str(error)) from error
    call.record.page = operation.name
    for name in sorted(operation.required):
        if variables.get(name) is None:
            raise Wrong("INVALID_VARIABLE", f"Variable ${name} was provided invalid value")
    return operation, {name: value for name, value in variables.items() if name in operation.variables}


def _checked_cost(operation: Operation, variables: Arguments) -> int:
    """What the operation would cost if every page of it were full. Raises Wrong above the ceiling."""
    if operation.kind == "mutation":
        return _MUTATION * len(operation.selected)
    cost = _cost_of(operation.selected, variables)
    if cost > _CEILING:
        raise Wrong("MAX_COST_EXCEEDED", f"Query cost is {cost}, which exceeds the single query max cost {_CEILING}")
    return cost


def _cost_of(selected: Sequence[Field], variables: Arguments) -> int:
    return sum(_field_cost(one, variables) for one in selected)


def _field_cost(one: Field, variables: Arguments) -> int:
    """An object is one point, a page as many times what one of its rows costs as it may have rows."""
    inner = _cost_of(one.selected, variables)
    if one.on or one.name in _FREE or not one.selected:
        return inner
    if "ids" in one.arguments:
        return len(many(filled(one.arguments["ids"], variables), "ids")) * (1 + inner)
    if "first" not in one.arguments:
        return 1 + inner
    size = filled(one.arguments["first"], variables)
    if not isinstance(size, int) or not 1 <= size <= _LARGEST_PAGE:
        raise Wrong("BAD_USER_INPUT", f"first must be from 1 to {_LARGEST_PAGE}")
    paged = any(child.name in {"nodes", "edges"} for child in one.selected)
    return 1 + size * inner if paged else size * (1 + inner)


def many(value: object, what: str) -> list[object]:
    """An input that is a list of at most 250."""
    if not isinstance(value, list):
        raise Wrong("INVALID_VARIABLE", f"{what} is a list")
    if len(value) > _LARGEST_PAGE:
        raise Wrong("MAX_INPUT_SIZE_EXCEEDED", f"The input array size of {len(value)} is greater than {_LARGEST_PAGE}")
    return value


def connection(rows: Sequence[object], cursors: Sequence[str], *, more: bool) -> Node:
    """A page of rows with the cursor behind each, as `nodes` and as `edges`."""
    info = {"__typename": "PageInfo", "hasNextPage": more, "endCursor": cursors[-1] if cursors else None}

    def edges(_: Arguments) -> object:
        pairs = zip(rows, cursors, strict=True)
        return [{"__typename": "Edge", "node": row, "cursor": cursor} for row, cursor in pairs]

    return {"__typename": "Connection", "nodes": list(rows), "edges": edges, "pageInfo": info}


class _Shown:
    """What an operation selects of what there is, and how many objects that came to."""

    def __init__(self, ask: Ask, variables: Arguments) -> None:
        self._ask = ask
        self._variables = variables
        self.objects = 0

    def whole(self, operation: Operation, roots: Roots) -> dict[str, object]:
        known = roots(self._ask)
        data: dict[str, object] = {}
        for one in operation.selected:
            if one.name not in known:
                raise Wrong("undefinedField", f"Field '{one.name}' doesn't exist on type '{operation.kind}'")
            key = self._filled(one.directives.get("idempotent", {})).get("key")
            self._ask.key = key if isinstance(key, str) else ""
            data[one.alias] = self._value(known[one.name](self._filled(one.arguments)), one)
        return data

    def _filled(self, arguments: Arguments) -> dict[str, object]:
        return {name: filled(value, self._variables) for name, value in arguments.items()}

    def _value(self, value: object, one: Field) -> object:
        if isinstance(value, list):
            return [self._value(each, one) for each in value]
        if value is not None and isinstance(value, Mapping) != bool(one.selected):
            raise Wrong("selectionMismatch", f"Field '{one.name}' is selected the wrong way")
        if not isinstance(value, Mapping):
            return value
        self.objects += one.name not in _FREE
        return self._object(value, one.selected)

    def _object(self, node: Node, selected: Sequence[Field]) -> dict[str, object]:
        shown: dict[str, object] = {}
        for one in selected:
            if one.on:
                shown.update(self._object(node, one.selected) if node.get("__typename") == one.on else {})
                continue
            if one.name not in node:
                raise Wrong("undefinedField", f"Field '{one.name}' doesn't exist on type '{node.get('__typename')}'")
            value = node[one.name]
            if callable(value):
                value = value(self._filled(one.arguments))
            shown[one.alias] = self._value(value, one)
        return shown
