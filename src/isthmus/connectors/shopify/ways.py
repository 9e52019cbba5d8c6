"""What an account of Shopify says of how it is called and of where its stock lies, and what its merchant chose."""

from dataclasses import replace

from isthmus.connect.spi import Account

#: In an account's extra: set by `test` where the app may not use GraphQL, or may use it by now.
READING, REST, GRAPHQL = "reading", "rest", "graphql"
#: In an account's extra: set by `test` of a shop whose stock lies at several places.
PLACES, SEVERAL = "locations", "several"
#: What a merchant may choose (manifest, settings_fields).
API, UNPUBLISHED, NOTIFY = "api", "unpublished_as", "notify_buyers"


def noted(account: Account, way: str) -> Account:
    """The account, to be called this way until a test finds otherwise."""
    return replace(account, extra={**account.extra, READING: way})


def by_rest(account: Account) -> bool:
    """What was chosen counts; else what the last test found."""
    chosen = account.settings.get(API)
    return chosen == REST if chosen else account.extra.get(READING) == REST


def several(account: Account) -> bool:
    """Whether stock lies at more than one place."""
    return account.extra.get(PLACES) == SEVERAL


def hidden_as(account: Account) -> str:
    """The state that an unpublished product is given: buyers see neither a draft nor what is archived."""
    return "archived" if account.settings.get(UNPUBLISHED) == "archived" else "draft"


def notifies(account: Account) -> bool:
    """Whether the shop writes to the buyer of a parcel and of a cancellation."""
    return account.settings.get(NOTIFY) != "false"
