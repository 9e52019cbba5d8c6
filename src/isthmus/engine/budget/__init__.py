"""Quotas that processes share: the client's budget on PostgreSQL, or on a Redis-compatible server."""

from isthmus.engine.budget.postgres import WINDOWS as WINDOWS
from isthmus.engine.budget.postgres import PostgresBudget as PostgresBudget
from isthmus.engine.budget.postgres import sweep as sweep
from isthmus.engine.budget.redis import RedisBudget as RedisBudget
