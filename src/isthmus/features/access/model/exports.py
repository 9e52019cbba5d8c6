"""What the export of a tenant holds of each table, and what stays out of it and why (pure; security.md ER-03).

Every table that holds rows of tenants stands in one of the two lists; a test fails for one that stands in neither.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """How a table's rows are written; columns of bytes that are not named here are hashes or seals, and stay out."""

    #: Sealed columns and the place that their seal is bound to.
    sealed: Mapping[str, str] = field(default_factory=dict)
    #: Columns of bytes that are texts.
    texts: frozenset[str] = frozenset()
    #: Columns that are nobody's data, or open something.
    without: frozenset[str] = frozenset()
    #: The only columns that go out of a row that is one person's own: an admin sees that it is there. Empty: all.
    of_persons: frozenset[str] = frozenset()


_PLAIN = Rule()
#: The column that says whose a row is, where it is one person's.
OWNER = "owner_id"
_EXISTENCE = frozenset({"id", "integration_id", "provider", "status", "user_id", OWNER, "connected_at", "created_at"})
WRITTEN: Mapping[str, Rule] = {
    "api_keys": _PLAIN,
    "break_glasses": Rule(without=frozenset({"session"})),
    "connection_calls": _PLAIN,
    "connections": Rule(of_persons=_EXISTENCE),
    "customers": Rule(sealed={"personal": "customers.personal"}),
    "event_retention": _PLAIN,
    "events": _PLAIN,
    "hidden_records": _PLAIN,
    "integrations": _PLAIN,
    "issuer_accounts": _PLAIN,
    "listings": Rule(texts=frozenset({"raw"})),
    "order_lines": _PLAIN,
    "orders": Rule(sealed={"personal": "orders.personal", "raw": "orders.raw"}),
    "product_sync_configs": _PLAIN,
    "products": _PLAIN,
    "registrations": _PLAIN,
    "return_origins": _PLAIN,
    "shards": _PLAIN,
    "shipments": _PLAIN,
    "sync_changes": _PLAIN,
    "sync_errors": Rule(texts=frozenset({"payload"})),
    "sync_runs": _PLAIN,
    "sync_suspects": _PLAIN,
    "upload_errors": _PLAIN,
    "upload_mappings": _PLAIN,
    "uploads": _PLAIN,
    "user_identities": _PLAIN,
    "users": _PLAIN,
    "variants": _PLAIN,
    "webhook_deliveries": _PLAIN,
    "webhook_endpoints": _PLAIN,
    "webhook_event_types": _PLAIN,
    "webhook_functions": _PLAIN,
    "webhook_handlers": _PLAIN,
    "webhook_inbox": Rule(texts=frozenset({"body"}), without=frozenset({"headers", "query"})),
    "webhook_recoveries": _PLAIN,
    "webhook_refused": Rule(texts=frozenset({"body"}), without=frozenset({"headers"})),
    "webhook_replays": _PLAIN,
    "webhook_retention": _PLAIN,
    "webhook_sources": _PLAIN,
    "webhook_steps": _PLAIN,
    "webhook_subscriptions": _PLAIN,
}
_WORK = "says what a worker has still to do, and nothing that is not in the tables it works on"
_OPENS = "opens or proves something, and is of use to nobody else"
_COUNTED = "counted from other tables"
_OWN = "belongs to the deployment and has no rows of any other tenant"
LEFT: Mapping[str, str] = {
    "account_claims": _WORK,
    "audit_keys": _OPENS,
    "connect_sessions": _OPENS,
    "connection_hours": _COUNTED,
    "holdings": _COUNTED,
    "idempotency_keys": _OPENS,
    "integration_counts": _COUNTED,
    "login_issuers": _OWN,
    "oauth_flows": _OPENS,
    "order_statuses": _COUNTED,
    "password_resets": _OPENS,
    "provider_proposals": _OWN,
    "second_factors": _OPENS,
    "sessions": _OPENS,
    "sign_in_failures": _OPENS,
    "sync_cursors": _WORK,
    "sync_refreshes": _WORK,
    "sync_seen": _WORK,
    "token_revocations": _OPENS,
    "upload_parts": _WORK,
    "weak_settings": _OWN,
    "webhook_attempts": "answers of the tenant's own endpoints, kept for a while to find faults",
    "webhook_due": _WORK,
    "webhook_enrolments": _WORK,
    "webhook_halts": _WORK,
    "webhook_mail": _WORK,
    "webhook_secrets": _OPENS,
    "webhook_tasks": _WORK,
    "webhook_tokens": _OPENS,
}
#: Whatever a column with such a word in its name holds, it is no data that somebody has given.
_HIDDEN = re.compile(r"(^|_)(hash|digest|sealed|secret|password|verifier|credentials|token)(_|$)")


def is_written(rule: Rule, column: str, *, binary: bool) -> bool:
    """Whether a column goes out."""
    if column in rule.sealed or column in rule.texts:
        return True
    return not (binary or column == "tenant_id" or column in rule.without or _HIDDEN.search(column))


def seen_of(rule: Rule, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as an admin may see it."""
    if not rule.of_persons or row[OWNER] is None:
        return dict(row)
    return {name: value for name, value in row.items() if name in rule.of_persons}
