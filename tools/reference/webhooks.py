"""The events of the webhook guide: each with its schema and a sample, between two marks of the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.reference.markdown import code, table

from isthmus.app import FEATURES
from isthmus.features.webhooks_out import Catalogue

GUIDE: Final = "docs/WEBHOOK_INTEGRATION.md"
TYPES: Final = "web/packages/client/src/events.ts"
_BEGIN, _END = "<!-- events: made by tools.reference -->", "<!-- events end -->"
_TIME: Final = "2026-01-01T00:00:00.000Z"
_TAIL: Final = "01k5z7j3m8q2v9x4b6c0d1e2f3"
#: What the ids of these properties look like, and values that read like the real ones.
_IDS: Final = {
    "connectionId": "con",
    "integrationId": "int",
    "productId": "prd",
    "runId": "run",
    "sourceId": "src",
    "listingId": "lst",
    "listings": "lst",
    "conflictId": "cnf",
    "orderId": "ord",
    "orderIds": "ord",
    "actionId": "act",
    "itemId": "itm",
    "pushId": "psh",
    "customerId": "cus",
    "handler": "hdl",
}
_WORDS: Final = {
    "provider": "shelf",
    "url": "https://shop.example.com/hooks/isthmus",
    "currency": "VND",
    "grandTotal": "199000",
    "number": "1001",
    "externalId": "8812345",
    "entity": "products",
    "status": "active",
    "state": "done",
    "mode": "incremental",
    "platformStatus": "live",
    "previousStatus": "ready_to_ship",
    "variant": "8812345-1",
    "field": "price",
    "ours": "199000",
    "theirs": "189000",
    "value": "199000",
    "winner": "ours",
    "action": "confirm",
    "code": "out_of_stock",
    "result": "done",
    "message": "The platform's words.",
    "reason": "In words.",
    "sku": "TEE-RED-M",
    "how": "sku",
    "topic": "order_status",
    "event": "order.updated",
    "object": "8812345",
    "customer": "771",
    "requestedOrders": "8812345",
    "accountId": "727720655",
    "accountName": "The shop",
    "name": "The shop",
    "what": "customer",
    "shardType": "contact",
}
#: The same where a word means another thing in one family of events.
_WORDS_OF: Final = {
    "order.status": "shipped",
    "order.platformStatus": "SHIPPED",
    "sync.state": "succeeded",
    "record.entity": "contacts",
    "order.number": "220810QSK8S7BX",
    "webhook.reason": "failing",
    "connection.error": "CONNECTION_NOT_ALLOWED",
    "connection.reason": "refused",
}
_SUBJECTS: Final = {
    "listing": "lst",
    "sync": "run",
    "connection": "con",
    "integration": "int",
    "order": "ord",
    "customer": "cus",
    "webhook": "whe",
    "record": "rec",
    "conflict": "cnf",
    "push": "psh",
    "product": "prd",
    "inventory": "itm",
    "schedule": "con",
    "privacy": "inb",
    "webhook_function": "fun",
    "webhook.received": "inb",
    "webhook.dead": "inb",
    "webhook.loop_stopped": "inb",
}


def guide(root: Path) -> str:
    """The page with its events written anew; everything outside the marks stays."""
    text = (root / GUIDE).read_text("utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{events()}\n\n{_END}{after}"


def events() -> str:
    """Every public type of this build."""
    return "\n\n".join(_event(*one) for one in described())


def described() -> list[tuple[str, int, str, dict[str, Any]]]:
    """Type, version, meaning and schema of every public event."""
    return Catalogue([kind for feature in FEATURES for kind in feature.emits]).described()


def types() -> str:
    """The same for TypeScript: what `data` holds, by type."""
    lines = ["// Made by tools.reference from the events of the platform; do not edit.", ""]
    lines += [
        "/** What `data` of each event holds. New properties may come at any time. */",
        "export interface EventData {",
    ]
    for name, _, text, schema in described():
        data = schema["properties"]["data"]["properties"]
        shape = " ".join(f"readonly {key}?: {_typed(one)};" for key, one in data.items())
        lines += [f"  /** {text} */", f'  "{name}": {{ {shape} }};' if shape else f'  "{name}": Record<string, never>;']
    lines += ["}", "", "export type EventType = keyof EventData;", "", "/** The version of each type's schema. */"]
    versions = ", ".join(f'"{name}": {version}' for name, version, _, _ in described())
    lines += [f"export const EVENT_VERSIONS: Readonly<Record<EventType, number>> = {{ {versions} }};", "", _FRAME]
    return "\n".join(lines)


_FRAME: Final = """/** A message as endpoints, `GET /api/events` and the stream give it. */
export type EventMessage<T extends EventType = EventType> = {
  readonly [K in T]: {
    readonly id: string;
    readonly type: K;
    readonly timestamp: string;
    readonly subject: string;
    readonly data: EventData[K];
  };
}[T];
"""


def _typed(schema: Mapping[str, Any]) -> str:
    """The TypeScript of one property."""
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    kinds = schema.get("type", "unknown")
    return " | ".join(_typed_as(one, schema) for one in (kinds if isinstance(kinds, list) else [kinds]))


def _typed_as(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "object":
        inner = " ".join(f"readonly {key}?: {_typed(one)};" for key, one in schema.get("properties", {}).items())
        return f"{{ {inner} }}" if inner else "Readonly<Record<string, unknown>>"
    if kind == "array":
        return f"ReadonlyArray<{_typed(schema.get('items') or {})}>"
    return {"integer": "number"}.get(kind, kind)


def _event(name: str, version: int, text: str, schema: Mapping[str, Any]) -> str:
    data = schema["properties"]["data"]["properties"]
    rows = [(code(key), _kind(one), one.get("description", "")) for key, one in data.items()]
    fields = table(("`data`", "Type", "Meaning"), rows) if rows else "`data` is empty."
    sample = json.dumps(sample_of(name, schema), indent=1, ensure_ascii=False)
    return f"### {code(name)}\n\n{text} Schema version {version}.\n\n{fields}\n\n```json\n{sample}\n```"


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any")
    said = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{said}, {schema['format']}" if "format" in schema else said


def sample_of(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A message that keeps to the schema."""
    data = {key: _value(name, key, one) for key, one in schema["properties"]["data"]["properties"].items()}
    subject = f"{_subject(name)}_{_TAIL}"
    return {"id": f"evt_{_TAIL}", "type": name, "timestamp": _TIME, "subject": subject, "data": data}


def _subject(name: str) -> str:
    return _SUBJECTS.get(name, _SUBJECTS.get(name.partition(".")[0], "obj"))


def _value(name: str, key: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {one: _value(name, one, inner) for one, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(name, key, schema["items"])] if schema.get("items") else []
    if kind == "string":
        return _text(name, key, schema)
    return {"integer": max(1, schema.get("minimum", 1)), "number": 1.5, "boolean": True}.get(kind)


def _text(name: str, key: str, schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return _TIME
    if key == "id":
        return f"{_subject(name)}_{_TAIL}"
    if key in _IDS:
        return f"{_IDS[key]}_{_TAIL}"
    return _WORDS_OF.get(f"{name.partition('.')[0]}.{key}", _WORDS.get(key, key))
