"""How long each class of data is kept is shown to the operator in one table, with its setting and default (ER-04)."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from isthmus.app import SECTIONS
from isthmus.settings.reading import Knob, knobs

_GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "operate.md").read_text("utf-8")
_TABLE = _GUIDE.partition("## What is forgotten")[2].partition("\n## ")[0]
_KEPT = re.compile(r"^(How long|Days) .*\b(is|are) (kept|erased)\b(?! out)")
#: These read alike and are about no data that is kept.
_OTHER = {
    "ISTHMUS_AUDIT__REFUSALS": "a pause before something is written",
    "ISTHMUS_ACCESS__ERASE_AFTER": "a pause before a tenant is erased",
}


def _retentions() -> list[Knob]:
    every = [knob for section, kind in SECTIONS.items() for knob in knobs(section, kind)]
    return [one for one in every if _KEPT.match(one.description) and one.variable not in _OTHER]


@pytest.mark.parametrize("knob", _retentions(), ids=lambda knob: knob.variable)
def test_ER_04_every_retention_is_shown_with_its_default(knob: Knob) -> None:
    (line,) = [line for line in _TABLE.splitlines() if f"`{knob.variable}`" in line]
    default = knob.default
    days = default.days if isinstance(default, timedelta) else default
    shown = f"{days} day" if days else f"{int(default.total_seconds() // 3600)} hours"
    assert shown in line


def test_ER_04_bodies_that_may_name_persons_go_after_thirty_days() -> None:
    defaults = {one.variable: one.default for one in _retentions()}
    assert defaults["ISTHMUS_WEBHOOKS_IN__LOG_FOR"] == timedelta(days=30)
    assert len(defaults) >= 8
