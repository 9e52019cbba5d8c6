"""Providers and the apps to connect with: the door of the catalog."""

from isthmus.features.catalog.errors import AppChanged, AppMissing, ProviderNotConnectable, ProviderNotFound
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service.providers import (
    Filters,
    Providers,
    all_providers,
    change_provider,
    provider,
    providers,
)
from isthmus.features.catalog.service.registrations import (
    CALLBACK_PATH,
    AppState,
    Registration,
    apps,
    check_given,
    registration,
    set_app,
)
from isthmus.features.catalog.settings import GivenApp, GivenApps, read_apps

__all__ = [
    "CALLBACK_PATH",
    "AppChanged",
    "AppMissing",
    "AppState",
    "Filters",
    "GivenApp",
    "GivenApps",
    "Provider",
    "ProviderNotConnectable",
    "ProviderNotFound",
    "Providers",
    "Registration",
    "all_providers",
    "apps",
    "change_provider",
    "check_given",
    "provider",
    "providers",
    "read_apps",
    "registration",
    "set_app",
]
