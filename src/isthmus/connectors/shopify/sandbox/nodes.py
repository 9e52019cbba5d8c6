"""What Shopify's GraphQL shows of products and orders: the same shop as REST, in other words (reference 6.5, 6.6)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from isthmus.connectors.shopify.sandbox import orders, products
from isthmus.connectors.shopify.sandbox.graph import Arguments, Node, Resolver, Wrong, connection
from isthmus.sandbox import Placed, Row, Seller, Warehouse

_VARIANTS = 1_000
_SENT = {"fulfilled": "FULFILLED", "partial": "PARTIALLY_FULFILLED", None: "UNFULFILLED"}


def gid(kind: str, number: object) -> str:
    """An id as GraphQL writes it."""
    return f"gid://shopify/{kind}/{number}"


def number_of(text: object, kind: str) -> int | None:
    """The number in an id of that kind; None for anything else."""
    prefix = gid(kind, "")
    if not isinstance(text, str) or not text.startswith(prefix):
        return None
    tail = text.removeprefix(prefix)
    return int(tail) if tail.isascii() and tail.isdecimal() and len(tail) < 19 else None


def utc(unix: int) -> str:
    """A time as GraphQL shows it."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(rows: Sequence[object]) -> Resolver:
    """A connection inside an object: its cursors are places in the list."""

    def page(arguments: Arguments) -> object:
        first, after = arguments.get("first"), arguments.get("after")
        if not isinstance(first, int):
            raise Wrong("BAD_USER_INPUT", "you must provide first or last")
        start = int(after) if isinstance(after, str) and after.isdecimal() else 0
        shown = rows[start : start + first]
        return connection(shown, [str(start + at + 1) for at in range(len(shown))], more=start + len(shown) < len(rows))

    return page


def first_of(rows: Sequence[object]) -> Resolver:
    """A plain list that is cut to what is asked for."""

    def cut(arguments: Arguments) -> object:
        first = arguments.get("first")
        return list(rows[:first] if isinstance(first, int) else rows)

    return cut


def shop(seller: Seller) -> Node:
    """The shop itself."""
    domain = seller.extra["domain"]
    return {
        "__typename": "Shop",
        "id": gid("Shop", seller.id),
        "name": seller.name,
        "myshopifyDomain": domain,
        "currencyCode": seller.currency,
        "billingAddress": {"__typename": "ShopAddress", "countryCodeV2": seller.country},
    }


def product(seller: Seller, row: Row) -> Node:
    """One product with its variants."""
    rest: dict[str, Any] = dict(products.product(seller, row))
    pictures = [
        {"__typename": "Image", "id": gid("ProductImage", one["id"]), "url": one["src"]} for one in rest["images"]
    ]
    return {
        "__typename": "Product",
        **_ids("Product", row.id),
        "title": rest["title"],
        "descriptionHtml": rest["body_html"],
        "vendor": rest["vendor"],
        "productType": rest["product_type"],
        "handle": rest["handle"],
        "status": rest["status"].upper(),
        "tags": [],
        "options": [{"__typename": "ProductOption", **one} for one in rest["options"]],
        "images": listed(pictures),
        "createdAt": utc(row.created),
        "updatedAt": utc(row.updated),
        "variants": listed([variant(seller, row, at, rest) for at in range(len(rest["variants"]))]),
    }


def variant_place(number: int | None) -> tuple[int, int] | None:
    """The product and the place in it that a variant's id stands for."""
    return None if number is None else divmod(number, _VARIANTS)


