"""The inbound edge: declared routes, one middleware, one shape of failure, and the server that carries them."""

from isthmus.http.answers import (
    Answer,
    Document,
    Wire,
    accepted,
    attachment,
    created,
    document,
    encode,
    no_content,
    redirect,
)
from isthmus.http.app import App, create_app
from isthmus.http.auth import Authenticator, Credentials, Verified, shown_credentials
from isthmus.http.browsers import SESSION_COOKIE, check_own_page, session_cookie, session_header
from isthmus.http.cors import read_origins
from isthmus.http.deprecation import Deprecated
from isthmus.http.deps import FactsDep, ScopeDep, SystemDep
from isthmus.http.errors import BadCursor, CrossSite, problem_responses
from isthmus.http.exchange import RequestFacts
from isthmus.http.fronts import Arrival, Departure, Front, Outcome
from isthmus.http.health import Check
from isthmus.http.jwks import JwksKeys
from isthmus.http.live import Live, LiveDep, Sent
from isthmus.http.moments import Moment
from isthmus.http.paging import Cursors, CursorsDep, PageDep, Paging, listing
from isthmus.http.routes import PUBLIC, Declaration, Routes
from isthmus.http.server import Server
from isthmus.http.settings import HttpSettings, LimitClass
from isthmus.http.tokens import IdToken, Issuer, SharedKey, TokenAuthenticator, mint, own_issuer, read_id_token
from isthmus.http.words import Words, read_texts

__all__ = [
    "PUBLIC",
    "SESSION_COOKIE",
    "Answer",
    "App",
    "Arrival",
    "Authenticator",
    "BadCursor",
    "Check",
    "Credentials",
    "CrossSite",
    "Cursors",
    "CursorsDep",
    "Declaration",
    "Departure",
    "Deprecated",
    "Document",
    "FactsDep",
    "Front",
    "HttpSettings",
    "IdToken",
    "Issuer",
    "JwksKeys",
    "LimitClass",
    "Live",
    "LiveDep",
    "Moment",
    "Outcome",
    "PageDep",
    "Paging",
    "RequestFacts",
    "Routes",
    "ScopeDep",
    "Sent",
    "Server",
    "SharedKey",
    "SystemDep",
    "TokenAuthenticator",
    "Verified",
    "Wire",
    "Words",
    "accepted",
    "attachment",
    "check_own_page",
    "create_app",
    "created",
    "document",
    "encode",
    "listing",
    "mint",
    "no_content",
    "own_issuer",
    "problem_responses",
    "read_id_token",
    "read_origins",
    "read_texts",
    "redirect",
    "session_cookie",
    "session_header",
    "shown_credentials",
]
