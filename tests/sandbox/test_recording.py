"""The recording tells what was asked and how it ended, and keeps no secrets."""

from isthmus.sandbox.recording import Recording


def test_secrets_in_a_query_are_masked() -> None:
    recording = Recording()
    record = recording.open("now", "GET", "/x", [("access_token", "abc"), ("sign", "def"), ("page", "2")])
    assert record.query == [("access_token", "***"), ("sign", "***"), ("page", "2")]


def test_broken_rules_are_counted_by_name() -> None:
    recording = Recording()
    for _ in range(2):
        recording.refused(recording.open("now", "GET", "/x", []), "token")
    assert recording.counts == {"requests": 2, "rule:token": 2}
    assert recording.requests[-1].rule == "token"
    recording.clear()
    assert not recording.requests
    assert not recording.counts


def test_only_the_last_requests_are_kept() -> None:
    recording = Recording()
    for _ in range(10_001):
        recording.open("now", "GET", "/x", [])
    assert (recording.requests[0].number, recording.requests[-1].number) == (2, 10_001)
