"""What search reads: a document for each synced record, the words of a tenant's documents, and how far a build is."""

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

from isthmus.engine.db import platform_table, tenant_table

_TIME = DateTime(timezone=True)
# Waiting lists of an index would be read by every search while a first sync fills them.
_AT_ONCE = {"fastupdate": "off"}

#: `lexemes` are the folded words behind a short name of their connection, so that a common word of one connection costs
#: the searches of no other one anything.
DOCUMENTS = tenant_table(
    "search_documents",
    Column("id", Text, primary_key=True),
    Column("connection_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("shard_type", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("snippet", Text, nullable=False),
    Column("url", Text),
    Column("lexemes", TSVECTOR, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Index("search_documents_lexemes", "lexemes", postgresql_using="gin", postgresql_with=_AT_ONCE),
    Index("search_documents_connection", "connection_id", "tenant_id"),
)

#: The words a misspelt one may mean, with their trigrams behind a short name of the tenant.
WORDS = tenant_table(
    "search_words",
    Column("word", Text, primary_key=True),
    Column("grams", ARRAY(Text), nullable=False),
    Index("search_words_grams", "grams", postgresql_using="gin", postgresql_with=_AT_ONCE),
)

#: Results that are being paged through, so that a page follows the one before whatever is synced meanwhile.
SNAPSHOTS = tenant_table(
    "search_snapshots",
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    Index("search_snapshots_expiry", "expires_at"),
)

BUILDS = platform_table(
    "search_builds",
    Column("source", Text, primary_key=True),
    Column("after_tenant", Text, nullable=False),
    Column("after_id", Text, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("changed_at", _TIME, nullable=False),
)
