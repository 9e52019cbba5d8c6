"""Shopee's calls about shops and merchants; all answer with fields at the top level (reference 2.2, 2.4)."""

from isthmus.connectors.shopee.sandbox.rules import authorized, ends, flat, shop_call, verified, whole
from isthmus.sandbox import Call, Reply, Shop


def by_partner(shop: Shop, call: Call) -> Reply:
    """/api/v2/public/get_shops_by_partner: every shop that allowed the application."""
    app = verified(shop, call)
    shop.admit(call, app, "")
    size = whole(shop, call, "page_size", (1, 100), 100)
    number = whole(shop, call, "page_no", (1, 1_000_000), 1)
    grants = {
        e: grant for grant in shop.ledger.grants if grant.app is app and not grant.revoked for e in grant.entities
    }
    found: list[dict[str, object]] = []
    for seller in shop.sellers:
        if seller.id in grants and "kind" not in seller.extra:
            started = int(grants[seller.id].started.timestamp())
            found.append(
                {
                    "shop_id": int(seller.id),
                    "region": seller.country,
                    "auth_time": started,
                    "expire_time": started + 365 * 86_400,
                    "sip_affi_shop_list": [],
                }
            )
    start = (number - 1) * size
    return flat(shop, {"authed_shop_list": found[start : start + size], "more": start + size < len(found)})


def info(shop: Shop, call: Call) -> Reply:
    """/api/v2/shop/get_shop_info."""
    seller, token = shop_call(shop, call)
    started, end = ends(token)
    return flat(
        shop,
        {
            "shop_name": seller.name,
            "region": seller.country,
            "status": "NORMAL",
            "is_cb": False,
            "is_cnsc": False,
            "auth_time": started,
            "expire_time": end,
        },
    )


def merchant(shop: Shop, call: Call) -> Reply:
    """/api/v2/merchant/get_merchant_info: signed with merchant_id and a merchant's token."""
    _, token, entity = authorized(shop, call, "merchant_id")
    started, end = ends(token)
    seller = shop.seller(entity)
    name = seller.name if seller is not None else ""
    return flat(shop, {"merchant_name": name, "merchant_region": "VN", "auth_time": started, "expire_time": end})
