-- compliance.breach_affected_persons: whose data a breach touched, and when each was told. A notice that came back told nobody.

create table compliance.breach_affected_persons (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  breach_id uuid not null,
  patient_id uuid,
  person_ref text,
  data_categories text[] not null default '{}',
  notification_id uuid,
  notified_at timestamptz,
  returned boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint breach_affected_persons_pkey primary key (tenant_id, id),
  constraint breach_affected_persons_patient_once unique (tenant_id, breach_id, patient_id),
  constraint breach_affected_persons_name_somebody check (num_nonnulls(patient_id, person_ref) >= 1),
  constraint breach_affected_persons_returned_told_nobody check (not returned or notified_at is null)
);

alter table compliance.breach_affected_persons add constraint breach_affected_persons_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.breach_affected_persons add constraint breach_affected_persons_breach_fkey
  foreign key (tenant_id, breach_id) references compliance.breaches (tenant_id, id);
alter table compliance.breach_affected_persons add constraint breach_affected_persons_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table compliance.breach_affected_persons add constraint breach_affected_persons_notification_fkey
  foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);

create unique index breach_affected_persons_person_once on compliance.breach_affected_persons (tenant_id, breach_id, person_ref)
  where patient_id is null;
create index breach_affected_persons_to_tell_idx on compliance.breach_affected_persons (tenant_id, breach_id)
  where notified_at is null;
create index breach_affected_persons_patient_idx on compliance.breach_affected_persons (tenant_id, patient_id)
  where patient_id is not null;
create index breach_affected_persons_notification_idx on compliance.breach_affected_persons (tenant_id, notification_id)
  where notification_id is not null;

comment on table compliance.breach_affected_persons is 'class=phi;scope=tenant;owner=business;fhir=Communication;retention=medical_record;about=Who was affected by a breach, and when each was told.';
comment on column compliance.breach_affected_persons.breach_id is 'class=operational;about=The breach.';
comment on column compliance.breach_affected_persons.patient_id is 'class=phi;about=The patient, when it is one.';
comment on column compliance.breach_affected_persons.person_ref is 'class=pii;about=Somebody else, by the number that the hospital knows them by (employee code, case number).';
comment on column compliance.breach_affected_persons.data_categories is 'class=operational;about=Kinds of their data.';
comment on column compliance.breach_affected_persons.notification_id is 'class=operational;about=The message that told them.';
comment on column compliance.breach_affected_persons.notified_at is 'class=operational;about=When they were told.';
comment on column compliance.breach_affected_persons.returned is 'class=operational;about=The notice came back: tell them in another way.';
select core.comment_standard_columns('compliance.breach_affected_persons');

alter table compliance.breach_affected_persons enable row level security, force row level security;
create policy tenant_isolation on compliance.breach_affected_persons
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger breach_affected_persons_no_aadhaar before insert or update of person_ref on compliance.breach_affected_persons
  for each row execute function core.reject_aadhaar_like('person_ref');
create trigger breach_affected_persons_touch before update on compliance.breach_affected_persons
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('compliance.breach_affected_persons');

grant select on compliance.breach_affected_persons to business_app;
grant select on compliance.breach_affected_persons to business_ro;
