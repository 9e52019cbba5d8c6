"""An OAuth2 and OIDC server that is not ours: Django OAuth Toolkit over SQLite. `python independent_server.py FOLDER`.

Prints one line of JSON with its address and the credentials of its two apps: one that asks people, and one that acts
for itself. Who browses is the cookie `person`.
"""

import json
import secrets
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

FOLDER = Path(sys.argv[1])
PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)

settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=[f"{__name__}.sign_in_by_cookie"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(FOLDER / "independent.sqlite"),
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
        }
    },
    OAUTH2_PROVIDER={
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": PEM.decode(),
        "OIDC_ISS_ENDPOINT": "https://independent.example",
        "SCOPES": {"read": "Read", "openid": "Sign in"},
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        "ACCESS_TOKEN_GENERATOR": f"{__name__}.token_of",
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - only a set-up Django has models
from jwcrypto import jwk, jwt  # noqa: E402 - as above
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402 - as above
from oauth2_provider.views.generic import ProtectedResourceView  # noqa: E402 - as above


def sign_in_by_cookie(get_response: Any) -> Any:
    """Whoever names a person is that person: the consent is what is tried here, not the sign-in."""

    def answer(request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get("person")
        if name:
            now = django.utils.timezone.now()
            request.user = User.objects.get_or_create(username=name, defaults={"last_login": now})[0]
        return get_response(request)

    return answer


def token_of(request: Any, refresh_token: bool = False) -> str:
    """Access tokens in the form of RFC 9068 where a tenant stands in the name, as an operator's issuer would do."""
    person = getattr(getattr(request, "user", None), "username", "") or ""
    if refresh_token or not person.startswith("ten_"):
        return secrets.token_urlsafe(32)
    tenant, _, role = person.partition("+")
    key = jwk.JWK.from_pem(PEM)
    now = int(django.utils.timezone.now().timestamp())
    about = {"iss": "https://independent.example", "aud": "isthmus", "sub": "amy", "iat": now, "exp": now + 600}
    head = {"alg": "RS256", "typ": "at+jwt", "kid": key.thumbprint()}
    made = jwt.JWT(header=head, claims={**about, "tenantId": tenant, "roles": [role]})
    made.make_signed_token(key)
    return str(made.serialize())


class Me(ProtectedResourceView):  # type: ignore[misc] # the framework's own has no types
    """Whose token it is; a token that is none is answered as RFC 6750 (section 3.1) has it."""

    def dispatch(self, request: Any, *args: Any, **named: Any) -> HttpResponse:
        answer = super().dispatch(request, *args, **named)
        answer.status_code = 401 if answer.status_code == 403 else answer.status_code
        return answer

    def get(self, request: Any) -> HttpResponse:
        # an app that acts for itself has nobody behind it
        name = request.resource_owner.username if request.resource_owner else "robot"
        return JsonResponse({"id": name, "name": name.title()})


def register(request: HttpRequest) -> HttpResponse:
    """The app's redirect address, which is known only after its credentials."""
    Application.objects.filter(name="Isthmus").update(redirect_uris=request.GET["uri"])
    return HttpResponse(status=204)


def robot(request: HttpRequest) -> HttpResponse:
    """Another secret for the app that acts for itself, or an early end of its tokens."""
    if "secret" in request.GET:
        Application.objects.filter(name="Robot").update(client_secret=request.GET["secret"])
    else:
        AccessToken.objects.filter(application__name="Robot").delete()
    return HttpResponse(status=204)


def state(request: HttpRequest) -> HttpResponse:
    """How many tokens are good: access, refresh."""
    refresh = RefreshToken.objects.filter(revoked__isnull=True).count()
    return JsonResponse({"access": AccessToken.objects.count(), "refresh": refresh, "asked": request.method})


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("me", Me.as_view()),
    path("register", register),
    path("state", state),
    path("robot", robot),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    call_command("migrate", verbosity=0)
    secret = secrets.token_urlsafe(32)
    app = Application.objects.create(
        name="Isthmus",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        client_secret=secret,
        hash_client_secret=False,  # a slow hash at each refresh would try the machine and not the refresh
        redirect_uris="https://nowhere.example",
        algorithm="RS256",
    )
    alone = Application.objects.create(
        name="Robot",
        client_type="confidential",
        authorization_grant_type="client-credentials",
        client_secret=secrets.token_urlsafe(32),
        hash_client_secret=False,
    )
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - as above

    server = make_server("127.0.0.1", 0, get_wsgi_application(), Threads, Quiet)
    address = f"http://127.0.0.1:{server.server_port}"
    told = {"url": address, "client_id": app.client_id, "client_secret": secret}
    told |= {"robot_id": alone.client_id, "robot_secret": alone.client_secret}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
