"""A secret shows itself to `reveal()` alone (security.md LO-01)."""

import json
import pickle
from dataclasses import dataclass

import msgspec
import pytest

from isthmus.kit.secret import Secret

TEXT = "sk-canary-7c1f"


@dataclass
class Holder:
    key: Secret


def test_LO_01_no_way_of_printing_shows_a_secret() -> None:
    secret = Secret(TEXT)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret}",
        repr(Holder(secret)),
        repr([secret]),
    ]
    assert not any(TEXT in text for text in shown)
    assert secret.reveal() == TEXT


def test_LO_01_no_encoder_takes_a_secret() -> None:
    for encode in (json.dumps, msgspec.json.encode, pickle.dumps):
        with pytest.raises(TypeError):
            encode(Secret(TEXT))


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert not Secret("")
