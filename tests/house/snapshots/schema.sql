-- The migrated database as it describes itself; written by `python -m tools.reference`.

table account_claims
  tenant_id text not null
  provider text not null
  external_account_id text not null
  connection_id text not null
  created_at timestamp with time zone not null
  constraint account_claims_pkey PRIMARY KEY (tenant_id, provider, external_account_id)
  constraint account_claims_tenant_id_connection_id_fkey FOREIGN KEY (tenant_id, connection_id) REFERENCES connections(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX account_claims_connection ON account_claims USING btree (tenant_id, connection_id)
  CREATE UNIQUE INDEX account_claims_holder ON account_claims USING btree (provider, external_account_id)
  CREATE UNIQUE INDEX account_claims_pkey ON account_claims USING btree (tenant_id, provider, external_account_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table alembic_version
  version_num character varying(32) not null
  constraint alembic_version_pkc PRIMARY KEY (version_num)
  CREATE UNIQUE INDEX alembic_version_pkc ON alembic_version USING btree (version_num)
  row security: none
  grant select to isthmus_system

table api_keys
  tenant_id text not null
  id text not null
  name text not null
  mode text not null
  digest bytea not null
  prefix text not null
  last4 text not null
  permissions text[] not null
  created_by text not null
  creator_roles text[] not null
  created_at timestamp with time zone not null
  expires_at timestamp with time zone
  last_used_at timestamp with time zone
  revoked_at timestamp with time zone
  replaced_by text
  origins text[] not null
  per_minute integer
  found_at timestamp with time zone
  revoke_when_found boolean not null
  constraint api_keys_digest_key UNIQUE (digest)
  constraint api_keys_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX api_keys_creator_idx ON api_keys USING btree (tenant_id, created_by)
  CREATE UNIQUE INDEX api_keys_digest_key ON api_keys USING btree (digest)
  CREATE UNIQUE INDEX api_keys_pkey ON api_keys USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table audit_checkpoints
  number bigint not null
  made_at timestamp with time zone not null
  first_xid xid8 not null
  first_id text not null
  last_xid xid8 not null
  last_id text not null
  leaves bytea not null
  tenants text[] not null
  root bytea not null
  previous bytea not null
  key_id text not null
  signature bytea not null
  epoch integer not null
  floor_id text not null
  constraint audit_checkpoints_pkey PRIMARY KEY (number)
  CREATE UNIQUE INDEX audit_checkpoints_pkey ON audit_checkpoints USING btree (number)
  row security: none
  grant insert,select to isthmus_system

table audit_keys
  tenant_id text not null
  id text not null
  public bytea not null
  sealed bytea not null
  created_at timestamp with time zone not null
  constraint audit_keys_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX audit_keys_pkey ON audit_keys USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table break_glasses
  tenant_id text not null
  id text not null
  digest bytea not null
  operator text not null
  reason text not null
  ticket text not null
  begun_at timestamp with time zone not null
  until timestamp with time zone not null
  ended_at timestamp with time zone
  ended_by text
  session text
  constraint break_glasses_digest_key UNIQUE (digest)
  constraint break_glasses_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX break_glasses_digest_key ON break_glasses USING btree (digest)
  CREATE UNIQUE INDEX break_glasses_pkey ON break_glasses USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table budget_windows
  key text not null
  state jsonb not null
  used_at timestamp with time zone not null default now()
  constraint budget_windows_pkey PRIMARY KEY (key)
  CREATE UNIQUE INDEX budget_windows_pkey ON budget_windows USING btree (key)
  row security: none
  grant delete,insert,select,update to isthmus_system

table bus_cursors
  listener text not null
  xid xid8 not null
  id text not null
  moved_at timestamp with time zone not null default now()
  missing_since timestamp with time zone
  constraint bus_cursors_pkey PRIMARY KEY (listener)
  CREATE UNIQUE INDEX bus_cursors_pkey ON bus_cursors USING btree (listener)
  row security: none
  grant delete,insert,select,update to isthmus_system

table bus_days
  day date not null
  xid xid8 not null
  constraint bus_days_pkey PRIMARY KEY (day)
  CREATE UNIQUE INDEX bus_days_pkey ON bus_days USING btree (day)
  row security: none
  grant delete,insert,select,update to isthmus_system
  grant select to isthmus_tenant

table conflict_rules
  tenant_id text not null
  connection_id text not null
  rules jsonb not null
  version integer not null
  constraint conflict_rules_pkey PRIMARY KEY (tenant_id, connection_id)
  CREATE UNIQUE INDEX conflict_rules_pkey ON conflict_rules USING btree (tenant_id, connection_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table conflicts
  tenant_id text not null
  id text not null
  edit_id text not null
  connection_id text not null
  listing_id text not null
  variant text not null
  field text not null
  location text not null
  base jsonb
  ours jsonb not null
  theirs jsonb not null
  state text not null
  rule text not null
  winner text
  value jsonb
  automatic boolean not null
  decided_by text
  created_at timestamp with time zone not null
  decided_at timestamp with time zone
  constraint conflicts_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX conflicts_of_connection ON conflicts USING btree (connection_id, id)
  CREATE UNIQUE INDEX conflicts_open ON conflicts USING btree (tenant_id, edit_id) WHERE (state = 'open'::text)
  CREATE UNIQUE INDEX conflicts_pkey ON conflicts USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table connect_sessions
  tenant_id text not null
  id text not null
  token_hash bytea not null
  integration_id text not null
  origin text not null
  return_url text
  principal jsonb not null
  created_by text not null
  state text not null
  tries integer not null
  connection_id text
  created_at timestamp with time zone not null
  expires_at timestamp with time zone not null
  page_hash bytea
  constraint connect_sessions_pkey PRIMARY KEY (tenant_id, id)
  constraint connect_sessions_tenant_id_integration_id_fkey FOREIGN KEY (tenant_id, integration_id) REFERENCES integrations(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX connect_sessions_expiry ON connect_sessions USING btree (expires_at)
  CREATE UNIQUE INDEX connect_sessions_page ON connect_sessions USING btree (page_hash) WHERE (page_hash IS NOT NULL)
  CREATE UNIQUE INDEX connect_sessions_pkey ON connect_sessions USING btree (tenant_id, id)
  CREATE UNIQUE INDEX connect_sessions_token ON connect_sessions USING btree (token_hash)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table connection_calls
  tenant_id text not null
  id text not null
  connection_id text not null
  at timestamp with time zone not null
  level text not null
  method text not null
  route text not null
  status integer
  code text not null
  message text not null
  attempts integer not null
  duration_ms bigint not null
  constraint connection_calls_pkey PRIMARY KEY (tenant_id, id)
  constraint connection_calls_tenant_id_connection_id_fkey FOREIGN KEY (tenant_id, connection_id) REFERENCES connections(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX connection_calls_of ON connection_calls USING btree (connection_id, tenant_id, id)
  CREATE UNIQUE INDEX connection_calls_pkey ON connection_calls USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table connection_hours
  tenant_id text not null
  connection_id text not null
  hour timestamp with time zone not null
  calls bigint not null
  attempts bigint not null
  failed bigint not null
  throttled bigint not null
  waited_ms bigint not null
  duration_ms bigint not null
  constraint connection_hours_pkey PRIMARY KEY (tenant_id, connection_id, hour)
  constraint connection_hours_tenant_id_connection_id_fkey FOREIGN KEY (tenant_id, connection_id) REFERENCES connections(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX connection_hours_hour ON connection_hours USING btree (hour)
  CREATE UNIQUE INDEX connection_hours_pkey ON connection_hours USING btree (tenant_id, connection_id, hour)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table connections
  tenant_id text not null
  id text not null
  integration_id text not null
  provider text not null
  auth text not null
  registration_id text not null
  external_account_id text
  account jsonb not null default '{}'::jsonb
  status text not null
  status_reason text
  hosts_digest text
  access_token bytea
  refresh_token bytea
  previous_refresh bytea
  credentials bytea
  scope text not null default ''::text
  token_version bigint not null default 0
  expires_at timestamp with time zone
  refresh_expires_at timestamp with time zone
  lease_owner text
  lease_until timestamp with time zone
  sending_since timestamp with time zone
  uncertain_tries integer not null default 0
  retry_at timestamp with time zone
  failures integer not null default 0
  last_tested_at timestamp with time zone
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  renewed_for timestamp with time zone
  renewed_at timestamp with time zone
  user_id text
  owner_id text
  connected_at timestamp with time zone
  previous_credentials bytea
  previous_until timestamp with time zone
  next_test_at timestamp with time zone
  test_failures integer not null default 0
  test_error text
  constraint connections_pkey PRIMARY KEY (tenant_id, id)
  constraint connections_tenant_id_integration_id_fkey FOREIGN KEY (tenant_id, integration_id) REFERENCES integrations(tenant_id, id)
  CREATE INDEX connections_integration ON connections USING btree (tenant_id, integration_id)
  CREATE INDEX connections_overlap ON connections USING btree (previous_until) WHERE (previous_until IS NOT NULL)
  CREATE INDEX connections_owner ON connections USING btree (owner_id, tenant_id) WHERE (owner_id IS NOT NULL)
  CREATE INDEX connections_refresh_ends ON connections USING btree (refresh_expires_at) WHERE (refresh_expires_at IS NOT NULL)
  CREATE INDEX connections_test ON connections USING btree (next_test_at)
  CREATE UNIQUE INDEX connections_account ON connections USING btree (tenant_id, provider, external_account_id)
  CREATE UNIQUE INDEX connections_person ON connections USING btree (tenant_id, integration_id, owner_id) WHERE (owner_id IS NOT NULL)
  CREATE UNIQUE INDEX connections_pkey ON connections USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table customers
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  external_id text not null
  personal bytea
  first_order_at timestamp with time zone
  last_order_at timestamp with time zone
  redacted_at timestamp with time zone
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint customers_external UNIQUE (tenant_id, connection_id, external_id)
  constraint customers_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX customers_last_order ON customers USING btree (last_order_at) WHERE (redacted_at IS NULL)
  CREATE UNIQUE INDEX customers_external ON customers USING btree (tenant_id, connection_id, external_id)
  CREATE UNIQUE INDEX customers_pkey ON customers USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table data_keys
  tenant_id text not null
  id text not null
  wrapped bytea not null
  master_key_id text not null
  created_at timestamp with time zone not null
  retired_at timestamp with time zone
  seals bigint not null
  made_in bigint not null
  constraint data_keys_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX data_keys_master_key_id_idx ON data_keys USING btree (master_key_id)
  CREATE UNIQUE INDEX data_keys_current_idx ON data_keys USING btree (tenant_id) WHERE (retired_at IS NULL)
  CREATE UNIQUE INDEX data_keys_pkey ON data_keys USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table edits
  tenant_id text not null
  id text not null
  connection_id text not null
  listing_id text not null
  variant text not null
  field text not null
  location text not null
  value jsonb not null
  currency text not null
  base jsonb
  sent jsonb
  version integer not null
  state text not null
  code text
  reason text
  attempts integer not null
  due_at timestamp with time zone
  claim text
  lease_until timestamp with time zone
  wanted_at timestamp with time zone not null
  requested_by text not null
  constraint edits_of UNIQUE (tenant_id, listing_id, variant, field, location)
  constraint edits_pkey PRIMARY KEY (tenant_id, id)
  constraint edits_tenant_id_listing_id_fkey FOREIGN KEY (tenant_id, listing_id) REFERENCES listings(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX edits_claimed ON edits USING btree (tenant_id, claim) WHERE (claim IS NOT NULL)
  CREATE INDEX edits_due ON edits USING btree (tenant_id, connection_id, due_at, id) WHERE (due_at IS NOT NULL)
  CREATE UNIQUE INDEX edits_of ON edits USING btree (tenant_id, listing_id, variant, field, location)
  CREATE UNIQUE INDEX edits_pkey ON edits USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table event_retention
  tenant_id text not null
  days integer not null
  changed_at timestamp with time zone not null
  constraint event_retention_pkey PRIMARY KEY (tenant_id)
  CREATE UNIQUE INDEX event_retention_pkey ON event_retention USING btree (tenant_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table events
  tenant_id text not null
  id text not null
  xid xid8 not null default pg_current_xact_id()
  type text not null
  subject text not null
  at timestamp with time zone not null
  public boolean not null
  audited boolean not null
  body jsonb not null
  actor text not null
  address text
  request_id text
  before jsonb
  after jsonb
  day date not null default 'infinity'::date
  route text
  on_behalf_of text
  constraint events_pkey PRIMARY KEY (tenant_id, id, day)
  CREATE INDEX events_audited_idx ON ONLY public.events USING btree (tenant_id, id) WHERE audited
  CREATE INDEX events_sealing_idx ON ONLY public.events USING btree (xid, id) WHERE audited
  CREATE INDEX events_tenant_id_xid_id_idx ON ONLY public.events USING btree (tenant_id, xid, id)
  CREATE INDEX events_xid_id_idx ON ONLY public.events USING btree (xid, id)
  CREATE UNIQUE INDEX events_pkey ON ONLY public.events USING btree (tenant_id, id, day)
  row security: forced
  policy erasure for isthmus_system: using ((NOT audited) OR (EXISTS ( SELECT FROM tenants t WHERE ((t.id = events.tenant_id) AND (t.status = 'deleting'::text))))) check -
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select to isthmus_system
  grant insert,select to isthmus_tenant

table hidden_records
  tenant_id text not null
  connection_id text not null
  shard_type text not null
  constraint hidden_records_pkey PRIMARY KEY (tenant_id, connection_id, shard_type)
  CREATE UNIQUE INDEX hidden_records_pkey ON hidden_records USING btree (tenant_id, connection_id, shard_type)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table holdings
  tenant_id text not null
  connection_id text not null
  kind text not null
  bytes bigint not null default 0
  added_at timestamp with time zone not null
  counted_at timestamp with time zone
  constraint holdings_pkey PRIMARY KEY (tenant_id, connection_id, kind)
  CREATE UNIQUE INDEX holdings_pkey ON holdings USING btree (tenant_id, connection_id, kind)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table idempotency_keys
  tenant_id text not null
  principal text not null
  route text not null
  key text not null
  fingerprint bytea not null
  created_at timestamp with time zone not null
  status integer
  headers jsonb
  body bytea
  constraint idempotency_keys_pkey PRIMARY KEY (tenant_id, principal, route, key)
  CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys USING btree (created_at)
  CREATE UNIQUE INDEX idempotency_keys_pkey ON idempotency_keys USING btree (tenant_id, principal, route, key)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table integration_counts
  tenant_id text not null
  provider text not null
  state text not null
  total bigint not null
  constraint integration_counts_pkey PRIMARY KEY (tenant_id, provider, state)
  CREATE UNIQUE INDEX integration_counts_pkey ON integration_counts USING btree (tenant_id, provider, state)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table integrations
  tenant_id text not null
  id text not null
  provider text not null
  name text not null
  settings jsonb not null default '{}'::jsonb
  status text not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  category text not null default 'custom'::text
  description text not null default ''::text
  icon text
  allowed_types text[] not null default '{}'::text[]
  search_enabled boolean not null default true
  searchable text[] not null default '{}'::text[]
  user_scoped boolean not null default false
  allowed_roles text[] not null default '{}'::text[]
  allowed_users text[] not null default '{}'::text[]
  proxy_enabled boolean not null default false
  enabled boolean not null default true
  enabled_at timestamp with time zone
  enabled_by text
  last_sync_at timestamp with time zone
  types_changed_at timestamp with time zone
  testing_until timestamp with time zone
  purge_since timestamp with time zone
  constraint integrations_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX integrations_name ON integrations USING btree (tenant_id, lower(name))
  CREATE INDEX integrations_purge ON integrations USING btree (purge_since) WHERE (purge_since IS NOT NULL)
  CREATE UNIQUE INDEX integrations_pkey ON integrations USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table inventory_items
  tenant_id text not null
  id text not null
  product_id text not null
  sku text
  barcode text
  title text
  stock bigint
  due_at timestamp with time zone
  version integer not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint inventory_items_pkey PRIMARY KEY (tenant_id, id)
  constraint inventory_items_tenant_id_product_id_fkey FOREIGN KEY (tenant_id, product_id) REFERENCES products(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX inventory_items_due ON inventory_items USING btree (due_at) WHERE (due_at IS NOT NULL)
  CREATE INDEX inventory_items_of ON inventory_items USING btree (product_id, tenant_id)
  CREATE UNIQUE INDEX inventory_items_pkey ON inventory_items USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table inventory_links
  tenant_id text not null
  listing_id text not null
  variant text not null
  item_id text not null
  connection_id text not null
  how text not null
  seen bigint
  wanted bigint
  push_id text
  created_by text not null
  created_at timestamp with time zone not null
  constraint inventory_links_pkey PRIMARY KEY (tenant_id, listing_id, variant)
  constraint inventory_links_tenant_id_item_id_fkey FOREIGN KEY (tenant_id, item_id) REFERENCES inventory_items(tenant_id, id) ON DELETE CASCADE
  constraint inventory_links_tenant_id_listing_id_fkey FOREIGN KEY (tenant_id, listing_id) REFERENCES listings(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX inventory_links_of ON inventory_links USING btree (item_id, tenant_id)
  CREATE UNIQUE INDEX inventory_links_pkey ON inventory_links USING btree (tenant_id, listing_id, variant)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table issuer_accounts
  tenant_id text not null
  id text not null
  issuer text not null
  subject text not null
  roles text[] not null
  set_by text not null
  set_at timestamp with time zone not null
  constraint issuer_accounts_pkey PRIMARY KEY (tenant_id, id)
  constraint issuer_accounts_tenant_id_issuer_subject_key UNIQUE (tenant_id, issuer, subject)
  CREATE UNIQUE INDEX issuer_accounts_pkey ON issuer_accounts USING btree (tenant_id, id)
  CREATE UNIQUE INDEX issuer_accounts_tenant_id_issuer_subject_key ON issuer_accounts USING btree (tenant_id, issuer, subject)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table listings
  tenant_id text not null
  id text not null
  product_id text not null
  connection_id text not null
  provider text not null
  external_id text not null
  title text not null
  status text not null
  platform_status text not null
  sku text
  variant_count integer not null
  currency text
  price numeric
  stock bigint
  body jsonb not null
  raw bytea not null
  raw_hash bytea not null
  hash bytea not null
  version integer not null
  platform_updated_at timestamp with time zone
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  price_changes_at timestamp with time zone
  constraint listings_external UNIQUE (tenant_id, connection_id, external_id)
  constraint listings_pkey PRIMARY KEY (tenant_id, id)
  constraint listings_product FOREIGN KEY (tenant_id, product_id) REFERENCES products(tenant_id, id)
  CREATE INDEX listings_of_product ON listings USING btree (product_id, tenant_id)
  CREATE INDEX listings_priced ON listings USING btree (price_changes_at) WHERE (price_changes_at IS NOT NULL)
  CREATE INDEX listings_updated ON listings USING btree (updated_at)
  CREATE UNIQUE INDEX listings_external ON listings USING btree (tenant_id, connection_id, external_id)
  CREATE UNIQUE INDEX listings_pkey ON listings USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table login_attempts
  id bytea not null
  browser bytea not null
  issuer text not null
  tenant text not null
  invitation bytea
  return_to text not null
  until timestamp with time zone not null
  member text
  session text
  constraint login_attempts_pkey PRIMARY KEY (id)
  CREATE INDEX login_attempts_member_idx ON login_attempts USING btree (tenant, member) WHERE (member IS NOT NULL)
  CREATE INDEX login_attempts_until_idx ON login_attempts USING btree (until)
  CREATE UNIQUE INDEX login_attempts_pkey ON login_attempts USING btree (id)
  row security: none
  grant delete,insert,select,update to isthmus_system

table login_issuers
  tenant_id text not null
  id text not null
  issuer text not null
  label text not null
  client_id text not null
  secret_sealed bytea
  algorithms text[] not null
  created_by text not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint login_issuers_pkey PRIMARY KEY (tenant_id, id)
  constraint login_issuers_tenant_id_issuer_key UNIQUE (tenant_id, issuer)
  CREATE UNIQUE INDEX login_issuers_pkey ON login_issuers USING btree (tenant_id, id)
  CREATE UNIQUE INDEX login_issuers_tenant_id_issuer_key ON login_issuers USING btree (tenant_id, issuer)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table oauth_flows
  tenant_id text not null
  key_hash bytea not null
  stage text not null
  connection_id text not null
  provider text not null
  registration_id text not null
  registration_version bigint not null
  hosts_digest text not null
  redirect_uri text not null
  return_url text
  principal_id text not null
  principal jsonb not null
  verifier bytea
  answer bytea
  starter_hash bytea not null
  cookie_hash bytea
  starter_bound boolean not null default false
  created_at timestamp with time zone not null
  expires_at timestamp with time zone not null
  account jsonb not null default '{}'::jsonb
  constraint oauth_flows_pkey PRIMARY KEY (tenant_id, key_hash)
  constraint oauth_flows_tenant_id_connection_id_fkey FOREIGN KEY (tenant_id, connection_id) REFERENCES connections(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX oauth_flows_connection ON oauth_flows USING btree (tenant_id, connection_id)
  CREATE INDEX oauth_flows_expiry ON oauth_flows USING btree (expires_at)
  CREATE INDEX oauth_flows_principal ON oauth_flows USING btree (tenant_id, principal_id)
  CREATE UNIQUE INDEX oauth_flows_key ON oauth_flows USING btree (key_hash)
  CREATE UNIQUE INDEX oauth_flows_pkey ON oauth_flows USING btree (tenant_id, key_hash)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table order_action_items
  tenant_id text not null
  action_id text not null
  external_id text not null
  result text not null
  code text not null
  reason text not null
  constraint order_action_items_action FOREIGN KEY (tenant_id, action_id) REFERENCES order_actions(tenant_id, id) ON DELETE CASCADE
  constraint order_action_items_pkey PRIMARY KEY (tenant_id, action_id, external_id)
  CREATE UNIQUE INDEX order_action_items_pkey ON order_action_items USING btree (tenant_id, action_id, external_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table order_actions
  tenant_id text not null
  id text not null
  order_id text not null
  connection_id text not null
  provider text not null
  external_id text not null
  number text not null
  kind text not null
  lines text[] not null
  reason text not null
  details jsonb not null
  state text not null
  forced boolean not null default false
  sends integer not null default 0
  sent_at timestamp with time zone
  fence bigint not null default 0
  owner text
  lease_until timestamp with time zone
  parked boolean not null default false
  retry_at timestamp with time zone
  attempts integer not null default 0
  deaths integer not null default 0
  done integer not null default 0
  failed integer not null default 0
  error_code text
  error_message text
  status_before text not null
  status_after text
  requested_by text not null
  created_at timestamp with time zone not null
  finished_at timestamp with time zone
  changed_at timestamp with time zone not null
  constraint order_actions_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX order_actions_connection ON order_actions USING btree (connection_id, id)
  CREATE INDEX order_actions_due ON order_actions USING btree (changed_at) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text]))
  CREATE INDEX order_actions_order ON order_actions USING btree (order_id, id)
  CREATE UNIQUE INDEX order_actions_live ON order_actions USING btree (tenant_id, order_id) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text, 'unsure'::text]))
  CREATE UNIQUE INDEX order_actions_pkey ON order_actions USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table order_lines
  tenant_id text not null
  id text not null
  order_id text not null
  connection_id text not null
  external_id text not null
  position integer not null
  product_external_id text
  variant_external_id text
  sku text
  title text not null
  quantity bigint not null
  unit_price numeric not null
  line_total numeric not null
  status text not null
  constraint order_lines_external UNIQUE (tenant_id, order_id, external_id)
  constraint order_lines_order FOREIGN KEY (tenant_id, order_id) REFERENCES orders(tenant_id, id) ON DELETE CASCADE
  constraint order_lines_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX order_lines_sku ON order_lines USING btree (sku, tenant_id, connection_id) WHERE (sku IS NOT NULL)
  CREATE UNIQUE INDEX order_lines_external ON order_lines USING btree (tenant_id, order_id, external_id)
  CREATE UNIQUE INDEX order_lines_pkey ON order_lines USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table order_statuses
  tenant_id text not null
  provider text not null
  platform_status text not null
  order_id text not null
  seen_at timestamp with time zone not null
  constraint order_statuses_pkey PRIMARY KEY (tenant_id, provider, platform_status)
  CREATE UNIQUE INDEX order_statuses_pkey ON order_statuses USING btree (tenant_id, provider, platform_status)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table orders
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  external_id text not null
  number text not null
  customer_id text
  status text not null
  platform_status text not null
  payment_status text not null
  fulfilment_status text not null
  placed_at timestamp with time zone not null
  currency text not null
  grand_total numeric not null
  money_gap numeric
  line_count integer not null
  country text
  body jsonb not null
  personal bytea
  raw bytea
  raw_hash bytea not null
  hash bytea not null
  version integer not null
  platform_updated_at timestamp with time zone
  redacted_at timestamp with time zone
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint orders_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES customers(tenant_id, id)
  constraint orders_external UNIQUE (tenant_id, connection_id, external_id)
  constraint orders_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX orders_number ON orders USING btree (number, tenant_id)
  CREATE INDEX orders_of_customer ON orders USING btree (customer_id, tenant_id) WHERE (customer_id IS NOT NULL)
  CREATE INDEX orders_personal ON orders USING btree (placed_at) WHERE (redacted_at IS NULL)
  CREATE INDEX orders_placed ON orders USING btree (tenant_id, placed_at, id)
  CREATE UNIQUE INDEX orders_external ON orders USING btree (tenant_id, connection_id, external_id)
  CREATE UNIQUE INDEX orders_pkey ON orders USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table password_resets
  tenant_id text not null
  id text not null
  user_id text not null
  digest bytea not null
  until timestamp with time zone not null
  offered_by text
  constraint password_resets_digest_key UNIQUE (digest)
  constraint password_resets_pkey PRIMARY KEY (tenant_id, id)
  constraint password_resets_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX password_resets_digest_key ON password_resets USING btree (digest)
  CREATE UNIQUE INDEX password_resets_pkey ON password_resets USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table processes
  id text not null
  since timestamp with time zone not null default clock_timestamp()
  seen_at timestamp with time zone not null
  counts jsonb not null
  constraint processes_pkey PRIMARY KEY (id)
  CREATE UNIQUE INDEX processes_pkey ON processes USING btree (id)
  row security: none
  grant delete,insert,select,update to isthmus_system

table product_sync_configs
  tenant_id text not null
  enabled boolean not null
  source text not null
  connection_id text
  schedule text
  next_at timestamp with time zone
  mapping_id text
  mode text not null
  on_error text not null
  conflict_rule text not null
  webhook_secret bytea
  version integer not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint product_sync_configs_pkey PRIMARY KEY (tenant_id)
  CREATE UNIQUE INDEX product_sync_configs_pkey ON product_sync_configs USING btree (tenant_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table products
  tenant_id text not null
  id text not null
  title text not null
  sku text
  status text not null
  currency text
  price numeric
  stock bigint
  version integer not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  own boolean not null default false
  constraint products_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX products_updated ON products USING btree (updated_at)
  CREATE UNIQUE INDEX products_pkey ON products USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table provider_overrides
  id text not null
  status text
  audience text
  fields jsonb not null
  version bigint not null
  updated_at timestamp with time zone not null
  definition jsonb
  removed boolean not null default false
  created_at timestamp with time zone
  constraint provider_overrides_pkey PRIMARY KEY (id)
  CREATE UNIQUE INDEX provider_overrides_pkey ON provider_overrides USING btree (id)
  row security: forced
  policy delete_by_platform for isthmus_tenant: using (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text) check -
  policy insert_by_platform for isthmus_tenant: using - check (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text)
  policy seen for isthmus_tenant: using true check -
  policy system for isthmus_system: using true check true
  policy update_by_platform for isthmus_tenant: using (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text) check -
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table provider_proposals
  tenant_id text not null
  id text not null
  provider text not null
  action text not null
  wish jsonb not null
  credentials_sealed bytea
  differences jsonb not null
  reasons text[] not null
  state text not null
  proposed_by text not null
  proposed_at timestamp with time zone not null
  until timestamp with time zone not null
  decided_by text
  decided_at timestamp with time zone
  constraint provider_proposals_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX provider_proposals_open ON provider_proposals USING btree (until) WHERE (state = 'open'::text)
  CREATE UNIQUE INDEX provider_proposals_pkey ON provider_proposals USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table provider_versions
  id text not null
  version bigint not null
  action text not null
  state jsonb not null
  actor text not null
  at timestamp with time zone not null
  constraint provider_versions_pkey PRIMARY KEY (id, version)
  CREATE UNIQUE INDEX provider_versions_pkey ON provider_versions USING btree (id, version)
  row security: forced
  policy insert_by_platform for isthmus_tenant: using - check (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text)
  policy select_by_platform for isthmus_tenant: using (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text) check -
  policy system for isthmus_system: using true check true
  grant delete,insert,select,update to isthmus_system
  grant insert,select to isthmus_tenant

table push_items
  tenant_id text not null
  push_id text not null
  number integer not null
  edit_id text not null
  version integer not null
  connection_id text not null
  listing_id text not null
  variant text not null
  field text not null
  location text not null
  value jsonb not null
  state text not null
  code text
  reason text
  finished_at timestamp with time zone
  constraint push_items_pkey PRIMARY KEY (tenant_id, push_id, number)
  constraint push_items_tenant_id_push_id_fkey FOREIGN KEY (tenant_id, push_id) REFERENCES pushes(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX push_items_of ON push_items USING btree (listing_id, variant, field)
  CREATE INDEX push_items_open ON push_items USING btree (edit_id, version) WHERE (state = 'waiting'::text)
  CREATE UNIQUE INDEX push_items_pkey ON push_items USING btree (tenant_id, push_id, number)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table pushes
  tenant_id text not null
  id text not null
  origin text not null
  requested_by text not null
  items integer not null
  created_at timestamp with time zone not null
  finished_at timestamp with time zone
  constraint pushes_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX pushes_pkey ON pushes USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table registrations
  tenant_id text not null
  id text not null
  provider text not null
  kind text not null
  credentials_sealed bytea
  hosts jsonb not null
  bound_to text not null
  redirect_path text not null
  version bigint not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint registrations_pkey PRIMARY KEY (tenant_id, id)
  constraint registrations_tenant_id_provider_key UNIQUE (tenant_id, provider)
  CREATE UNIQUE INDEX registrations_pkey ON registrations USING btree (tenant_id, id)
  CREATE UNIQUE INDEX registrations_tenant_id_provider_key ON registrations USING btree (tenant_id, provider)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table reseals
  tenant_id text not null
  id text not null
  place text
  asked_at timestamp with time zone not null
  done_at timestamp with time zone
  constraint reseals_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX reseals_open_idx ON reseals USING btree (asked_at) WHERE (done_at IS NULL)
  CREATE UNIQUE INDEX reseals_pkey ON reseals USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table return_origins
  tenant_id text not null
  origin text not null
  created_at timestamp with time zone not null
  constraint return_origins_pkey PRIMARY KEY (tenant_id, origin)
  CREATE UNIQUE INDEX return_origins_pkey ON return_origins USING btree (tenant_id, origin)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table schedules
  tenant_id text not null
  id text not null
  connection_id text not null
  entity text not null
  mode text not null
  rule jsonb not null
  state text not null
  reason text
  next_at timestamp with time zone
  wanted_at timestamp with time zone
  last_at timestamp with time zone
  last_run_id text
  version integer not null
  constraint schedules_of UNIQUE (tenant_id, connection_id, entity, mode)
  constraint schedules_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX schedules_due ON schedules USING btree (next_at) WHERE (state = 'active'::text)
  CREATE INDEX schedules_wanted ON schedules USING btree (wanted_at) WHERE (wanted_at IS NOT NULL)
  CREATE UNIQUE INDEX schedules_of ON schedules USING btree (tenant_id, connection_id, entity, mode)
  CREATE UNIQUE INDEX schedules_pkey ON schedules USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table search_builds
  source text not null
  after_tenant text not null
  after_id text not null
  done boolean not null
  changed_at timestamp with time zone not null
  constraint search_builds_pkey PRIMARY KEY (source)
  CREATE UNIQUE INDEX search_builds_pkey ON search_builds USING btree (source)
  row security: none
  grant delete,insert,select,update to isthmus_system

table search_documents
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  entity text not null
  shard_type text not null
  external_id text not null
  title text not null
  folded text not null
  snippet text not null
  url text
  lexemes tsvector not null
  version integer not null
  updated_at timestamp with time zone not null
  constraint search_documents_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX search_documents_connection ON search_documents USING btree (connection_id, tenant_id)
  CREATE INDEX search_documents_lexemes ON search_documents USING gin (lexemes) WITH (fastupdate=off)
  CREATE UNIQUE INDEX search_documents_pkey ON search_documents USING btree (tenant_id, id)
  row security: forced
  policy search for isthmus_owner: using true check -
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table search_snapshots
  tenant_id text not null
  id text not null
  body bytea not null
  expires_at timestamp with time zone not null
  constraint search_snapshots_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX search_snapshots_expiry ON search_snapshots USING btree (expires_at)
  CREATE UNIQUE INDEX search_snapshots_pkey ON search_snapshots USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table search_words
  tenant_id text not null
  word text not null
  grams text[] not null
  constraint search_words_pkey PRIMARY KEY (tenant_id, word)
  CREATE INDEX search_words_grams ON search_words USING gin (grams) WITH (fastupdate=off)
  CREATE UNIQUE INDEX search_words_pkey ON search_words USING btree (tenant_id, word)
  row security: forced
  policy search for isthmus_owner: using true check -
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table second_factors
  tenant_id text not null
  id text not null
  sealed bytea not null
  created_at timestamp with time zone not null
  confirmed_at timestamp with time zone
  last_step bigint not null
  constraint second_factors_pkey PRIMARY KEY (tenant_id, id)
  constraint second_factors_tenant_id_id_fkey FOREIGN KEY (tenant_id, id) REFERENCES users(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX second_factors_pkey ON second_factors USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sessions
  tenant_id text not null
  id text not null
  user_id text
  digest bytea not null
  created_at timestamp with time zone not null
  seen_at timestamp with time zone not null
  ends_at timestamp with time zone not null
  kind text not null
  issuer text not null
  subject text not null
  roles text[]
  proved_at timestamp with time zone not null
  strong boolean not null
  constraint sessions_digest_key UNIQUE (digest)
  constraint sessions_pkey PRIMARY KEY (tenant_id, id)
  constraint sessions_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX sessions_ends_idx ON sessions USING btree (ends_at)
  CREATE INDEX sessions_seen_idx ON sessions USING btree (seen_at)
  CREATE INDEX sessions_subject_idx ON sessions USING btree (tenant_id, issuer, subject)
  CREATE INDEX sessions_user_idx ON sessions USING btree (tenant_id, user_id)
  CREATE UNIQUE INDEX sessions_digest_key ON sessions USING btree (digest)
  CREATE UNIQUE INDEX sessions_pkey ON sessions USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table shards
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  entity text not null
  shard_type text not null
  external_id text not null
  title text not null
  url text
  body jsonb not null
  hash bytea not null
  version integer not null
  source_updated_at timestamp with time zone
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint shards_external UNIQUE (tenant_id, connection_id, entity, external_id)
  constraint shards_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX shards_kind ON shards USING btree (shard_type, tenant_id, id)
  CREATE INDEX shards_updated ON shards USING btree (updated_at)
  CREATE UNIQUE INDEX shards_external ON shards USING btree (tenant_id, connection_id, entity, external_id)
  CREATE UNIQUE INDEX shards_pkey ON shards USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table shipments
  tenant_id text not null
  id text not null
  order_id text not null
  external_id text not null
  status text not null
  platform_status text not null
  carrier text
  tracking_number text
  shipped_at timestamp with time zone
  delivered_at timestamp with time zone
  constraint shipments_external UNIQUE (tenant_id, order_id, external_id)
  constraint shipments_order FOREIGN KEY (tenant_id, order_id) REFERENCES orders(tenant_id, id) ON DELETE CASCADE
  constraint shipments_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX shipments_tracking ON shipments USING btree (tracking_number) WHERE (tracking_number IS NOT NULL)
  CREATE UNIQUE INDEX shipments_external ON shipments USING btree (tenant_id, order_id, external_id)
  CREATE UNIQUE INDEX shipments_pkey ON shipments USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sign_in_failures
  tenant_id text not null
  id text not null
  failures integer not null
  until timestamp with time zone not null
  constraint sign_in_failures_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX sign_in_failures_until_idx ON sign_in_failures USING btree (until)
  CREATE UNIQUE INDEX sign_in_failures_pkey ON sign_in_failures USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table stock_buffers
  tenant_id text not null
  connection_id text not null
  buffer bigint not null
  version integer not null
  constraint stock_buffers_pkey PRIMARY KEY (tenant_id, connection_id)
  CREATE UNIQUE INDEX stock_buffers_pkey ON stock_buffers USING btree (tenant_id, connection_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_changes
  tenant_id text not null
  run_id text not null
  page bigint not null
  external_id text not null
  change text not null
  constraint sync_changes_pkey PRIMARY KEY (tenant_id, run_id, page, external_id)
  constraint sync_changes_run FOREIGN KEY (tenant_id, run_id) REFERENCES sync_runs(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX sync_changes_pkey ON sync_changes USING btree (tenant_id, run_id, page, external_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_cursors
  tenant_id text not null
  connection_id text not null
  entity text not null
  watermark timestamp with time zone
  run_id text not null
  updated_at timestamp with time zone not null
  constraint sync_cursors_pkey PRIMARY KEY (tenant_id, connection_id, entity)
  CREATE UNIQUE INDEX sync_cursors_pkey ON sync_cursors USING btree (tenant_id, connection_id, entity)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_errors
  tenant_id text not null
  id text not null
  run_id text not null
  connection_id text not null
  external_id text not null
  reason text not null
  payload bytea not null
  created_at timestamp with time zone not null
  constraint sync_errors_pkey PRIMARY KEY (tenant_id, id)
  constraint sync_errors_run FOREIGN KEY (tenant_id, run_id) REFERENCES sync_runs(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX sync_errors_of_run ON sync_errors USING btree (run_id, id)
  CREATE UNIQUE INDEX sync_errors_pkey ON sync_errors USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_refreshes
  tenant_id text not null
  connection_id text not null
  entity text not null
  external_id text not null
  seen timestamp with time zone
  asked bigint not null default 1
  attempts integer not null default 0
  due_at timestamp with time zone
  lease_until timestamp with time zone
  created_at timestamp with time zone not null
  constraint sync_refreshes_pkey PRIMARY KEY (tenant_id, connection_id, entity, external_id)
  CREATE INDEX sync_refreshes_due ON sync_refreshes USING btree (due_at) WHERE (due_at IS NOT NULL)
  CREATE UNIQUE INDEX sync_refreshes_pkey ON sync_refreshes USING btree (tenant_id, connection_id, entity, external_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_runs
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  entity text not null
  mode text not null
  state text not null
  since timestamp with time zone
  until timestamp with time zone not null
  cursor text
  fence bigint not null default 0
  owner text
  lease_until timestamp with time zone
  retry_at timestamp with time zone
  attempts integer not null default 0
  deaths integer not null default 0
  pages_at_claim bigint not null default 0
  total bigint
  pages bigint not null default 0
  records bigint not null default 0
  listings bigint not null default 0
  variants bigint not null default 0
  created bigint not null default 0
  updated bigint not null default 0
  unchanged bigint not null default 0
  failed bigint not null default 0
  retries bigint not null default 0
  throttled bigint not null default 0
  waited_ms bigint not null default 0
  waiting_until timestamp with time zone
  waiting_reason text
  error_code text
  error_message text
  requested_by text not null
  created_at timestamp with time zone not null
  started_at timestamp with time zone
  finished_at timestamp with time zone
  changed_at timestamp with time zone not null
  dry_run boolean not null default false
  retry_of text
  judged_before timestamp with time zone
  drift_created bigint not null default 0
  drift_updated bigint not null default 0
  drift_missing bigint not null default 0
  constraint sync_runs_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX sync_runs_changed ON sync_runs USING btree (changed_at)
  CREATE INDEX sync_runs_connection ON sync_runs USING btree (connection_id, entity, id)
  CREATE INDEX sync_runs_full ON sync_runs USING btree (tenant_id, connection_id) WHERE ((state = 'parked'::text) AND (error_code = 'STORE_FULL'::text))
  CREATE INDEX sync_runs_stalled ON sync_runs USING btree (lease_until) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text, 'cancelling'::text]))
  CREATE UNIQUE INDEX sync_runs_live ON sync_runs USING btree (tenant_id, connection_id, entity) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text, 'cancelling'::text]))
  CREATE UNIQUE INDEX sync_runs_pkey ON sync_runs USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_seen
  tenant_id text not null
  run_id text not null
  page bigint not null
  external_ids text[] not null
  constraint sync_seen_pkey PRIMARY KEY (tenant_id, run_id, page)
  constraint sync_seen_run FOREIGN KEY (tenant_id, run_id) REFERENCES sync_runs(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX sync_seen_pkey ON sync_seen USING btree (tenant_id, run_id, page)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table sync_suspects
  tenant_id text not null
  id text not null
  run_id text not null
  connection_id text not null
  provider text not null
  entity text not null
  external_id text not null
  record_id text not null
  state text not null
  reason text
  decided_by text
  created_at timestamp with time zone not null
  decided_at timestamp with time zone
  constraint sync_suspects_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX sync_suspects_run ON sync_suspects USING btree (run_id, id)
  CREATE UNIQUE INDEX sync_suspects_open ON sync_suspects USING btree (tenant_id, connection_id, entity, external_id) WHERE (state = ANY (ARRAY['open'::text, 'waiting'::text]))
  CREATE UNIQUE INDEX sync_suspects_pkey ON sync_suspects USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table tenant_erasures
  id text not null
  asked_at timestamp with time zone not null
  erased jsonb not null
  constraint tenant_erasures_pkey PRIMARY KEY (id)
  CREATE UNIQUE INDEX tenant_erasures_pkey ON tenant_erasures USING btree (id)
  row security: none
  grant delete,insert,select,update to isthmus_system

table tenants
  id text not null
  name text not null
  slug text not null
  status text not null
  created_at timestamp with time zone not null
  plan text
  constraint tenants_pkey PRIMARY KEY (id)
  constraint tenants_slug_key UNIQUE (slug)
  CREATE UNIQUE INDEX tenants_pkey ON tenants USING btree (id)
  CREATE UNIQUE INDEX tenants_slug_key ON tenants USING btree (slug)
  row security: forced
  policy delete_by_platform for isthmus_tenant: using (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text) check -
  policy insert_by_platform for isthmus_tenant: using - check (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text)
  policy seen for isthmus_tenant: using ((id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) OR (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text)) check -
  policy system for isthmus_system: using true check true
  policy update_by_platform for isthmus_tenant: using (((current_setting('isthmus.tenant'::text))::tenant_key)::text = 'ten_platform'::text) check -
  grant delete,insert,select,update to isthmus_system
  grant insert,select,update to isthmus_tenant

table token_revocations
  tenant_id text not null
  id text not null
  connection_id text not null
  provider text not null
  registration_id text
  account jsonb not null
  access bytea
  refresh bytea
  attempts integer not null
  due_at timestamp with time zone not null
  created_at timestamp with time zone not null
  constraint token_revocations_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX token_revocations_due ON token_revocations USING btree (due_at)
  CREATE UNIQUE INDEX token_revocations_pkey ON token_revocations USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table upload_errors
  tenant_id text not null
  upload_id text not null
  number bigint not null
  line bigint not null
  column_name text not null
  value text not null
  reason text not null
  constraint upload_errors_pkey PRIMARY KEY (tenant_id, upload_id, number)
  constraint upload_errors_tenant_id_upload_id_fkey FOREIGN KEY (tenant_id, upload_id) REFERENCES uploads(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX upload_errors_pkey ON upload_errors USING btree (tenant_id, upload_id, number)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table upload_mappings
  tenant_id text not null
  id text not null
  name text not null
  format jsonb not null
  created_at timestamp with time zone not null
  constraint upload_mappings_name UNIQUE (tenant_id, name)
  constraint upload_mappings_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX upload_mappings_name ON upload_mappings USING btree (tenant_id, name)
  CREATE UNIQUE INDEX upload_mappings_pkey ON upload_mappings USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table upload_parts
  tenant_id text not null
  upload_id text not null
  start bigint not null
  size bigint not null
  blob_id text not null
  constraint upload_parts_pkey PRIMARY KEY (tenant_id, upload_id, start)
  constraint upload_parts_tenant_id_upload_id_fkey FOREIGN KEY (tenant_id, upload_id) REFERENCES uploads(tenant_id, id) ON DELETE CASCADE
  CREATE UNIQUE INDEX upload_parts_pkey ON upload_parts USING btree (tenant_id, upload_id, start)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table uploads
  tenant_id text not null
  id text not null
  name text not null
  origin text not null
  state text not null
  mode text not null
  format text
  mapping jsonb
  currency text not null
  decimal_sign text not null
  size bigint
  received bigint not null default 0
  digest text
  kind text
  encoding text
  phase text not null default 'checking'::text
  place bigint not null default 0
  line bigint not null default 0
  rows bigint not null default 0
  products bigint not null default 0
  created bigint not null default 0
  updated bigint not null default 0
  unchanged bigint not null default 0
  failed bigint not null default 0
  errors bigint not null default 0
  fence bigint not null default 0
  lease_until timestamp with time zone
  deaths integer not null default 0
  error_code text
  error_message text
  requested_by text not null
  created_at timestamp with time zone not null
  changed_at timestamp with time zone not null
  started_at timestamp with time zone
  finished_at timestamp with time zone
  share double precision
  constraint uploads_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX uploads_changed ON uploads USING btree (changed_at)
  CREATE INDEX uploads_open ON uploads USING btree (changed_at) WHERE (state = ANY (ARRAY['receiving'::text, 'queued'::text, 'running'::text, 'cancelling'::text]))
  CREATE UNIQUE INDEX uploads_pkey ON uploads USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table user_identities
  tenant_id text not null
  issuer text not null
  subject text not null
  user_id text not null
  linked_at timestamp with time zone not null
  constraint user_identities_pkey PRIMARY KEY (tenant_id, issuer, subject)
  constraint user_identities_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX user_identities_user_idx ON user_identities USING btree (tenant_id, user_id)
  CREATE UNIQUE INDEX user_identities_pkey ON user_identities USING btree (tenant_id, issuer, subject)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table users
  tenant_id text not null
  id text not null
  email text not null
  password_hash text
  roles text[] not null
  status text not null
  invitation bytea
  invited_until timestamp with time zone
  created_at timestamp with time zone not null
  invited_by text
  constraint users_invitation_key UNIQUE (invitation)
  constraint users_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX users_email_idx ON users USING btree (tenant_id, email) WHERE (status <> 'removed'::text)
  CREATE UNIQUE INDEX users_invitation_key ON users USING btree (invitation)
  CREATE UNIQUE INDEX users_pkey ON users USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table variants
  tenant_id text not null
  id text not null
  listing_id text not null
  connection_id text not null
  external_id text not null
  sku text
  barcode text
  title text
  position integer not null
  status text not null
  currency text
  price numeric
  list_price numeric
  stock bigint
  constraint variants_external UNIQUE (tenant_id, listing_id, external_id)
  constraint variants_listing FOREIGN KEY (tenant_id, listing_id) REFERENCES listings(tenant_id, id) ON DELETE CASCADE
  constraint variants_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX variants_barcode ON variants USING btree (barcode, tenant_id, connection_id) WHERE (barcode IS NOT NULL)
  CREATE INDEX variants_sku ON variants USING btree (sku, tenant_id, connection_id) WHERE (sku IS NOT NULL)
  CREATE UNIQUE INDEX variants_external ON variants USING btree (tenant_id, listing_id, external_id)
  CREATE UNIQUE INDEX variants_pkey ON variants USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table vault_canary
  id text not null
  sealed bytea not null
  created_at timestamp with time zone not null
  retired_at timestamp with time zone
  constraint vault_canary_pkey PRIMARY KEY (id)
  CREATE UNIQUE INDEX vault_canary_current_idx ON vault_canary USING btree (retired_at) NULLS NOT DISTINCT WHERE (retired_at IS NULL)
  CREATE UNIQUE INDEX vault_canary_pkey ON vault_canary USING btree (id)
  row security: none
  grant delete,insert,select,update to isthmus_system
  grant select to isthmus_tenant

table weak_settings
  tenant_id text not null
  name text not null
  value text not null
  since timestamp with time zone not null
  until timestamp with time zone not null
  constraint weak_settings_pkey PRIMARY KEY (tenant_id, name)
  CREATE UNIQUE INDEX weak_settings_pkey ON weak_settings USING btree (tenant_id, name)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_attempts
  tenant_id text not null
  delivery_id text not null
  id text not null
  until date not null
  trigger text not null
  at timestamp with time zone not null
  url text not null
  address text
  signed_at bigint not null
  signature text not null
  header_names jsonb
  status integer
  response_headers jsonb
  response bytea
  duration_ms integer
  error text
  constraint webhook_attempts_pkey PRIMARY KEY (tenant_id, delivery_id, id, until)
  CREATE UNIQUE INDEX webhook_attempts_pkey ON ONLY public.webhook_attempts USING btree (tenant_id, delivery_id, id, until)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_deliveries
  tenant_id text not null
  id text not null
  number bigint not null
  endpoint_id text not null
  event_id text not null
  type text not null
  state text not null
  attempts integer not null default 0
  next_at timestamp with time zone
  last_status integer
  last_error text
  created_at timestamp with time zone not null
  done_at timestamp with time zone
  trigger text not null default 'schedule'::text
  constraint webhook_deliveries_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries USING btree (endpoint_id, number)
  CREATE UNIQUE INDEX webhook_deliveries_pkey ON webhook_deliveries USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_due
  shard smallint not null
  at timestamp with time zone not null
  number bigint not null
  tenant_id text not null
  endpoint_id text not null
  delivery_id text not null
  attempts integer not null
  constraint webhook_due_pkey PRIMARY KEY (shard, at, number)
  CREATE UNIQUE INDEX webhook_due_pkey ON webhook_due USING btree (shard, at, number)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_endpoints
  tenant_id text not null
  id text not null
  url text not null
  description text not null
  types jsonb not null
  conditions jsonb not null
  scheme text not null
  public_key text
  secret bytea not null
  previous_secret bytea
  previous_until timestamp with time zone
  secret_version integer not null
  headers bytea
  header_names jsonb not null
  rate integer not null
  concurrency integer not null
  ordered boolean not null
  state text not null
  state_reason text
  health text not null
  failures integer not null default 0
  first_failure_at timestamp with time zone
  last_failure_at timestamp with time zone
  last_success_at timestamp with time zone
  last_error text
  latency_ms double precision not null default 0
  delivered bigint not null default 0
  failed bigint not null default 0
  head bigint
  backlog bigint
  version integer not null default 1
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  maker text not null default ''::text
  parked_at timestamp with time zone
  untold boolean not null default false
  constraint webhook_endpoints_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_endpoints_pkey ON webhook_endpoints USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_enrolments
  tenant_id text not null
  connection_id text not null
  provider text not null
  registration_id text not null
  held_by text not null
  ended boolean not null
  attempts integer not null default 0
  next_at timestamp with time zone
  reason text
  constraint webhook_enrolments_pkey PRIMARY KEY (tenant_id, connection_id)
  CREATE INDEX webhook_enrolments_due ON webhook_enrolments USING btree (next_at) WHERE (next_at IS NOT NULL)
  CREATE UNIQUE INDEX webhook_enrolments_pkey ON webhook_enrolments USING btree (tenant_id, connection_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_event_types
  tenant_id text not null
  id text not null
  description text not null
  schema jsonb not null
  created_at timestamp with time zone not null
  version integer not null default 1
  constraint webhook_event_types_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_event_types_pkey ON webhook_event_types USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_functions
  tenant_id text not null
  id text not null
  name text not null
  pattern text not null
  priority integer not null
  retries jsonb
  ordered_by text
  created_at timestamp with time zone not null
  offered_at timestamp with time zone not null
  missed_at timestamp with time zone
  retired_at timestamp with time zone
  constraint webhook_functions_of UNIQUE (tenant_id, name)
  constraint webhook_functions_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_functions_of ON webhook_functions USING btree (tenant_id, name)
  CREATE UNIQUE INDEX webhook_functions_pkey ON webhook_functions USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_halts
  tenant_id text not null
  since timestamp with time zone not null
  constraint webhook_halts_pkey PRIMARY KEY (tenant_id)
  CREATE UNIQUE INDEX webhook_halts_pkey ON webhook_halts USING btree (tenant_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_handlers
  tenant_id text not null
  id text not null
  name text not null
  action text not null
  source_id text
  pattern text not null
  priority integer not null
  filter text
  transform text
  retries jsonb
  ordered_by text
  paused boolean not null
  version integer not null default 1
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint webhook_handlers_pkey PRIMARY KEY (tenant_id, id)
  constraint webhook_handlers_source FOREIGN KEY (tenant_id, source_id) REFERENCES webhook_sources(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX webhook_handlers_of_source ON webhook_handlers USING btree (tenant_id, source_id)
  CREATE UNIQUE INDEX webhook_handlers_pkey ON webhook_handlers USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_inbox
  tenant_id text not null
  id text not null
  source_id text not null
  provider text not null
  received_at timestamp with time zone not null
  request_id text not null
  address text not null
  method text not null
  query text not null
  headers jsonb not null
  body bytea not null
  verdict jsonb not null
  topic text not null
  event text not null
  entity text not null
  account text not null
  object text not null
  occurred_at timestamp with time zone
  simulated boolean not null
  connection_id text
  state text not null
  attempts integer not null default 0
  next_at timestamp with time zone
  reason text
  run_id text
  replays integer not null default 0
  done_at timestamp with time zone
  rehearsed boolean not null default false
  constraint webhook_inbox_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX webhook_inbox_connection ON ONLY public.webhook_inbox USING btree (connection_id, id) WHERE (connection_id IS NOT NULL)
  CREATE INDEX webhook_inbox_received ON ONLY public.webhook_inbox USING btree (source_id, id) WHERE (state = 'received'::text)
  CREATE UNIQUE INDEX webhook_inbox_pkey ON ONLY public.webhook_inbox USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_mail
  tenant_id text not null
  source_id text not null
  wanted bigint not null default 0
  seen bigint not null default 0
  repeats bigint not null default 0
  last_at timestamp with time zone
  since text
  constraint webhook_mail_pkey PRIMARY KEY (tenant_id, source_id)
  CREATE UNIQUE INDEX webhook_mail_pkey ON webhook_mail USING btree (tenant_id, source_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_recoveries
  tenant_id text not null
  id text not null
  endpoint_id text not null
  since timestamp with time zone not null
  until timestamp with time zone not null
  state text not null
  place bigint not null default 0
  found bigint not null default 0
  created_at timestamp with time zone not null
  done_at timestamp with time zone
  constraint webhook_recoveries_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_recoveries_pkey ON webhook_recoveries USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_refused
  tenant_id text not null
  source_id text not null
  id text not null
  at timestamp with time zone not null
  reason text not null
  message text not null
  address text not null
  headers jsonb not null
  body bytea not null
  constraint webhook_refused_pkey PRIMARY KEY (tenant_id, source_id, id)
  CREATE UNIQUE INDEX webhook_refused_pkey ON webhook_refused USING btree (tenant_id, source_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_replays
  tenant_id text not null
  id text not null
  filters jsonb not null
  state text not null
  place text not null
  last text not null
  total bigint not null
  done bigint not null default 0
  requested_by text not null
  created_at timestamp with time zone not null
  done_at timestamp with time zone
  constraint webhook_replays_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_replays_pkey ON webhook_replays USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_retention
  tenant_id text not null
  days integer not null
  changed_at timestamp with time zone not null
  constraint webhook_retention_pkey PRIMARY KEY (tenant_id)
  CREATE UNIQUE INDEX webhook_retention_pkey ON webhook_retention USING btree (tenant_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_secrets
  tenant_id text not null
  id text not null
  source_id text not null
  sealed bytea not null
  expires_at timestamp with time zone
  created_at timestamp with time zone not null
  purpose text not null default 'signature'::text
  constraint webhook_secrets_pkey PRIMARY KEY (tenant_id, id)
  constraint webhook_secrets_source FOREIGN KEY (tenant_id, source_id) REFERENCES webhook_sources(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX webhook_secrets_of_source ON webhook_secrets USING btree (tenant_id, source_id)
  CREATE UNIQUE INDEX webhook_secrets_pkey ON webhook_secrets USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_seen
  digest bytea not null
  at timestamp with time zone not null
  constraint webhook_seen_pkey PRIMARY KEY (digest)
  CREATE INDEX webhook_seen_at ON webhook_seen USING brin (at)
  CREATE UNIQUE INDEX webhook_seen_pkey ON webhook_seen USING btree (digest)
  row security: none
  grant delete,insert,select,update to isthmus_system

table webhook_shards
  shard smallint not null
  owner text
  epoch bigint not null default 0
  until timestamp with time zone not null
  constraint webhook_shards_pkey PRIMARY KEY (shard)
  CREATE UNIQUE INDEX webhook_shards_pkey ON webhook_shards USING btree (shard)
  row security: none
  grant delete,insert,select,update to isthmus_system

table webhook_sources
  tenant_id text not null
  id text not null
  provider text not null
  name text not null
  connection_id text
  uses_app boolean not null
  app jsonb not null
  paused boolean not null
  first_verified_at timestamp with time zone
  version integer not null default 1
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  filter text
  transform text
  constraint webhook_sources_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_sources_pkey ON webhook_sources USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_steps
  tenant_id text not null
  delivery_id text not null
  id text not null
  at timestamp with time zone not null
  what text not null
  outcome text not null
  message text
  run_id text
  constraint webhook_steps_pkey PRIMARY KEY (tenant_id, delivery_id, id)
  CREATE UNIQUE INDEX webhook_steps_pkey ON ONLY public.webhook_steps USING btree (tenant_id, delivery_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_subscriptions
  tenant_id text not null
  provider text not null
  registration_id text not null
  source_id text
  sealed_url bytea
  topics jsonb not null
  far_id text not null
  state text not null
  reason text
  attempts integer not null default 0
  next_at timestamp with time zone
  checked_at timestamp with time zone
  repaired_at timestamp with time zone
  queue text
  place text not null
  pull_at timestamp with time zone
  pulled_at timestamp with time zone
  pulled bigint not null default 0
  created_at timestamp with time zone not null
  constraint webhook_subscriptions_pkey PRIMARY KEY (tenant_id, provider, registration_id)
  constraint webhook_subscriptions_source FOREIGN KEY (tenant_id, source_id) REFERENCES webhook_sources(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX webhook_subscriptions_of_source ON webhook_subscriptions USING btree (tenant_id, source_id)
  CREATE UNIQUE INDEX webhook_subscriptions_pkey ON webhook_subscriptions USING btree (tenant_id, provider, registration_id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_tasks
  tenant_id text not null
  delivery_id text not null
  handler text not null
  key text not null
  priority integer not null
  lane text
  gated boolean not null
  state text not null
  attempts integer not null default 0
  next_at timestamp with time zone
  reason text
  run_id text
  result jsonb
  done_at timestamp with time zone
  constraint webhook_tasks_pkey PRIMARY KEY (tenant_id, delivery_id, handler)
  CREATE INDEX webhook_tasks_done ON webhook_tasks USING brin (done_at)
  CREATE INDEX webhook_tasks_due ON webhook_tasks USING btree (next_at) WHERE (state = ANY (ARRAY['waiting'::text, 'handling'::text]))
  CREATE INDEX webhook_tasks_lanes ON webhook_tasks USING btree (tenant_id, key, lane, delivery_id) WHERE ((state = ANY (ARRAY['waiting'::text, 'handling'::text])) AND (lane IS NOT NULL))
  CREATE INDEX webhook_tasks_open ON webhook_tasks USING btree (tenant_id, key, delivery_id) WHERE (state = ANY (ARRAY['waiting'::text, 'handling'::text]))
  CREATE UNIQUE INDEX webhook_tasks_pkey ON webhook_tasks USING btree (tenant_id, delivery_id, handler)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table webhook_tokens
  token_hash bytea not null
  tenant_id text not null
  source_id text not null
  hint text not null
  expires_at timestamp with time zone
  created_at timestamp with time zone not null
  constraint webhook_tokens_pkey PRIMARY KEY (token_hash)
  constraint webhook_tokens_source FOREIGN KEY (tenant_id, source_id) REFERENCES webhook_sources(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX webhook_tokens_of_source ON webhook_tokens USING btree (tenant_id, source_id)
  CREATE UNIQUE INDEX webhook_tokens_pkey ON webhook_tokens USING btree (token_hash)
  row security: none
  grant delete,insert,select,update to isthmus_system

table webhook_workers
  owner text not null
  until timestamp with time zone not null
  constraint webhook_workers_pkey PRIMARY KEY (owner)
  CREATE UNIQUE INDEX webhook_workers_pkey ON webhook_workers USING btree (owner)
  row security: none
  grant delete,insert,select,update to isthmus_system

table widget_activities
  tenant_id text not null
  id text not null
  integration_id text not null
  connection_id text not null
  type text not null
  status text not null
  at timestamp with time zone not null
  details jsonb not null
  constraint widget_activities_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX widget_activities_at ON widget_activities USING btree (at)
  CREATE INDEX widget_activities_of ON widget_activities USING btree (integration_id, tenant_id, at)
  CREATE UNIQUE INDEX widget_activities_pkey ON widget_activities USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant
