"""Providers and the apps to connect with: the door of the catalog."""

from isthmus.features.catalog.errors import (
    AppChanged,
    AppMissing,
    PlanRequired,
    ProviderInUse,
    ProviderNotConnectable,
    ProviderNotFound,
    SecondPersonNeeded,
)
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service.agreeing import Colleagues
from isthmus.features.catalog.service.changing import change_provider, checked, create_provider, remove_provider
from isthmus.features.catalog.service.files import Imported, export_provider, import_provider
from isthmus.features.catalog.service.plans import Plans, admit, admit_further
from isthmus.features.catalog.service.providers import (
    Filters,
    Providers,
    all_providers,
    found,
    known_provider,
    opened_provider,
    provider,
    providers,
    told_provider,
)
from isthmus.features.catalog.service.readiness import app_ready
from isthmus.features.catalog.service.registrations import (
    CALLBACK_PATH,
    AppState,
    Registration,
    apps,
    check_given,
    registration,
    set_app,
)
from isthmus.features.catalog.settings import GivenApp, GivenApps, Settings, read_apps

__all__ = [
    "CALLBACK_PATH",
    "AppChanged",
    "AppMissing",
    "AppState",
    "Colleagues",
    "Filters",
    "GivenApp",
    "GivenApps",
    "Imported",
    "PlanRequired",
    "Plans",
    "Provider",
    "ProviderInUse",
    "ProviderNotConnectable",
    "ProviderNotFound",
    "Providers",
    "Registration",
    "SecondPersonNeeded",
    "Settings",
    "admit",
    "admit_further",
    "all_providers",
    "app_ready",
    "apps",
    "change_provider",
    "check_given",
    "checked",
    "create_provider",
    "export_provider",
    "found",
    "import_provider",
    "known_provider",
    "opened_provider",
    "provider",
    "providers",
    "read_apps",
    "registration",
    "remove_provider",
    "set_app",
    "told_provider",
]
