-- fhir.value_sets: closed lists of codes that are data, because a circular may change them: HI types, workflow codes.
--
-- A tenant's active value set hides the shared one of the same URL. Versions are drafted, activated and retired; one
-- version is active, and its members no longer change. Rows come from fhir.save_value_set and fhir.activate_value_set.

create table fhir.value_sets (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null,
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
  constraint value_sets_status_known check (status in ('draft', 'active', 'retired')),
  constraint value_sets_url_is_uri check (url ~ '^(https?|urn):[^ ]+$'),
  constraint value_sets_compose_is_object check (jsonb_typeof(compose) = 'object')
);

alter table fhir.value_sets add constraint value_sets_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index value_sets_one_active_version on fhir.value_sets (tenant_id, url) nulls not distinct
  where status = 'active';

comment on table fhir.value_sets is 'class=reference;scope=shared;owner=fhir;fhir=ValueSet;retention=reference;about=Closed lists of codes that columns are checked against.';
comment on column fhir.value_sets.url is 'class=reference;about=Canonical URI; columns are bound to it, not to a version.';
comment on column fhir.value_sets.version is 'class=reference;about=Version, any text.';
comment on column fhir.value_sets.name is 'class=reference;about=Name to show.';
comment on column fhir.value_sets.compose is 'class=reference;about=How the members were chosen, as FHIR ValueSet.compose, where somebody wrote it down.';
comment on column fhir.value_sets.bound_to is 'class=reference;about=Columns that are checked against it, as schema.table.column, for the reader.';
comment on column fhir.value_sets.status is 'class=reference;about=draft, active or retired.';
select core.comment_standard_columns('fhir.value_sets');

alter table fhir.value_sets enable row level security, force row level security;
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

grant select on fhir.value_sets to fhir_app;
grant select on fhir.value_sets to fhir_ro;
