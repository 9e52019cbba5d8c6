"""Plans, and app credentials and hosts that an operator gives by environment; they stand behind the stored ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from isthmus.kit.secret import Secret

PREFIX = "ISTHMUS_PROVIDERS__"
_HOSTS = "HOSTS"


@dataclass(frozen=True, slots=True)
class Settings:
    """Knobs of the catalog."""

    plans: tuple[str, ...] = field(
        default=("free", "starter", "pro", "enterprise"),
        metadata={"help": "Plans of tenants, the smallest first: each one includes what those before it include."},
    )
    proposal_life: timedelta = field(
        default=timedelta(days=7),
        metadata={"help": "How long a change of a provider waits for a second person before it is dropped."},
    )


@dataclass(frozen=True, slots=True)
class GivenApp:
    """One provider's credentials and hosts from the environment."""

    credentials: Mapping[str, Secret] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GivenApps:
    """Apps from `ISTHMUS_PROVIDERS__<NAME>__<FIELD>` and `ISTHMUS_PROVIDERS__<NAME>__HOSTS__<HOST>`, by provider."""

    apps: Mapping[str, GivenApp] = field(default_factory=dict)


def read_apps(environment: Mapping[str, str]) -> GivenApps:
    """Read the apps of an environment. Raises ValueError naming a variable that has not the form."""
    credentials: dict[str, dict[str, Secret]] = {}
    hosts: dict[str, dict[str, str]] = {}
    for variable, value in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        parts = variable.removeprefix(PREFIX).split("__")
        provider, name = parts[0].lower(), parts[-1].lower()
        if len(parts) == 2 and provider and name:
            credentials.setdefault(provider, {})[name] = Secret(value)
        elif len(parts) == 3 and parts[1] == _HOSTS and provider and name:
            hosts.setdefault(provider, {})[name] = value
        else:
            raise ValueError(f"{variable}: expected {PREFIX}<NAME>__<FIELD> or {PREFIX}<NAME>__HOSTS__<HOST>")
    found = sorted(credentials.keys() | hosts.keys())
    return GivenApps({name: GivenApp(credentials.get(name, {}), hosts.get(name, {})) for name in found})
