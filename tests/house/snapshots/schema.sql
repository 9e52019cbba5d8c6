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
  constraint bus_cursors_pkey PRIMARY KEY (listener)
  CREATE UNIQUE INDEX bus_cursors_pkey ON bus_cursors USING btree (listener)
  row security: none
  grant delete,insert,select,update to isthmus_system

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
  constraint connections_pkey PRIMARY KEY (tenant_id, id)
  constraint connections_tenant_id_integration_id_fkey FOREIGN KEY (tenant_id, integration_id) REFERENCES integrations(tenant_id, id)
  CREATE INDEX connections_integration ON connections USING btree (tenant_id, integration_id)
  CREATE UNIQUE INDEX connections_account ON connections USING btree (tenant_id, provider, external_account_id)
  CREATE UNIQUE INDEX connections_pkey ON connections USING btree (tenant_id, id)
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
  constraint events_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX events_audited_idx ON events USING btree (tenant_id, id) WHERE audited
  CREATE INDEX events_tenant_id_xid_id_idx ON events USING btree (tenant_id, xid, id)
  CREATE INDEX events_xid_id_idx ON events USING btree (xid, id)
  CREATE UNIQUE INDEX events_pkey ON events USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant insert,select to isthmus_system
  grant insert,select to isthmus_tenant

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

table integrations
  tenant_id text not null
  id text not null
  provider text not null
  name text not null
  settings jsonb not null default '{}'::jsonb
  status text not null
  created_at timestamp with time zone not null
  updated_at timestamp with time zone not null
  constraint integrations_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX integrations_pkey ON integrations USING btree (tenant_id, id)
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
  constraint listings_external UNIQUE (tenant_id, connection_id, external_id)
  constraint listings_pkey PRIMARY KEY (tenant_id, id)
  constraint listings_product FOREIGN KEY (tenant_id, product_id) REFERENCES products(tenant_id, id)
  CREATE INDEX listings_of_product ON listings USING btree (product_id, tenant_id)
  CREATE INDEX listings_updated ON listings USING btree (updated_at)
  CREATE UNIQUE INDEX listings_external ON listings USING btree (tenant_id, connection_id, external_id)
  CREATE UNIQUE INDEX listings_pkey ON listings USING btree (tenant_id, id)
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

table sessions
  tenant_id text not null
  id text not null
  user_id text not null
  digest bytea not null
  created_at timestamp with time zone not null
  seen_at timestamp with time zone not null
  ends_at timestamp with time zone not null
  constraint sessions_digest_key UNIQUE (digest)
  constraint sessions_pkey PRIMARY KEY (tenant_id, id)
  constraint sessions_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE
  CREATE INDEX sessions_user_idx ON sessions USING btree (tenant_id, user_id)
  CREATE UNIQUE INDEX sessions_digest_key ON sessions USING btree (digest)
  CREATE UNIQUE INDEX sessions_pkey ON sessions USING btree (tenant_id, id)
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
  CREATE UNIQUE INDEX sign_in_failures_pkey ON sign_in_failures USING btree (tenant_id, id)
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
  constraint sync_runs_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX sync_runs_changed ON sync_runs USING btree (changed_at)
  CREATE INDEX sync_runs_connection ON sync_runs USING btree (connection_id, entity, id)
  CREATE INDEX sync_runs_stalled ON sync_runs USING btree (lease_until) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text, 'cancelling'::text]))
  CREATE UNIQUE INDEX sync_runs_live ON sync_runs USING btree (tenant_id, connection_id, entity) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text, 'cancelling'::text]))
  CREATE UNIQUE INDEX sync_runs_pkey ON sync_runs USING btree (tenant_id, id)
  row security: forced
  policy system for isthmus_system: using true check true
  policy tenant for isthmus_tenant: using (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text) check (tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)
  grant delete,insert,select,update to isthmus_system
  grant delete,insert,select,update to isthmus_tenant

table tenants
  id text not null
  name text not null
  slug text not null
  status text not null
  created_at timestamp with time zone not null
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
  constraint users_invitation_key UNIQUE (invitation)
  constraint users_pkey PRIMARY KEY (tenant_id, id)
  constraint users_tenant_id_email_key UNIQUE (tenant_id, email)
  CREATE UNIQUE INDEX users_invitation_key ON users USING btree (invitation)
  CREATE UNIQUE INDEX users_pkey ON users USING btree (tenant_id, id)
  CREATE UNIQUE INDEX users_tenant_id_email_key ON users USING btree (tenant_id, email)
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

table webhook_attempts
  tenant_id text not null
  delivery_id text not null
  id text not null
  trigger text not null
  at timestamp with time zone not null
  url text not null
  request_headers jsonb not null
  status integer
  response_headers jsonb
  response bytea
  duration_ms integer
  error text
  constraint webhook_attempts_pkey PRIMARY KEY (tenant_id, delivery_id, id)
  CREATE UNIQUE INDEX webhook_attempts_pkey ON webhook_attempts USING btree (tenant_id, delivery_id, id)
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
  constraint webhook_endpoints_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_endpoints_pkey ON webhook_endpoints USING btree (tenant_id, id)
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
  constraint webhook_event_types_pkey PRIMARY KEY (tenant_id, id)
  CREATE UNIQUE INDEX webhook_event_types_pkey ON webhook_event_types USING btree (tenant_id, id)
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
  lease_until timestamp with time zone
  reason text
  run_id text
  replays integer not null default 0
  done_at timestamp with time zone
  constraint webhook_inbox_pkey PRIMARY KEY (tenant_id, id)
  CREATE INDEX webhook_inbox_connection ON webhook_inbox USING btree (connection_id, id)
  CREATE INDEX webhook_inbox_due ON webhook_inbox USING btree (next_at) WHERE (state = ANY (ARRAY['waiting'::text, 'handling'::text]))
  CREATE INDEX webhook_inbox_received ON webhook_inbox USING btree (source_id, id) WHERE (state = 'received'::text)
  CREATE UNIQUE INDEX webhook_inbox_pkey ON webhook_inbox USING btree (tenant_id, id)
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

table webhook_secrets
  tenant_id text not null
  id text not null
  source_id text not null
  sealed bytea not null
  expires_at timestamp with time zone
  created_at timestamp with time zone not null
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
  CREATE UNIQUE INDEX webhook_steps_pkey ON webhook_steps USING btree (tenant_id, delivery_id, id)
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
