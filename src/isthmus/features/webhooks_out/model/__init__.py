"""Endpoints, messages, schedule and health: pure rules."""

from isthmus.features.webhooks_out.model.board import Board as Board
from isthmus.features.webhooks_out.model.endpoint import SHARDS as SHARDS
from isthmus.features.webhooks_out.model.endpoint import Condition as Condition
from isthmus.features.webhooks_out.model.endpoint import Draft as Draft
from isthmus.features.webhooks_out.model.endpoint import Endpoint as Endpoint
from isthmus.features.webhooks_out.model.endpoint import check_draft as check_draft
from isthmus.features.webhooks_out.model.endpoint import check_headers as check_headers
from isthmus.features.webhooks_out.model.endpoint import matches as matches
from isthmus.features.webhooks_out.model.endpoint import shard_of as shard_of
from isthmus.features.webhooks_out.model.health import Fare as Fare
from isthmus.features.webhooks_out.model.health import Rules as Rules
from isthmus.features.webhooks_out.model.health import ends_at as ends_at
from isthmus.features.webhooks_out.model.health import judged as judged
from isthmus.features.webhooks_out.model.lanes import Lane as Lane
from isthmus.features.webhooks_out.model.lanes import Slots as Slots
from isthmus.features.webhooks_out.model.message import PUBLISHED as PUBLISHED
from isthmus.features.webhooks_out.model.message import Catalogue as Catalogue
from isthmus.features.webhooks_out.model.message import Message as Message
from isthmus.features.webhooks_out.model.message import message_of as message_of
from isthmus.features.webhooks_out.model.schedule import SCHEDULE as SCHEDULE
from isthmus.features.webhooks_out.model.schedule import Outcome as Outcome
from isthmus.features.webhooks_out.model.schedule import wait_after as wait_after
from isthmus.features.webhooks_out.model.schemas import check_data as check_data
from isthmus.features.webhooks_out.model.schemas import check_schema as check_schema
from isthmus.features.webhooks_out.model.trying import weight as weight
