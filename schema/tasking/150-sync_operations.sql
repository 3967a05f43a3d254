-- tasking.sync_operations: every change that a device made offline, and what became of it. An operation is merged once,
-- however often it is sent. A conflict stays open until a person decides: that is a further row, which resolves it.

create table tasking.sync_operations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  op_id uuid not null,
  node_id text not null,
  user_id uuid not null,
  entity_type text not null,
  entity_id uuid not null,
  patch_enc bytea not null,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  received_at timestamptz not null default now(),
  applied_at timestamptz,
  outcome text not null,
  conflict_fields text[],
  resolved_by uuid,
  resolution text,
  resolves_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint sync_operations_pkey primary key (tenant_id, id),
  constraint sync_operations_merged_once unique (tenant_id, op_id),
  constraint sync_operations_one_per_tick unique (tenant_id, node_id, hlc_physical_us, hlc_logical),
  constraint sync_operations_entity_type_check check (
    entity_type in ('tasks', 'handovers', 'handover_patients', 'emr_verifications')
  ),
  constraint sync_operations_outcome_check check (
    outcome in ('applied', 'duplicate', 'superseded', 'conflict', 'rejected')
  ),
  constraint sync_operations_resolved_once unique (tenant_id, resolves_id),
  constraint sync_operations_node_form check (node_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  constraint sync_operations_clock_not_ahead check (
    hlc_physical_us <= (extract(epoch from received_at) * 1000000)::bigint + 300000000
  ),
  constraint sync_operations_conflict_names_fields check (outcome <> 'conflict' or conflict_fields is not null),
  constraint sync_operations_resolved_by_somebody check (
    num_nulls(resolves_id, resolved_by) in (0, 2) and (resolves_id is null or resolution is not null)
  )
);

alter table tasking.sync_operations add constraint sync_operations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.sync_operations add constraint sync_operations_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
alter table tasking.sync_operations add constraint sync_operations_resolved_by_fkey
  foreign key (tenant_id, resolved_by) references auth.users (tenant_id, id);

alter table tasking.sync_operations add constraint sync_operations_resolves_fkey
  foreign key (tenant_id, resolves_id) references tasking.sync_operations (tenant_id, id);

create index sync_operations_entity_idx on tasking.sync_operations (tenant_id, entity_id);
create index sync_operations_open_conflicts_idx on tasking.sync_operations (tenant_id, received_at)
  where outcome = 'conflict';
create index sync_operations_user_idx on tasking.sync_operations (tenant_id, user_id);
create index sync_operations_resolved_by_idx on tasking.sync_operations (tenant_id, resolved_by)
  where resolved_by is not null;

comment on table tasking.sync_operations is 'class=phi;scope=tenant;owner=business;fhir=Provenance;retention=medical_record;append_only=1;about=Log of changes made offline: what was sent, how it merged, what conflicted.';
comment on column tasking.sync_operations.op_id is 'class=operational;about=Id that the device gave the operation.';
comment on column tasking.sync_operations.node_id is 'class=operational;about=The device.';
comment on column tasking.sync_operations.user_id is 'class=operational;about=The user who was signed in when it was sent.';
comment on column tasking.sync_operations.entity_type is 'class=operational;about=tasks, handovers, handover_patients or emr_verifications.';
comment on column tasking.sync_operations.entity_id is 'class=phi;about=The row that it changes.';
comment on column tasking.sync_operations.patch_enc is 'class=phi;enc=1;about=The fields and values that were sent, encrypted: what loses is still there.';
comment on column tasking.sync_operations.vector_clock is 'class=operational;about=What the device had seen of the row, its own write included.';
comment on column tasking.sync_operations.hlc_physical_us is 'class=operational;about=Clock of the device: microseconds since 1970, at most five minutes ahead.';
comment on column tasking.sync_operations.hlc_logical is 'class=operational;about=Clock of the device: counter inside one microsecond.';
comment on column tasking.sync_operations.received_at is 'class=operational;about=When the server got it.';
comment on column tasking.sync_operations.applied_at is 'class=operational;about=When a field of it was written.';
comment on column tasking.sync_operations.outcome is 'class=operational;about=applied (a field at least), duplicate (nothing new), superseded (later writes stand), conflict (a person decides) or rejected (not to be changed offline).';
comment on column tasking.sync_operations.conflict_fields is 'class=operational;about=Fields that a person decides, or that were rejected.';
comment on column tasking.sync_operations.resolved_by is 'class=operational;about=The user who decided the conflict that resolves_id names.';
comment on column tasking.sync_operations.resolution is 'class=operational;about=What was decided and why, or why it was rejected.';
comment on column tasking.sync_operations.resolves_id is 'class=operational;about=The conflict that this row decides.';
select core.comment_standard_columns('tasking.sync_operations');

alter table tasking.sync_operations enable row level security, force row level security;
create policy tenant_isolation on tasking.sync_operations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger sync_operations_append_only before update or delete on tasking.sync_operations
  for each row execute function core.refuse_change();
create trigger sync_operations_no_truncate before truncate on tasking.sync_operations
  for each statement execute function core.refuse_change();
select audit.track('tasking.sync_operations');

grant select on tasking.sync_operations to business_app;
grant select on tasking.sync_operations to business_ro;
