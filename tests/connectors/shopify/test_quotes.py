"""What is written to the shop goes as variables: a title that looks like GraphQL is a title (IN-08)."""

import pytest
from tests.given.scenes import edit, scene

from isthmus.connect.shapes import ListingStatus
from isthmus.connect.writing import EditField, Result


@pytest.mark.parametrize(
    "title", ['He said "yes"', '"}) { userErrors { message } } } mutation Other { shopDelete', "a\\", "${title} $title"]
)
async def test_IN_08_a_quote_in_a_title_stays_in_the_title(title: str) -> None:
    async with scene("shopify") as here:
        one = next(listing for listing in here.listings if listing.status is ListingStatus.ACTIVE)
        told = await here.write(edit(one, EditField.TITLE, title))
        assert {answer.result for answer in told.values()} == {Result.DONE}
        assert (await here.read(one)).title == title
        asked = [record.page for record in here.shop.recording.requests]
        assert asked.count("Texts") == 1
        assert "Other" not in asked
