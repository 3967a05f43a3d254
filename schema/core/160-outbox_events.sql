-- core.outbox_events: events that leave a service, written in the transaction of the change that they tell of.
-- Payloads carry ids and versions, never text about a person. aggregate_seq grows per aggregate because it is taken
-- while the aggregate's row is locked; a relay that reads everything uses (txid, id) behind pg_snapshot_xmin instead.

create sequence core.outbox_events_seq;

create table core.outbox_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  occurred_at timestamptz not null default now(),
  aggregate_type text not null,
  aggregate_id uuid not null,
  aggregate_seq bigint not null default nextval('core.outbox_events_seq'),
  event_type text not null,
  event_version smallint not null,
  payload jsonb not null,
  headers jsonb not null default '{}',
  txid xid8 not null default pg_current_xact_id(),
  available_at timestamptz not null default now(),
  attempts smallint not null default 0,
  locked_by text,
  lock_token uuid,
  locked_until timestamptz,
  published_at timestamptz,
  last_error text,
  status text not null default 'pending',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint outbox_events_pkey primary key (tenant_id, id, occurred_at),
  constraint outbox_events_type_form check (event_type ~ '^[a-z_]+\.[a-z_]+\.v[0-9]+$'),
  constraint outbox_events_payload_size check (octet_length(payload::text) < 262144),
  constraint outbox_events_status_known check (status in ('pending', 'claimed', 'published', 'dead')),
  constraint outbox_events_lock_whole check ((status = 'claimed') = (lock_token is not null))
) partition by range (occurred_at);

create table core.outbox_events_default partition of core.outbox_events default;

create index outbox_events_due_idx on core.outbox_events (tenant_id, available_at) where status in ('pending', 'claimed');

create index outbox_events_unpublished_idx on core.outbox_events (tenant_id, aggregate_type, aggregate_id, aggregate_seq)
  where status <> 'published';

comment on table core.outbox_events is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;partition=day;keep=14d;about=Events that leave a service, written with the change that they tell of.';
comment on column core.outbox_events.occurred_at is 'class=operational;about=When the change was made; days are partitions.';
comment on column core.outbox_events.aggregate_type is 'class=operational;about=Kind of thing the event is about: appointment, patient.';
comment on column core.outbox_events.aggregate_id is 'class=operational;about=Id of that thing.';
comment on column core.outbox_events.aggregate_seq is 'class=operational;about=Order of the events of one aggregate; larger is later.';
comment on column core.outbox_events.event_type is 'class=operational;about=aggregate.verb.vN.';
comment on column core.outbox_events.event_version is 'class=operational;about=N of the type.';
comment on column core.outbox_events.payload is 'class=operational;about=Ids and versions as JSON, never text about a person.';
comment on column core.outbox_events.headers is 'class=operational;about=Correlation id, causation id, trace.';
comment on column core.outbox_events.txid is 'class=operational;about=Transaction that wrote the event; a cursor reads behind the oldest running one.';
comment on column core.outbox_events.available_at is 'class=operational;about=Not before then.';
comment on column core.outbox_events.attempts is 'class=operational;about=How often it was claimed.';
comment on column core.outbox_events.locked_by is 'class=operational;about=Worker that holds it.';
comment on column core.outbox_events.lock_token is 'class=operational;about=Fencing token of the claim; a result with another token is refused (IM850).';
comment on column core.outbox_events.locked_until is 'class=operational;about=End of the lease; then it may be claimed again.';
comment on column core.outbox_events.published_at is 'class=operational;about=When the transport took it.';
comment on column core.outbox_events.last_error is 'class=operational;about=Why the last attempt failed.';
comment on column core.outbox_events.status is 'class=operational;about=pending, claimed, published or dead.';

select core.comment_standard_columns('core.outbox_events');

alter table core.outbox_events enable row level security, force row level security;

create policy tenant_isolation on core.outbox_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table core.outbox_events_default enable row level security, force row level security;

create policy tenant_isolation on core.outbox_events_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger outbox_events_touch before update on core.outbox_events
  for each row execute function core.update_updated_at_column();

create trigger outbox_events_transition before insert or update of status on core.outbox_events
  for each row execute function core.enforce_transition('core.outbox_events', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.outbox_events', '', 'pending'),
  ('core.outbox_events', 'pending', 'claimed'),
  ('core.outbox_events', 'claimed', 'published'),
  ('core.outbox_events', 'claimed', 'pending'),
  ('core.outbox_events', 'claimed', 'dead'),
  ('core.outbox_events', 'dead', 'pending')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.outbox_events to kernel_app, kernel_ro;
