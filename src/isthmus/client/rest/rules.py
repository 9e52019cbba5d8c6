"""Error rules as a judge: the first filter whose conditions hold decides."""

from __future__ import annotations

from isthmus.client.errors import MalformedBody
from isthmus.client.judge import ACCEPTED, Failure, Judge, Kind, by_status
from isthmus.client.message import Response
from isthmus.client.paths import dig
from isthmus.client.rest.endpoint import APIEndpoint, ResponseFilter

_KINDS: dict[str, Kind] = {"RETRY": "transient", "RATE_LIMITED": "throttled", "REFRESH_TOKEN_THEN_RETRY": "token"}


def judge_of(endpoint: APIEndpoint) -> Judge:
    """The judge of one endpoint."""

    def judge(response: Response) -> Failure | None:
        for rule in endpoint.response_filters:
            if _holds(rule, response):
                return _verdict(rule, response)
        return by_status(response)

    return judge


def ignored(endpoint: APIEndpoint, response: Response) -> bool:
    """Whether the first filter that holds says IGNORE."""
    return next((rule.action == "IGNORE" for rule in endpoint.response_filters if _holds(rule, response)), False)


def _body(response: Response) -> object:
    try:
        return response.json()
    except MalformedBody:
        return None


def _holds(rule: ResponseFilter, response: Response) -> bool:
    if rule.http_codes and response.status not in rule.http_codes:
        return False
    if rule.code_path is not None:
        code = dig(_body(response), rule.code_path)
        if code is None or (rule.codes and str(code) not in rule.codes):
            return False
    if rule.error_message_contains is not None:
        return rule.error_message_contains.encode() in response.content
    return bool(rule.http_codes) or rule.code_path is not None


def _verdict(rule: ResponseFilter, response: Response) -> Failure:
    if rule.action in {"SUCCESS", "IGNORE"}:
        return ACCEPTED
    kind = _KINDS.get(rule.action, rule.kind)
    code = dig(_body(response), rule.code_path) if rule.code_path else None
    message = dig(_body(response), rule.message_path) if rule.message_path else None
    return Failure(
        kind=kind,
        code=None if code is None else str(code)[:100],
        message=str(message)[:300] if message else f"HTTP {response.status}",
    )
