"""What goes with a client id and secret that each connection brings and that are traded for tokens (pure)."""

from collections.abc import Iterator

from isthmus.connect.manifest import TRADED
from isthmus.connect.service import names_in
from isthmus.features.catalog.model.derived import forms_of
from isthmus.features.catalog.model.document import NewProvider, OAuthPart

_NO_CONSENT = "This belongs to a consent, and with this grant there is none."


def complaints(document: NewProvider, oauth: OAuthPart) -> Iterator[tuple[str, str]]:
    """The place of each part that does not go with the grant `client_credentials`, and what is wrong there."""
    if document.auth_type != "custom" or document.auth_also:
        yield "authType", "With the grant client_credentials nobody is asked for a consent: it is `custom`."
    if not oauth.token_url:
        yield "oauthConfig.tokenUrl", "This is where a client id and its secret are traded for a token."
    consent = {"authorizeUrl": oauth.authorize_url, "refreshUrl": oauth.refresh_url, "revokeUrl": oauth.revoke_url}
    for name, given in {**consent, "clientId": oauth.client_id, "pkce": oauth.pkce}.items():
        if given:
            yield f"oauthConfig.{name}", _NO_CONSENT
    asked = {one["name"] for one in forms_of(document, document.model_dump(exclude_none=True))["credential_fields"]}
    for name in TRADED:
        if name not in asked:
            yield "credentialFields", f"A field called {name} is needed: it is traded for a token."
    yield from _bearing(document)


def _bearing(document: NewProvider) -> Iterator[tuple[str, str]]:
    if document.service is None:
        yield "service", "The grant client_credentials needs a service, which says where the token goes."
    elif not any("access_token" in names_in(one.value) for one in document.service.attach):
        yield "service.attach", "Say where the token goes, such as `Bearer {access_token}`."
