-- fhir.value_set_members: the codes of a value set, written out one by one for fast checks. Members change while their
-- value set is a draft, and never again.

create table fhir.value_set_members (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  value_set_id uuid not null,
  system text not null,
  code text not null,
  display text not null,
  seq integer not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint value_set_members_pkey primary key (id),
  constraint value_set_members_code_key unique nulls not distinct (tenant_id, value_set_id, system, code),
  constraint value_set_members_code_not_empty check (code <> ''),
  constraint value_set_members_snomed_check_digit check (system <> 'http://snomed.info/sct' or core.valid_sctid(code)),
  constraint value_set_members_loinc_check_digit check (
    system <> 'http://loinc.org' or code ~ '^(LP|LA|LL|LG)' or core.valid_loinc(code)
  )
);

alter table fhir.value_set_members add constraint value_set_members_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table fhir.value_set_members add constraint value_set_members_value_set_fkey
  foreign key (value_set_id) references fhir.value_sets (id) on delete cascade;

create index value_set_members_value_set_idx on fhir.value_set_members (value_set_id, tenant_id);
comment on index fhir.value_set_members_value_set_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table fhir.value_set_members is 'class=reference;scope=shared;owner=fhir;fhir=ValueSet.expansion;retention=reference;about=The codes of a value set.';
comment on column fhir.value_set_members.value_set_id is 'class=reference;about=The value set.';
comment on column fhir.value_set_members.system is 'class=reference;about=URI of the code system that the code belongs to.';
comment on column fhir.value_set_members.code is 'class=reference;about=The code.';
comment on column fhir.value_set_members.display is 'class=reference;about=Text to show.';
comment on column fhir.value_set_members.seq is 'class=reference;about=Place in the list, from 1.';
select core.comment_standard_columns('fhir.value_set_members');

alter table fhir.value_set_members enable row level security, force row level security;
create policy tenant_isolation on fhir.value_set_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on fhir.value_set_members for select using (tenant_id is null);

create trigger value_set_members_of_draft before insert or update or delete on fhir.value_set_members
  for each row execute function fhir.check_draft_members();
create trigger value_set_members_touch before update on fhir.value_set_members
  for each row execute function core.update_updated_at_column();
create trigger value_set_members_value_set_visible before insert or update of value_set_id on fhir.value_set_members
  for each row execute function core.check_shared_reference('value_set_id', 'fhir.value_sets');

grant select on fhir.value_set_members to fhir_app;
grant select on fhir.value_set_members to fhir_ro;
