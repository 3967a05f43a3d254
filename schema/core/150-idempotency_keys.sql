-- core.idempotency_keys: the outcome of an operation by its key: HTTP retries and event consumers in one place.
-- The unique key is the lock: one caller wins, the others wait for its commit and read its answer.

create table core.idempotency_keys (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  operation text not null,
  key text not null,
  request_hash bytea not null,
  status text not null default 'in_progress',
  response jsonb,
  error_code text,
  locked_until timestamptz not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint idempotency_keys_pkey primary key (tenant_id, id),
  constraint idempotency_keys_key_key unique (tenant_id, operation, key),
  constraint idempotency_keys_key_length check (length(key) between 8 and 200),
  constraint idempotency_keys_status_known check (status in ('in_progress', 'succeeded', 'failed')),
  constraint idempotency_keys_answered check (status <> 'succeeded' or response is not null)
);

alter table core.idempotency_keys add constraint idempotency_keys_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create index idempotency_keys_expires_idx on core.idempotency_keys (tenant_id, expires_at);

comment on table core.idempotency_keys is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=What an operation answered to a key, so that a retry gets the same answer.';
comment on column core.idempotency_keys.operation is 'class=operational;about=Name of the operation, or consume:<consumer> for an event.';
comment on column core.idempotency_keys.key is 'class=operational;about=Key that the caller chose, 8 to 200 characters.';
comment on column core.idempotency_keys.request_hash is 'class=operational;about=SHA-256 of the request; the same key with other content is refused (IM011).';
comment on column core.idempotency_keys.status is 'class=operational;about=in_progress, succeeded or failed.';
comment on column core.idempotency_keys.response is 'class=operational;about=The answer, ids only.';
comment on column core.idempotency_keys.error_code is 'class=operational;about=SQLSTATE of a failure.';
comment on column core.idempotency_keys.locked_until is 'class=operational;about=Until then the first caller is taken to be alive.';
comment on column core.idempotency_keys.expires_at is 'class=operational;about=When the row may be removed.';

select core.comment_standard_columns('core.idempotency_keys');

alter table core.idempotency_keys enable row level security, force row level security;

create policy tenant_isolation on core.idempotency_keys
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger idempotency_keys_touch before update on core.idempotency_keys
  for each row execute function core.update_updated_at_column();

create trigger idempotency_keys_transition before insert or update of status on core.idempotency_keys
  for each row execute function core.enforce_transition('core.idempotency_keys', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.idempotency_keys', '', 'in_progress'),
  ('core.idempotency_keys', 'in_progress', 'succeeded'),
  ('core.idempotency_keys', 'in_progress', 'failed'),
  ('core.idempotency_keys', 'failed', 'in_progress')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.idempotency_keys to kernel_app, kernel_ro;
