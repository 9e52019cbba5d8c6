"""What the code says of itself, loaded once: features, failures of every room, all routes and their declarations."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

import isthmus
from isthmus.app import FEATURES
from isthmus.client.errors import ClientError, every_error
from isthmus.features import access
from isthmus.http.described import description_routes
from isthmus.http.health import health_routes
from isthmus.http.routes import Declaration, DeclaredRoute
from isthmus.kit.errors import Problem, every_problem
from isthmus.kit.permissions import Permission

#: They act when they are imported: the migrations' own context, and the command itself.
_ACTIVE = ("isthmus.engine.db.migrations.", "isthmus.__main__")


@cache
def load_everything() -> None:
    """Import every module of ours, so that no declared failure is missing."""
    for found in pkgutil.walk_packages(isthmus.__path__, "isthmus."):
        if not found.name.startswith(_ACTIVE):
            importlib.import_module(found.name)


def problems() -> Iterator[tuple[type[Problem], str, str]]:
    """Each failure of the platform with its cause and its cure."""
    load_everything()
    for kind in every_problem():
        if kind.__module__.startswith("isthmus."):
            yield kind, *halves(kind.__doc__)


def client_errors() -> Iterator[type[ClientError]]:
    """Each failure of the client library, parents first."""
    load_everything()
    return (kind for kind in every_error() if kind.__module__.startswith("isthmus."))


def halves(text: str | None) -> tuple[str, str]:
    """The first paragraph of a docstring, and the rest."""
    first, _, rest = (text or "").strip().partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split())


@cache
def routes() -> tuple[DeclaredRoute, ...]:
    """Every route of an API process, those of the edge included."""
    rooms = [routes for feature in FEATURES for routes in feature.routes]
    edge = [health_routes({}), description_routes(tuple, title="Isthmus", version="")]
    return tuple(route for room in [*rooms, *edge] for route in room.router.routes if isinstance(route, DeclaredRoute))


def declared() -> list[tuple[str, str, Declaration]]:
    """Path, method and declaration of every route, in the order of the paths."""
    return sorted(
        (
            (route.path, method, route.declaration)
            for route in routes()
            for method in route.methods or ()
            if route.declaration is not None
        ),
        key=lambda row: row[:2],
    )


def permissions() -> list[Permission]:
    """Every permission that a feature declares, by name."""
    return sorted({one for feature in FEATURES for one in feature.permissions}, key=lambda one: one.name)


@cache
def grantable() -> frozenset[str]:
    """The permissions that an API key may hold."""
    return frozenset(access.Rights(permissions()).known)
