"""What a far side says of a failed call, without the credentials that it repeats (security.md LO-03)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from isthmus.client import Failure, Response
from isthmus.client.judge import Judge
from isthmus.client.redact import HIDDEN, secret_name
from isthmus.kit.secret import Secret

#: Anything shorter would stand in words that have nothing to do with it.
_SHORTEST = 4


def masked(judge: Judge, known: Iterable[Secret]) -> Judge:
    """The same verdicts; where their words hold one of these secrets, or what the call bore, it is hidden."""
    secrets = tuple(known)

    def judged(response: Response) -> Failure | None:
        failure = judge(response)
        if failure is None or not (failure.code or failure.message):
            return failure
        hidden = [value for value in _values(secrets, response) if len(value) >= _SHORTEST]
        code, message = _without(hidden, failure.code or ""), _without(hidden, failure.message)
        if (code, message) == (failure.code or "", failure.message):
            return failure
        return replace(failure, code=code or None, message=message)

    return judged


def _values(secrets: Iterable[Secret], response: Response) -> Iterator[str]:
    """The longest first: one may hold another."""
    yield from sorted((one.reveal() for one in secrets), key=len, reverse=True)
    sent = response.request.headers if response.request is not None else {}
    yield from (value.split(" ")[-1] for name, value in sent.items() if secret_name(name))


def _without(hidden: Iterable[str], words: str) -> str:
    for value in hidden:
        words = words.replace(value, HIDDEN)
    return words
