-- Licences, certificates and granted clinical privileges with their validity. Nobody verifies their own. The ehr
-- module adds the foreign key of document_id.

create table workforce.staff_credentials (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  staff_id uuid not null,
  kind text not null,
  title text not null,
  number text,
  authority text,
  valid_during daterange not null,
  document_id uuid,
  verified_by uuid,
  verified_at timestamptz,
  status text not null default 'submitted',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint staff_credentials_pkey primary key (tenant_id, id),
  constraint staff_credentials_not_overlapping exclude using gist (
    tenant_id with =, staff_id with =, kind with =, title with =, valid_during with &&
  ) where (status = 'verified'),
  constraint staff_credentials_kind_check check (
    kind in ('registration', 'degree', 'certificate', 'privilege', 'immunisation', 'training')
  ),
  constraint staff_credentials_status_check check (
    status in ('submitted', 'verified', 'rejected', 'expired', 'revoked')
  ),
  constraint staff_credentials_verified_by_another check (
    status <> 'verified' or (verified_by is not null and verified_by <> staff_id and verified_at is not null)
  ),
  constraint staff_credentials_valid_during_not_empty check (not isempty(valid_during))
);

alter table workforce.staff_credentials add constraint staff_credentials_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table workforce.staff_credentials add constraint staff_credentials_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);
alter table workforce.staff_credentials add constraint staff_credentials_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);

create index staff_credentials_staff_idx on workforce.staff_credentials (tenant_id, staff_id);
create index staff_credentials_verified_by_idx on workforce.staff_credentials (tenant_id, verified_by)
  where verified_by is not null;

comment on table workforce.staff_credentials is 'class=pii;scope=tenant;owner=business;fhir=Practitioner.qualification;retention=medical_record;about=Licences, certificates and granted clinical privileges with validity and verification.';
comment on column workforce.staff_credentials.staff_id is 'class=pii;about=Whose credential it is.';
comment on column workforce.staff_credentials.kind is 'class=pii;about=registration, degree, certificate, privilege, immunisation or training.';
comment on column workforce.staff_credentials.title is 'class=pii;about=What it is called.';
comment on column workforce.staff_credentials.number is 'class=pii;about=Number printed on it.';
comment on column workforce.staff_credentials.authority is 'class=pii;about=Who issued it.';
comment on column workforce.staff_credentials.valid_during is 'class=pii;about=Days on which it holds; open end when it does not lapse.';
comment on column workforce.staff_credentials.document_id is 'class=pii;about=Scan of it.';
comment on column workforce.staff_credentials.verified_by is 'class=pii;about=Member of staff who checked it at the source; never the holder.';
comment on column workforce.staff_credentials.verified_at is 'class=operational;about=When it was checked.';
comment on column workforce.staff_credentials.status is 'class=operational;about=submitted, verified, rejected, expired or revoked.';
select core.comment_standard_columns('workforce.staff_credentials');

alter table workforce.staff_credentials enable row level security, force row level security;
create policy tenant_isolation on workforce.staff_credentials
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger staff_credentials_touch before update on workforce.staff_credentials
  for each row execute function core.update_updated_at_column('row_version');
create trigger staff_credentials_transition before insert or update of status on workforce.staff_credentials
  for each row execute function core.enforce_transition('workforce.staff_credentials', 'status');
select audit.track('workforce.staff_credentials');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.staff_credentials', '', 'submitted', false, null),
  ('workforce.staff_credentials', 'submitted', 'verified', false, null),
  ('workforce.staff_credentials', 'submitted', 'rejected', true, null),
  ('workforce.staff_credentials', 'verified', 'expired', false, null),
  ('workforce.staff_credentials', 'verified', 'revoked', true, null),
  ('workforce.staff_credentials', 'expired', 'submitted', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.staff_credentials to business_app;
grant select on workforce.staff_credentials to business_ro;
