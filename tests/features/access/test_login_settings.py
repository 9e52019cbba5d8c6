"""Which issuers people sign in at, as an operator says it."""

import pytest

from isthmus.features.access import check_logins, read_logins

ACME = {
    "ISTHMUS_LOGINS__ACME__ISSUER": "https://sign-in.acme.example/",
    "ISTHMUS_LOGINS__ACME__CLIENT_ID": "isthmus",
    "ISTHMUS_LOGINS__ACME__CLIENT_SECRET": "canary-of-acme",
}


def test_an_issuer_is_read_as_it_is_said_and_shows_no_secret() -> None:
    (one,) = read_logins({**ACME, "ISTHMUS_LOGINS__ACME__ALGORITHMS": "ES256", "ISTHMUS_PORT": "1"})
    assert (one.name, one.issuer, one.client_id) == ("acme", "https://sign-in.acme.example/", "isthmus")
    assert (one.label, one.algorithms) == ("acme", ("ES256",))
    assert "canary" not in repr(one)
    check_logins([one])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ISTHMUS_LOGINS__ACME__ISSUER": "https://a.example"}, "CLIENT_ID is missing"),
        ({**ACME, "ISTHMUS_LOGINS__ACME__ISSUR": "x"}, "expected"),
        ({**ACME, "ISTHMUS_LOGINS__A-B__ISSUER": "x"}, "expected"),
        ({**ACME, "ISTHMUS_LOGINS__ACME__TOKEN_URL": "https://a.example"}, "together or not at all"),
        ({**ACME, "ISTHMUS_LOGINS__ACME__ISSUER": "http://sign-in.acme.example"}, "not https"),
        ({**ACME, "ISTHMUS_LOGINS__ACME__ISSUER": "https://u@sign-in.acme.example"}, "not https"),
        ({**ACME, "ISTHMUS_LOGINS__ACME__ALGORITHMS": "HS256"}, "only keys that the issuer publishes"),
        (
            {**ACME, **{name.replace("ACME", "AGAIN"): value for name, value in ACME.items()}},
            "an issuer stands twice",
        ),
    ],
)
def test_what_cannot_be_meant_stops_the_start_and_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_logins(read_logins(given))
    assert "canary" not in str(caught.value)
