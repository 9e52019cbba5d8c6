"""`python -m tests.given.webhooks_in_killed URL`: intakes that are killed.

Each order names the token, the secret, the deliveries by id, and the boundary at which to die. What was acknowledged is
told before anything else happens.
"""

import asyncio
import hmac
import json
import sys
from datetime import timedelta

from tests.given import webhooks_in as given
from tests.given.dying import Order, arm, serve, tell

from isthmus.engine.db import Database


async def take(order: Order) -> None:
    """Take deliveries in."""
    database = await Database.connect(sys.argv[1], size=2)
    world = given.world(database, batch=4, linger=timedelta(milliseconds=1), source_cache=timedelta(minutes=1))
    await world.intake.finder.by_token(order["token"])
    arm(order)

    async def one(id_: str) -> None:
        body = json.dumps({"id": id_}).encode()
        mark = "sha256=" + hmac.digest(order["secret"].encode(), body, "sha256").hex()
        headers = {"x-hub-signature-256": mark, "x-github-event": "push", "x-github-delivery": id_}
        answer = await world.send(order["token"], body, headers)
        if answer.status == 200:
            tell(id_)

    await asyncio.gather(*(one(id_) for id_ in order["ids"]))
    await database.close()


if __name__ == "__main__":
    serve(take)
