"""One frozen tree of settings, assembled from each part's own; the only reader of the environment and of TOML."""

from isthmus.settings.reading import Knob, Origin, WrongSetting, knobs, parse, read_toml, written
from isthmus.settings.tree import SECTIONS, Core, KeySettings, Settings, Weakened, load

__all__ = [
    "SECTIONS",
    "Core",
    "KeySettings",
    "Knob",
    "Origin",
    "Settings",
    "Weakened",
    "WrongSetting",
    "knobs",
    "load",
    "parse",
    "read_toml",
    "written",
]
