"""The webhook guide shows every public event, and its samples are what receivers may rely on."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tools.reference import webhooks

from isthmus.app import FEATURES
from isthmus.features.webhooks_out import Catalogue

DESCRIBED = Catalogue([kind for feature in FEATURES for kind in feature.emits]).described()


@pytest.mark.parametrize("name", [name for name, *_ in DESCRIBED])
def test_the_sample_of_an_event_keeps_to_its_schema(name: str) -> None:
    schema = next(schema for one, _, _, schema in DESCRIBED if one == name)
    jsonschema.Draft202012Validator.check_schema(schema)
    sample = webhooks.sample_of(name, schema)
    jsonschema.validate(sample, schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for key, value in schema["properties"]["data"]["properties"].items():
        jsonschema.validate(sample["data"][key], value)


@pytest.mark.parametrize("name", [name for name, *_ in DESCRIBED])
def test_every_property_of_an_event_says_what_it_means_and_its_sample_reads_like_a_real_one(name: str) -> None:
    schema = next(schema for one, _, _, schema in DESCRIBED if one == name)
    sample = webhooks.sample_of(name, schema)
    assert not sample["subject"].startswith("obj_")
    _told(schema["properties"]["data"], sample["data"])


def _told(schema: Mapping[str, Any], value: Any) -> None:
    for key, one in schema.get("properties", {}).items():
        assert one.get("description"), key
        assert value[key] not in (key, [key])
        if isinstance(value[key], list) and value[key]:
            _told(one["items"], value[key][0])
        elif isinstance(value[key], dict):
            _told(one, value[key])


def test_the_page_can_be_written_anew_and_shows_every_event() -> None:
    text = webhooks.guide(Path(__file__).parents[2])
    shown = {json.loads(one)["type"] for one in re.findall(r"```json\n(\{\n \"id\".*?\n\})\n```", text, re.DOTALL)}
    assert shown == {name for name, *_ in DESCRIBED}
    assert text.count("<!-- events") == 2


ROOT = Path(__file__).parents[2]


def test_the_guides_name_every_reason_for_which_a_delivery_is_refused_or_fails() -> None:
    judging = (ROOT / "src/isthmus/features/webhooks_in/model/verifying.py").read_text("utf-8")
    reasons = set(re.findall(r'(?:_Refused\(|Verdict\(False, |return )"([a-z_]+)",', judging))
    assert {"wrong_signature", "missing_signature", "no_key", "too_old"} <= reasons
    inbound = (ROOT / "docs/guides/receive-webhooks.md").read_text("utf-8")
    assert {one for one in reasons if f"`{one}`" not in inbound} == set()
    sent = (ROOT / "src/isthmus/features/webhooks_out/service/sending.py").read_text("utf-8")
    classes = {*re.findall(r'\), "([a-z_]+)"\)', sent), *re.findall(r'(?:error = |return )"([a-z_]+)"', sent)}
    assert {"unreachable", "tls", "timeout", "bad_reply"} <= classes
    outbound = (ROOT / webhooks.GUIDE).read_text("utf-8")
    assert {one for one in classes if f"lastError: {one}`" not in outbound} == set()
