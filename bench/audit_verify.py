"""CPU of proving 100,000 entries of the audit log against their signed checkpoints, beside a plain chain of hashes."""

import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bench.report import Row as Figure
from bench.report import publish
from isthmus.engine import keys
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.model import merkle
from isthmus.features.audit.model.checkpoints import Checkpoint, Row, Stretch
from isthmus.kit.secret import Secret

ENTRIES, EACH, ROUNDS = 100_000, 10_000, 5
_ENTRY = b'["ten_a", "evt_%026d", "%d", "thing.renamed", "thg_1", null, {"name": "a"}, {"name": "b"}]'


def run() -> None:
    """Seal and prove them, some times over."""
    rows = [Row(number, f"evt_{number:026d}", "ten_a", _ENTRY % (number, number)) for number in range(1, ENTRIES + 1)]
    private = Secret(keys.random_material().hex())
    sealed = _sealed(rows, private)
    public = {"aky_1": model.public_of(private)}
    leaves = [row.leaf for row in rows]
    publish(
        "audit_verify",
        [
            Figure(
                "100,000 entries proved against 10 checkpoints", _cpu(lambda: _proved(sealed, rows, public)), "s", 1.0
            ),
            Figure("of that the tree", _cpu(lambda: merkle.root(leaves)), "s", 0.3, "0.08 s in the reference"),
            Figure("a chain of hashes without signatures", _cpu(lambda: _chained(rows)), "s"),
            Figure("proof of one of 10,000", _cpu(lambda: merkle.path(leaves[:EACH], 4_711)) * 1000, "ms", 50),
        ],
    )


def _sealed(rows: Sequence[Row], private: Secret) -> list[Checkpoint]:
    made: list[Checkpoint] = []
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, len(rows), EACH):
        before = made[-1] if made else None
        part = rows[start : start + EACH]
        made.append(model.signed(model.sealed(part, before, at, "aky_1", Stretch()), private))
    return made


def _proved(sealed: Sequence[Checkpoint], rows: Sequence[Row], public: dict[str, bytes]) -> None:
    before: Checkpoint | None = None
    for number, one in enumerate(sealed):
        if not model.holds(one, before, public) or model.compared(one, rows[number * EACH : (number + 1) * EACH], ()):
            raise SystemExit(f"checkpoint {number} does not hold")
        before = one


def _chained(rows: Sequence[Row]) -> bytes:
    last = b""
    for row in rows:
        last = hashlib.sha256(last + row.entry).digest()
    return last


def _cpu(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return statistics.median(took)
