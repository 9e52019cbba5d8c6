"""Words of a far side: it may repeat our credentials, we do not."""

import pytest
from multidict import CIMultiDict

from isthmus.client import Failure, Request, Response
from isthmus.client.judge import ACCEPTED
from isthmus.client.url import parse
from isthmus.features.connections.service.masking import masked
from isthmus.kit.secret import Secret

KEY = "canary-key-1"


def reply(**sent: str) -> Response:
    return Response(401, {}, b"", Request("GET", parse("https://far.example/me"), CIMultiDict(sent)))


@pytest.mark.parametrize(
    ("known", "sent"),
    [([KEY], {}), ([KEY[:6], KEY], {}), ([], {"Authorization": f"Bearer {KEY}"}), ([], {"X-Api-Key": KEY})],
)
def test_LO_03_credentials_that_a_far_side_repeats_are_hidden(known: list[str], sent: dict[str, str]) -> None:
    said = Failure(kind="token", code=f"bad {KEY}", message=f"The key {KEY} is unknown")
    judged = masked(lambda _: said, [Secret(one) for one in known])(reply(**sent))
    assert judged == Failure(kind="token", code="bad ***", message="The key *** is unknown")


@pytest.mark.parametrize("verdict", [None, ACCEPTED, Failure(kind="caller", code="x", message="no such site")])
def test_verdicts_without_credentials_stay_what_they_are(verdict: Failure | None) -> None:
    assert masked(lambda _: verdict, [Secret("abc"), Secret("")])(reply(Accept="site")) is verdict
