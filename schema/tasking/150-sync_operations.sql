-- tasking.sync_operations: Operation log of offline replicas: what was sent, how it merged, what conflicted.

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
  received_at timestamptz not null,
  applied_at timestamptz,
  outcome text not null,
  conflict_fields text[],
  resolved_by uuid,
  resolution text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint sync_operations_pkey primary key (tenant_id, id),
  constraint sync_operations_op_key unique (tenant_id, op_id),
  constraint sync_operations_node_hlc_physical_us_key unique (tenant_id, node_id, hlc_physical_us, hlc_logical),
  constraint sync_operations_entity_type_check check (
    entity_type in ('tasks', 'handovers', 'handover_patients', 'emr_verifications')
  ),
  constraint sync_operations_outcome_check check (
    outcome in ('applied', 'duplicate', 'superseded', 'conflict', 'rejected')
  ),
  constraint sync_operations_hlc_physical_us_rule check (
    hlc_physical_us <= (extract(epoch from received_at)*1000000)::bigint + 300000000
  ),
  constraint sync_operations_conflict_complete check (outcome <> 'conflict' or conflict_fields is not null)
);

alter table tasking.sync_operations add constraint sync_operations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table tasking.sync_operations add constraint sync_operations_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
alter table tasking.sync_operations add constraint sync_operations_resolved_by_fkey
  foreign key (tenant_id, resolved_by) references auth.users (tenant_id, id);

create index sync_operations_user_idx on tasking.sync_operations (tenant_id, user_id);
create index sync_operations_resolved_by_idx on tasking.sync_operations (tenant_id, resolved_by)
  where resolved_by is not null;

comment on table tasking.sync_operations is 'class=phi;scope=tenant;owner=business;fhir=Provenance;retention=medical_record;append_only=1;about=Operation log of offline replicas: what was sent, how it merged, what conflicted.';
comment on column tasking.sync_operations.op_id is 'class=phi;about=?';
comment on column tasking.sync_operations.node_id is 'class=phi;about=?';
comment on column tasking.sync_operations.user_id is 'class=phi;about=?';
comment on column tasking.sync_operations.entity_type is 'class=phi;about=?';
comment on column tasking.sync_operations.entity_id is 'class=phi;about=?';
comment on column tasking.sync_operations.patch_enc is 'class=phi;enc=1;about=?';
comment on column tasking.sync_operations.vector_clock is 'class=phi;about=Counter of each node that has written the row.';
comment on column tasking.sync_operations.hlc_physical_us is 'class=phi;about=Hybrid logical clock: physical part, microseconds since 1970.';
comment on column tasking.sync_operations.hlc_logical is 'class=phi;about=Hybrid logical clock: counter inside one microsecond.';
comment on column tasking.sync_operations.received_at is 'class=phi;about=?';
comment on column tasking.sync_operations.applied_at is 'class=phi;about=?';
comment on column tasking.sync_operations.outcome is 'class=phi;about=?';
comment on column tasking.sync_operations.conflict_fields is 'class=phi;about=?';
comment on column tasking.sync_operations.resolved_by is 'class=phi;about=?';
comment on column tasking.sync_operations.resolution is 'class=phi;about=?';
select core.comment_standard_columns('tasking.sync_operations');

alter table tasking.sync_operations enable row level security;
alter table tasking.sync_operations force row level security;
create policy tenant_isolation on tasking.sync_operations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger sync_operations_append_only before update or delete on tasking.sync_operations
  for each row execute function core.refuse_change();
create trigger sync_operations_no_truncate before truncate on tasking.sync_operations
  for each statement execute function core.refuse_change();
select audit.track('tasking.sync_operations');

grant select, insert on tasking.sync_operations to business_app;
grant select on tasking.sync_operations to business_ro;
