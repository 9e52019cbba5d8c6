"""What the log keeps of a request's headers."""

import msgspec

from isthmus.connect.webhooks import Signature, Webhooks
from isthmus.features.webhooks_in.model.deliveries import kept_headers

TOKEN = Webhooks(signatures=(Signature(where="header:x-gitlab-token", kind="token"),))
SIGNED = Webhooks(signatures=(Signature(where="header:authorization"),))


def test_LO_04_what_opens_a_door_by_itself_is_hidden_however_large_the_rest_is() -> None:
    for more in ({}, {"x-long": "a" * 5_000}, {"x-odd": "é\x00"}):
        given = {"x-gitlab-token": "opens", "cookie": "a=b", "x-a": "b", "authorization": "Bearer opens", **more}
        kept = kept_headers(given, TOKEN)
        assert (kept["x-gitlab-token"], kept["cookie"], kept["authorization"], kept["x-a"]) == (
            "***",
            "***",
            "***",
            "b",
        )
        assert set(kept) == set(given)
        msgspec.json.encode(kept)
    assert len(kept_headers({"x-long": "a" * 5_000}, TOKEN)["x-long"]) == 4_000
    assert kept_headers({"x-odd": "é\x00"}, TOKEN)["x-odd"] == "é\ufffd"


def test_a_signature_in_the_authorization_header_is_shown_and_a_password_is_not() -> None:
    assert kept_headers({"authorization": "0a1b"}, SIGNED) == {"authorization": "0a1b"}
    assert kept_headers({"authorization": "basic eA=="}, SIGNED) == {"authorization": "***"}
    as_token = Webhooks(signatures=(Signature(where="header:authorization", kind="token"),))
    assert kept_headers({"authorization": "opens"}, as_token) == {"authorization": "***"}