def variant(seller: Seller, row: Row, at: int, parent: Mapping[str, Any]) -> Node:
    """One variant, from what REST shows of its product; what it has at each place REST shows elsewhere."""
    rest = parent["variants"][at]
    free = row.product.variants[at].spread(len(seller.warehouses))
    chosen = [rest["option1"], rest["option2"], rest["option3"]]
    picture = next((one for one in parent["images"] if one["id"] == rest["image_id"]), None)
    names = [one["name"] for one in parent["options"]]
    return {
        "__typename": "ProductVariant",
        **_ids("ProductVariant", rest["id"]),
        "title": rest["title"],
        "sku": rest["sku"],
        "barcode": rest["barcode"],
        "price": rest["price"],
        "compareAtPrice": rest["compare_at_price"],
        "inventoryQuantity": rest["inventory_quantity"],
        "position": rest["position"],
        "selectedOptions": [
            {"__typename": "SelectedOption", "name": name, "value": value}
            for name, value in zip(names, chosen, strict=False)
        ],
        "image": None
        if picture is None
        else {"__typename": "Image", "id": gid("ProductImage", picture["id"]), "url": picture["src"]},
        "inventoryItem": _item(rest, [_level(*one) for one in zip(seller.warehouses, free, strict=True)]),
    }


def _item(rest: Mapping[str, Any], levels: list[Node]) -> Node:
    weight = {"__typename": "Weight", "unit": "KILOGRAMS", "value": rest["weight"]}
    return {
        "__typename": "InventoryItem",
        **_ids("InventoryItem", rest["inventory_item_id"]),
        "tracked": rest["inventory_management"] is not None,
        "measurement": {"__typename": "InventoryItemMeasurement", "weight": weight},
        "inventoryLevels": listed(levels),
    }


def location(place: Warehouse) -> Node:
    """One place that holds stock."""
    return {"__typename": "Location", **_ids("Location", place.id), "name": place.name}


def _level(place: Warehouse, available: int) -> Node:
    known = {"available": available, "on_hand": available, "committed": 0}

    def quantities(arguments: Arguments) -> object:
        names = arguments.get("names")
        asked = names if isinstance(names, list) else []
        if not set(asked) <= known.keys():
            raise Wrong("BAD_USER_INPUT", "unknown quantity name")
        return [{"__typename": "InventoryQuantity", "name": name, "quantity": known[name]} for name in asked]

    return {"__typename": "InventoryLevel", "location": location(place), "quantities": quantities}


def _ids(kind: str, number: object) -> dict[str, object]:
    return {"id": gid(kind, number), "legacyResourceId": str(number)}


def order(seen: Placed, rest: dict[str, Any]) -> Node:
    """One order, from what REST shows of it."""
    currency = rest["currency"]
    lines = [_line(one, currency) for one in rest["line_items"]]
    return {
        "__typename": "Order",
        **_ids("Order", rest["id"]),
        "name": rest["name"],
        "email": rest["email"],
        "phone": rest["phone"],
        "createdAt": utc(seen.placed),
        "processedAt": utc(seen.placed),
        "updatedAt": utc(seen.updated),
        "closedAt": _moment(rest["closed_at"]),
        "cancelledAt": _moment(rest["cancelled_at"]),
        "cancelReason": rest["cancel_reason"].upper() if rest["cancel_reason"] else None,
        "currencyCode": currency,
        "taxesIncluded": rest["taxes_included"],
        "displayFinancialStatus": seen.strange or rest["financial_status"].upper(),
        "displayFulfillmentStatus": _SENT[rest["fulfillment_status"]],
        "totalPriceSet": _money(rest["total_price"], currency),
        "totalTaxSet": _money(rest["total_tax"], currency),
        "totalDiscountsSet": _money(rest["total_discounts"], currency),
        "totalOutstandingSet": _money(rest["total_outstanding"], currency),
        "totalShippingPriceSet": _money(rest["total_shipping_price_set"]["shop_money"]["amount"], currency),
        "paymentGatewayNames": rest["payment_gateway_names"],
        "note": rest["note"],
        "customer": {"__typename": "Customer", **_ids("Customer", rest["customer"]["id"]), **_NAMELESS},
        "shippingAddress": _address(rest["shipping_address"]),
        "billingAddress": _address(rest["billing_address"]),
        "lineItems": listed(lines),
        "fulfillments": first_of([_parcel(one) for one in rest["fulfillments"]]),
        "refunds": first_of([_refund(one, currency) for one in rest["refunds"]]),
        "fulfillmentOrders": listed(_to_send(rest)),
    }


_NAMELESS = {"firstName": None, "lastName": None}


