-- fhir.value_sets: Value sets bound to columns.

create table fhir.value_sets (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null default 1,
  name text not null,
  compose jsonb not null default '{}',
  bound_to text[] not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint value_sets_pkey primary key (id),
  constraint value_sets_url_version_key unique nulls not distinct (tenant_id, url, version),
  constraint value_sets_status_check check (status in ('draft', 'active', 'retired'))
);

alter table fhir.value_sets add constraint value_sets_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table fhir.value_sets is 'class=reference;scope=shared;owner=fhir;fhir=ValueSet;retention=reference;about=Value sets bound to columns.';
comment on column fhir.value_sets.url is 'class=reference;about=?';
comment on column fhir.value_sets.version is 'class=reference;about=?';
comment on column fhir.value_sets.name is 'class=reference;about=?';
comment on column fhir.value_sets.compose is 'class=reference;about=?';
comment on column fhir.value_sets.bound_to is 'class=reference;about=?';
comment on column fhir.value_sets.status is 'class=reference;about=?';
select core.comment_standard_columns('fhir.value_sets');

alter table fhir.value_sets enable row level security;
alter table fhir.value_sets force row level security;
create policy tenant_isolation on fhir.value_sets
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on fhir.value_sets for select using (tenant_id is null);

create trigger value_sets_touch before update on fhir.value_sets
  for each row execute function core.update_updated_at_column('row_version');
create trigger value_sets_transition before insert or update of status on fhir.value_sets
  for each row execute function core.enforce_transition('fhir.value_sets', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('fhir.value_sets', '', 'draft', false, null),
  ('fhir.value_sets', 'draft', 'active', false, null),
  ('fhir.value_sets', 'draft', 'retired', false, null),
  ('fhir.value_sets', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on fhir.value_sets to fhir_app;
grant select on fhir.value_sets to fhir_ro;
