-- interop.mapping_rules: Field and code mappings per endpoint and message type.

create table interop.mapping_rules (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  endpoint_id uuid,
  message_type text not null,
  trigger_event text,
  target_table text not null,
  version integer not null default 1,
  mapping jsonb not null default '{}',
  code_map jsonb,
  test_messages jsonb not null default '{}',
  approved_by uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint mapping_rules_pkey primary key (id),
  constraint mapping_rules_endpoint_message_type_key unique nulls not distinct (tenant_id, endpoint_id, message_type, trigger_event, target_table, version),
  constraint mapping_rules_status_check check (status in ('draft', 'active', 'retired')),
  constraint mapping_rules_active_complete check (status <> 'active' or jsonb_array_length(test_messages) > 0)
);

alter table interop.mapping_rules add constraint mapping_rules_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table interop.mapping_rules add constraint mapping_rules_endpoint_fkey
  foreign key (tenant_id, endpoint_id) references interop.endpoints (tenant_id, id);

comment on table interop.mapping_rules is 'class=reference;scope=shared;owner=interop;fhir=StructureMap;retention=reference;about=Field and code mappings per endpoint and message type.';
comment on column interop.mapping_rules.endpoint_id is 'class=reference;about=?';
comment on column interop.mapping_rules.message_type is 'class=reference;about=?';
comment on column interop.mapping_rules.trigger_event is 'class=reference;about=?';
comment on column interop.mapping_rules.target_table is 'class=reference;about=?';
comment on column interop.mapping_rules.version is 'class=reference;about=?';
comment on column interop.mapping_rules.mapping is 'class=reference;about=?';
comment on column interop.mapping_rules.code_map is 'class=reference;about=?';
comment on column interop.mapping_rules.test_messages is 'class=reference;about=?';
comment on column interop.mapping_rules.approved_by is 'class=reference;about=?';
comment on column interop.mapping_rules.status is 'class=reference;about=?';
select core.comment_standard_columns('interop.mapping_rules');

alter table interop.mapping_rules enable row level security;
alter table interop.mapping_rules force row level security;
create policy tenant_isolation on interop.mapping_rules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on interop.mapping_rules for select using (tenant_id is null);

create trigger mapping_rules_touch before update on interop.mapping_rules
  for each row execute function core.update_updated_at_column('row_version');
create trigger mapping_rules_transition before insert or update of status on interop.mapping_rules
  for each row execute function core.enforce_transition('interop.mapping_rules', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('interop.mapping_rules', '', 'draft', false, null),
  ('interop.mapping_rules', 'draft', 'active', false, null),
  ('interop.mapping_rules', 'draft', 'retired', false, null),
  ('interop.mapping_rules', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on interop.mapping_rules to interop_app;
grant select on interop.mapping_rules to interop_ro;
