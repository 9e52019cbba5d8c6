"""The verification samples of the guide run against shared vectors and against our own sender."""

import importlib.util
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.given import vault as given_vault
from tests.given import webhooks_out as given

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import endpoints
from isthmus.kit import webhooks
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret
from isthmus.kit.webhooks import WebhookRefused

SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples" / "webhooks"
VECTORS: list[dict[str, Any]] = json.loads((SAMPLES / "vectors.json").read_text("utf-8"))
_NODE = """
import { readFileSync } from "node:fs";
import { verify } from %s;
const cases = JSON.parse(readFileSync(0, "utf-8"));
const told = cases.map((one) => {
  try { verify(one.headers, Buffer.from(one.body), one.keys, one.now); return null; }
  catch (refused) { return refused.reason ?? String(refused); }
});
console.log(JSON.stringify(told));
"""


def _sample() -> Any:
    spec = importlib.util.spec_from_file_location("verify_webhook_sample", SAMPLES / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_WH_09_the_package_and_the_python_sample_agree_on_every_reason(vector: dict[str, Any]) -> None:
    body, now = vector["body"].encode(), datetime.fromtimestamp(vector["now"], UTC)
    keys = [Secret(key) for key in vector["keys"]]
    if vector["reason"] is None:
        assert webhooks.verify(vector["headers"], body, keys, now)
        assert _sample().verify(vector["headers"], body, vector["keys"], vector["now"])
        return
    with pytest.raises(WebhookRefused) as refused:
        webhooks.verify(vector["headers"], body, keys, now)
    assert refused.value.reason == vector["reason"]
    with pytest.raises(ValueError, match=f"^{vector['reason']}$"):
        _sample().verify(vector["headers"], body, vector["keys"], vector["now"])


def _by_node(cases: list[dict[str, Any]]) -> list[str | None]:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is needed for this test; without it run it with `-k 'not node'`")
    script = _NODE % json.dumps((SAMPLES / "verify.mjs").as_uri())
    ended = subprocess.run(
        [node, "--input-type=module", "-e", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    told: list[str | None] = json.loads(ended.stdout)
    return told


@pytest.mark.node
def test_WH_09_the_node_sample_gives_the_same_reasons() -> None:
    assert _by_node(VECTORS) == [one["reason"] for one in VECTORS]


async def test_the_samples_verify_what_our_own_sender_sends(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, "ten_samples")
        made = await endpoints.create(scope, Draft(url=sink.url, description="Áo"))
        assert made.secret is not None
        secret, now = made.secret.reveal(), SYSTEM.now().timestamp()
        assert _sample().verify(sink.heads[0], sink.bodies[0], [secret], now).startswith("evt_")
        body = sink.bodies[0].decode()
        case = {"headers": dict(sink.heads[0]), "body": body, "keys": [secret], "now": now}
        if shutil.which("node"):
            assert _by_node([case, {**case, "body": body + "x"}]) == [None, "wrong_signature"]
