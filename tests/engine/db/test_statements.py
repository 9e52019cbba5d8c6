"""Statements are compiled at the first look at them, and each of the product's can be."""

import importlib
import pkgutil

import pytest
from sqlalchemy import Column, MetaData, Table, Text, bindparam, select

from isthmus import features
from isthmus.engine.db import Statement, statement

LINES = Table("lines", MetaData(), Column("tenant_id", Text, primary_key=True), Column("id", Text, primary_key=True))


def test_every_statement_of_the_rooms_can_be_compiled() -> None:
    found: dict[int, Statement] = {}
    for module in pkgutil.walk_packages(features.__path__, "isthmus.features."):
        named = vars(importlib.import_module(module.name)).values()
        found.update((id(one), one) for one in named if isinstance(one, Statement))
    assert len(found) > 300
    assert all(one.sql for one in found.values())


def test_values_are_bound_in_the_order_of_the_text_and_by_their_names_alone() -> None:
    made = statement(select(LINES.c.id).where(LINES.c.tenant_id == bindparam("tenant_id"), LINES.c.id == "one"))
    assert made.bind({"tenant_id": "ten_a"}) == ["ten_a", "one"]
    assert made.names[0] == "tenant_id"
    with pytest.raises(TypeError, match="takes"):
        made.bind({"tenant": "ten_a"})
    with pytest.raises(AttributeError):
        made.text  # noqa: B018 - the look is the test
