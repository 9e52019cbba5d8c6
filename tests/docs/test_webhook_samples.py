"""The verification samples and helpers run against shared vectors and against our own sender."""

import base64
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.beside import typed_node
from tests.given import vault as given_vault
from tests.given import webhooks_out as given

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft
from isthmus.features.webhooks_out.service import endpoints
from isthmus.kit import webhooks
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret
from isthmus.kit.webhooks import WebhookRefused

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "samples" / "webhooks"
HELPER = ROOT / "web" / "packages" / "client" / "src" / "webhooks.ts"
VECTORS: list[dict[str, Any]] = json.loads((SAMPLES / "vectors.json").read_text("utf-8"))
#: The three files to copy know the symmetric scheme alone.
SYMMETRIC = [one for one in VECTORS if not any(key.startswith("whpk_") for key in one["keys"])]
_SAMPLE = """
import { readFileSync } from "node:fs";
import { verify } from %s;
const cases = JSON.parse(readFileSync(0, "utf-8"));
const bytes = (one) => one.body64 === undefined ? Buffer.from(one.body) : Buffer.from(one.body64, "base64");
const told = cases.map((one) => {
  try { verify(one.headers, bytes(one), one.keys, one.now); return null; }
  catch (refused) { return refused.reason ?? String(refused); }
});
console.log(JSON.stringify(told));
"""
_HELPER = """
import { readFileSync } from "node:fs";
import { verifyWebhook } from %s;
const told = [];
const bytes = (one) => one.body64 === undefined ? Buffer.from(one.body) : Buffer.from(one.body64, "base64");
for (const one of JSON.parse(readFileSync(0, "utf-8"))) {
  for (const [headers, body] of [[one.headers, one.body ?? bytes(one)], [new Headers(one.headers), bytes(one)]]) {
    try { await verifyWebhook(headers, body, one.keys, { now: one.now }); told.push(null); }
    catch (refused) { told.push(refused.reason ?? String(refused)); }
  }
}
console.log(JSON.stringify(told));
"""
_PHP = """
require %s;
$told = [];
foreach (json_decode(stream_get_contents(STDIN), true) as $one) {
    $body = $one["body"] ?? base64_decode($one["body64"]);
    try { verify_webhook($one["headers"], $body, $one["keys"], (int) $one["now"]); $told[] = null; }
    catch (WebhookRefused $refused) { $told[] = $refused->reason; }
}
echo json_encode($told);
"""


def _body(vector: dict[str, Any]) -> bytes:
    """As it came in: vectors hold it as a text, and in base64 where it is none."""
    return base64.b64decode(vector["body64"]) if "body64" in vector else str(vector["body"]).encode()


def _sample() -> Any:
    spec = importlib.util.spec_from_file_location("verify_webhook_sample", SAMPLES / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_WH_09_the_package_gives_the_reason_of_every_vector(vector: dict[str, Any]) -> None:
    body, now = _body(vector), datetime.fromtimestamp(vector["now"], UTC)
    keys = [Secret(key) for key in vector["keys"]]
    if vector["reason"] is None:
        assert webhooks.verify(vector["headers"], body, keys, now)
        return
    with pytest.raises(WebhookRefused) as refused:
        webhooks.verify(vector["headers"], body, keys, now)
    assert refused.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", SYMMETRIC, ids=lambda one: one["name"])
def test_WH_09_the_python_sample_gives_the_same_reasons(vector: dict[str, Any]) -> None:
    given_ = (vector["headers"], _body(vector), vector["keys"], vector["now"])
    if vector["reason"] is None:
        assert _sample().verify(*given_)
        return
    with pytest.raises(ValueError, match=f"^{vector['reason']}$"):
        _sample().verify(*given_)


def _run(command: list[str], cases: list[dict[str, Any]]) -> list[str | None]:
    program = shutil.which(command[0])
    if program is None:
        pytest.fail(f"{command[0]} is needed for this test; without it run it with `-k 'not {command[0]}'`")
    ended = subprocess.run(
        [program, *command[1:]], input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=True
    )
    told: list[str | None] = json.loads(ended.stdout)
    return told


def _by_node(cases: list[dict[str, Any]]) -> list[str | None]:
    script = _SAMPLE % json.dumps((SAMPLES / "verify.mjs").as_uri())
    return _run(["node", "--input-type=module", "-e", script], cases)


def _by_php(cases: list[dict[str, Any]]) -> list[str | None]:
    return _run(["php", "-r", _PHP % json.dumps(str(SAMPLES / "verify.php"))], cases)


def _by_helper(cases: list[dict[str, Any]]) -> list[str | None]:
    script = _HELPER % json.dumps(HELPER.as_uri())
    command = [
        typed_node() or "node",
        "--experimental-strip-types",
        "--no-warnings",
        "--input-type=module",
        "-e",
        script,
    ]
    both = _run(command, cases)
    assert both[::2] == both[1::2], "plain objects and Headers, texts and bytes are the same"
    return both[::2]


@pytest.mark.node
def test_WH_09_the_node_sample_gives_the_same_reasons() -> None:
    assert _by_node(SYMMETRIC) == [one["reason"] for one in SYMMETRIC]


@pytest.mark.php
def test_WH_09_the_php_sample_gives_the_same_reasons() -> None:
    assert _by_php(SYMMETRIC) == [one["reason"] for one in SYMMETRIC]


@pytest.mark.node_types
def test_WH_09_the_typescript_helper_gives_the_reason_of_every_vector() -> None:
    assert _by_helper(VECTORS) == [one["reason"] for one in VECTORS]


async def _case(database: Database) -> dict[str, Any]:
    """A message that our own sender sent."""
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, "ten_samples")
        made = await endpoints.create(scope, Draft(url=sink.url, description="Áo"))
        assert made.secret is not None
        secret, now = made.secret.reveal(), int(SYSTEM.now().timestamp())
        return {"headers": dict(sink.heads[0]), "body": sink.bodies[0].decode(), "keys": [secret], "now": now}


async def test_the_python_sample_verifies_what_our_own_sender_sends(database: Database) -> None:
    case = await _case(database)
    body = case["body"].encode()
    assert _sample().verify(case["headers"], body, case["keys"], case["now"]).startswith("evt_")
    with pytest.raises(ValueError, match="wrong_signature"):
        _sample().verify(case["headers"], body + b"x", case["keys"], case["now"])


@pytest.mark.parametrize(
    "verified",
    [
        pytest.param(_by_node, marks=pytest.mark.node, id="node"),
        pytest.param(_by_php, marks=pytest.mark.php, id="php"),
        pytest.param(_by_helper, marks=pytest.mark.node_types, id="typescript"),
    ],
)
async def test_the_others_verify_what_our_own_sender_sends(database: Database, verified: Callable[..., Any]) -> None:
    case = await _case(database)
    assert verified([case, {**case, "body": case["body"] + "x"}]) == [None, "wrong_signature"]
