-- interop.mapping_rules: how the fields and codes of a message become columns. Shared rules (without a tenant) are
-- templates; a tenant's own come first.
--
-- A rule proves itself before it is used: activation runs its test messages, needs a second person, and retires the
-- version before it. Active rules are never edited: make the next version.

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
  test_messages jsonb not null default '[]',
  approved_by uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint mapping_rules_pkey primary key (id),
  constraint mapping_rules_version_key unique nulls not distinct (tenant_id, endpoint_id, message_type, trigger_event, target_table, version),
  constraint mapping_rules_status_check check (status in ('draft', 'active', 'retired')),
  constraint mapping_rules_active_has_tests check (status <> 'active' or jsonb_array_length(test_messages) > 0),
  constraint mapping_rules_maps_an_object check (
    jsonb_typeof(mapping) = 'object' and coalesce(jsonb_typeof(code_map), 'object') = 'object'
  ),
  constraint mapping_rules_tests_are_a_list check (jsonb_typeof(test_messages) = 'array'),
  constraint mapping_rules_type_format check (message_type ~ '^[A-Z0-9]{3}$' and trigger_event ~ '^[A-Z][0-9]{2}$'),
  constraint mapping_rules_target_is_qualified check (target_table ~ '^[a-z_]+\.[a-z_]+$'),
  constraint mapping_rules_of_endpoint_is_of_tenant check (endpoint_id is null or tenant_id is not null),
  constraint mapping_rules_version_from_one check (version >= 1)
);

alter table interop.mapping_rules add constraint mapping_rules_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table interop.mapping_rules add constraint mapping_rules_endpoint_fkey
  foreign key (tenant_id, endpoint_id) references interop.endpoints (tenant_id, id);

create unique index mapping_rules_active_key
  on interop.mapping_rules (tenant_id, endpoint_id, message_type, trigger_event, target_table) nulls not distinct
  where status = 'active';
create index mapping_rules_endpoint_idx on interop.mapping_rules (tenant_id, endpoint_id) where endpoint_id is not null;

comment on table interop.mapping_rules is 'class=reference;scope=shared;owner=interop;fhir=StructureMap;retention=reference;about=Field and code mappings per endpoint and message type.';
comment on column interop.mapping_rules.endpoint_id is 'class=reference;about=Interface that the rule is for; null is for all.';
comment on column interop.mapping_rules.message_type is 'class=reference;about=MSH-9.1, such as ORU.';
comment on column interop.mapping_rules.trigger_event is 'class=reference;about=MSH-9.2, such as R01; null is for all events of the type.';
comment on column interop.mapping_rules.target_table is 'class=reference;about=Table that the columns are of, with its schema.';
comment on column interop.mapping_rules.version is 'class=reference;about=Counts up; one version of a rule is active.';
comment on column interop.mapping_rules.mapping is 'class=reference;about=Column to source: {"birth_date": "PID-7"}, or a fixed value: {"source": {"value": "hl7"}}.';
comment on column interop.mapping_rules.code_map is 'class=reference;about=Column to codes: {"sex": {"M": "male", "F": "female"}}.';
comment on column interop.mapping_rules.test_messages is 'class=reference;about=Made-up messages and what they must become: [{"message": {"PID-8": "F"}, "expect": {"sex": "female"}}]. Never of real people.';
comment on column interop.mapping_rules.approved_by is 'class=reference;about=User who activated the rule, not its author.';
comment on column interop.mapping_rules.status is 'class=reference;about=draft, active or retired.';
select core.comment_standard_columns('interop.mapping_rules');

alter table interop.mapping_rules enable row level security, force row level security;
create policy tenant_isolation on interop.mapping_rules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on interop.mapping_rules for select using (tenant_id is null);

create trigger mapping_rules_edited_as_draft before update of mapping, code_map, test_messages, target_table on interop.mapping_rules
  for each row when (old.status <> 'draft') execute function interop.refuse_edit();
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

grant select on interop.mapping_rules to interop_app;
grant insert (tenant_id, id, endpoint_id, message_type, trigger_event, target_table, version, mapping, code_map, test_messages)
  on interop.mapping_rules to interop_app;
grant update (mapping, code_map, test_messages, row_version) on interop.mapping_rules to interop_app;
grant select on interop.mapping_rules to interop_ro;
