"""What follows from a provider's document: its hosts and its forms (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from isthmus.connect.manifest import Field
from isthmus.features.catalog.model.document import NewProvider

OAUTH_HOSTS: Final = (
    ("consent", "authorize_url"),
    ("token", "token_url"),
    ("refresh", "refresh_url"),
    ("revoke", "revoke_url"),
)
#: The fields that each way of signing in asks for, unless the document names its own.
_FORMS: Mapping[str, tuple[Field, ...]] = {
    "api_key": (Field(name="api_key", label="API key", secret=True),),
    "basic": (Field(name="username", label="User name"), Field(name="password", label="Password", secret=True)),
}
_APP = (
    Field(name="client_id", label="Client id"),
    Field(name="client_secret", label="Client secret", secret=True, required=False),
)
#: What a connection is asked for where its own client id and secret are traded for tokens.
_TRADED = tuple(msgspec.structs.replace(one, required=True) for one in _APP)
#: Where there is another way too, nobody needs an app for that one.
_APP_ALSO = tuple(msgspec.structs.replace(one, required=False) for one in _APP)
OAUTH: Final = "oauth2"


def trades_keys(document: NewProvider) -> bool:
    """Whether a connection's own client id and secret are traded for tokens, and nobody is asked for a consent."""
    return document.oauth_config is not None and document.oauth_config.grant_type == "client_credentials"


def hosts_of(document: NewProvider) -> dict[str, str]:
    oauth = document.oauth_config
    named = {host: getattr(oauth, name) for host, name in OAUTH_HOSTS} if oauth is not None else {}
    given = {name: address for name, address in named.items() if address}
    return {**{name: address.rstrip("/") for name, address in (document.hosts or {}).items()}, **given}


def forms_of(document: NewProvider, given: Mapping[str, Any]) -> dict[str, Any]:
    usual = _TRADED if trades_keys(document) else _FORMS.get(document.auth_type, ())
    parts = [
        Field(name=one.name, label=one.name.replace("_", " ").capitalize())
        for one in document.variables or ()
        if one.source == "credential" and one.name not in {field.name for field in usual}
    ]
    app = _app_fields(document)
    usual_fields = msgspec.to_builtins([*parts, *usual])
    fields = {name: given[name] for name in ("app_fields", "credential_fields", "settings_fields") if name in given}
    labelled = {
        name: [{**one, "label": one["label"] or one["name"]} for one in several] for name, several in fields.items()
    }
    return {"app_fields": msgspec.to_builtins(app), "credential_fields": usual_fields, **labelled}


def _app_fields(document: NewProvider) -> Sequence[Field]:
    """What an app is asked for; its id is not, where the document tells it."""
    if document.oauth_config is None or trades_keys(document):
        return ()
    several = _APP if document.auth_type == OAUTH else _APP_ALSO
    return [one for one in several if one.name != "client_id" or not document.oauth_config.client_id]