def _moment(text: str | None) -> str | None:
    return None if text is None else utc(int(datetime.fromisoformat(text).timestamp()))


def _money(amount: str, currency: str) -> Node:
    money = {"__typename": "MoneyV2", "amount": amount, "currencyCode": currency}
    return {"__typename": "MoneyBag", "shopMoney": money, "presentmentMoney": money}


def _address(rest: Mapping[str, Any]) -> Node:
    return {
        "__typename": "MailingAddress",
        "firstName": rest["first_name"],
        "lastName": rest["last_name"],
        "name": rest["name"],
        "phone": rest["phone"],
        "address1": rest["address1"],
        "address2": rest["address2"],
        "city": rest["city"],
        "province": rest["province"],
        "zip": rest["zip"],
        "countryCodeV2": rest["country_code"],
    }


def _line(rest: Mapping[str, Any], currency: str) -> Node:
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", rest["id"]),
        "title": rest["title"],
        "variantTitle": rest["variant_title"],
        "sku": rest["sku"],
        "quantity": rest["quantity"],
        "originalUnitPriceSet": _money(rest["price"], currency),
        "totalDiscountSet": _money(rest["total_discount"], currency),
        "product": {"__typename": "Product", **_ids("Product", rest["product_id"])},
        "variant": {"__typename": "ProductVariant", **_ids("ProductVariant", rest["variant_id"])},
    }


def _parcel(rest: Mapping[str, Any]) -> Node:
    tracking = {
        "__typename": "FulfillmentTrackingInfo",
        "company": rest["tracking_company"],
        "number": rest["tracking_number"],
        "url": rest["tracking_url"],
    }
    lines = [
        {
            "__typename": "FulfillmentLineItem",
            "quantity": one["quantity"],
            "lineItem": {"__typename": "LineItem", "id": gid("LineItem", one["id"])},
        }
        for one in rest["line_items"]
    ]
    return {
        "__typename": "Fulfillment",
        **_ids("Fulfillment", rest["id"]),
        "status": rest["status"].upper(),
        "displayStatus": (rest["shipment_status"] or "fulfilled").upper(),
        "createdAt": _moment(rest["created_at"]),
        "trackingInfo": first_of([tracking]),
        "fulfillmentLineItems": listed(lines),
    }


def _refund(rest: Mapping[str, Any], currency: str) -> Node:
    lines = [
        {
            "__typename": "RefundLineItem",
            "quantity": one["quantity"],
            "restockType": one["restock_type"].upper(),
            "lineItem": {"__typename": "LineItem", "id": gid("LineItem", one["line_item_id"])},
        }
        for one in rest["refund_line_items"]
    ]
    return {
        "__typename": "Refund",
        **_ids("Refund", rest["id"]),
        "note": rest["note"],
        "createdAt": _moment(rest["created_at"]),
        "totalRefundedSet": _money(rest["transactions"][0]["amount"], currency),
        "refundLineItems": listed(lines),
    }


def _to_send(rest: Mapping[str, Any]) -> list[Node]:
    """What is still to be sent: one fulfilment order for the shop's only place, closed once nothing is left."""
    over = rest["cancelled_at"] is not None
    left = [(one, 0 if over else one["fulfillable_quantity"]) for one in rest["line_items"]]
    rows = [
        {
            "__typename": "FulfillmentOrderLineItem",
            "id": gid("FulfillmentOrderLineItem", one["id"]),
            "remainingQuantity": count,
            "lineItem": {"__typename": "LineItem", "id": gid("LineItem", one["id"])},
        }
        for one, count in left
    ]
    status = "CANCELLED" if over else "OPEN" if any(count for _, count in left) else "CLOSED"
    return [
        {
            "__typename": "FulfillmentOrder",
            "id": gid("FulfillmentOrder", rest["id"]),
            "status": status,
            "lineItems": listed(rows),
        }
    ]


def rendered(seen: Placed, parcels: orders.Parcels) -> Node:
    """One order as GraphQL shows it."""
    return order(seen, dict(orders.rendered(seen, parcels)))
