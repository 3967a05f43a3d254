-- blood_bank.patient_blood_groups: what each sample of a patient said about the blood group.
--
-- A group counts only when two samples that were taken independently agree (state confirmed). A sample that disagrees
-- makes every row of the patient that it contradicts discrepant (trigger patient_blood_groups_compared), and until a
-- person has resolved that the group is unconfirmed: O red cells and AB plasma only.

create table blood_bank.patient_blood_groups (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  abo text not null,
  rhd text not null,
  antibody_screen text not null,
  antibodies text[] not null default '{}',
  sample_id uuid not null,
  tested_at timestamptz not null default now(),
  tested_by uuid not null,
  verified_by uuid,
  discrepancy_note text,
  status text not null default 'first_sample',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint patient_blood_groups_pkey primary key (tenant_id, id),
  constraint patient_blood_groups_patient_sample_key unique (tenant_id, patient_id, sample_id),
  constraint patient_blood_groups_abo_check check (abo in ('A', 'B', 'AB', 'O')),
  constraint patient_blood_groups_rhd_check check (rhd in ('pos', 'neg', 'weak')),
  constraint patient_blood_groups_antibody_screen_check check (
    antibody_screen in ('negative', 'positive', 'not_done')
  ),
  constraint patient_blood_groups_status_check check (
    status in ('first_sample', 'confirmed', 'discrepant', 'rejected')
  ),
  constraint patient_blood_groups_confirmed_by_second_person check (
    status <> 'confirmed' or (verified_by is not null and verified_by <> tested_by)
  ),
  constraint patient_blood_groups_rejected_with_note check (status <> 'rejected' or discrepancy_note is not null),
  constraint patient_blood_groups_antibodies_of_positive_screen check (
    antibodies = '{}' or antibody_screen = 'positive'
  )
);

alter table blood_bank.patient_blood_groups add constraint patient_blood_groups_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.patient_blood_groups add constraint patient_blood_groups_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table blood_bank.patient_blood_groups add constraint patient_blood_groups_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table blood_bank.patient_blood_groups add constraint patient_blood_groups_tested_by_fkey
  foreign key (tenant_id, tested_by) references workforce.staff (tenant_id, id);
alter table blood_bank.patient_blood_groups add constraint patient_blood_groups_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);

create index patient_blood_groups_discrepant_idx on blood_bank.patient_blood_groups (tenant_id, tested_at)
  where status = 'discrepant';
create index patient_blood_groups_sample_idx on blood_bank.patient_blood_groups (tenant_id, sample_id);
create index patient_blood_groups_tested_by_idx on blood_bank.patient_blood_groups (tenant_id, tested_by);
create index patient_blood_groups_verified_by_idx on blood_bank.patient_blood_groups (tenant_id, verified_by)
  where verified_by is not null;

comment on table blood_bank.patient_blood_groups is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Confirmed recipient group: two independent samples before group-specific issue.';
comment on column blood_bank.patient_blood_groups.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.patient_blood_groups.abo is 'class=phi;about=A, B, AB or O.';
comment on column blood_bank.patient_blood_groups.rhd is 'class=phi;about=pos, neg or weak; weak counts as negative for a recipient.';
comment on column blood_bank.patient_blood_groups.antibody_screen is 'class=phi;about=negative, positive or not_done.';
comment on column blood_bank.patient_blood_groups.antibodies is 'class=phi;about=Antibodies that were identified, such as anti-K.';
comment on column blood_bank.patient_blood_groups.sample_id is 'class=phi;about=Sample that was tested.';
comment on column blood_bank.patient_blood_groups.tested_at is 'class=phi;about=When it was tested.';
comment on column blood_bank.patient_blood_groups.tested_by is 'class=operational;about=Member of staff who tested.';
comment on column blood_bank.patient_blood_groups.verified_by is 'class=operational;about=Second member of staff who confirmed or resolved.';
comment on column blood_bank.patient_blood_groups.discrepancy_note is 'class=phi;about=How a discrepancy was resolved.';
comment on column blood_bank.patient_blood_groups.status is 'class=phi;about=first_sample, confirmed (a second sample agrees), discrepant (samples disagree) or rejected (found wrong, such as blood of somebody else in the tube).';
select core.comment_standard_columns('blood_bank.patient_blood_groups');

alter table blood_bank.patient_blood_groups enable row level security, force row level security;
create policy tenant_isolation on blood_bank.patient_blood_groups
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patient_blood_groups_compared before insert on blood_bank.patient_blood_groups
  for each row execute function blood_bank.compare_blood_groups();
create trigger patient_blood_groups_touch before update on blood_bank.patient_blood_groups
  for each row execute function core.update_updated_at_column('row_version');
create trigger patient_blood_groups_transition before insert or update of status on blood_bank.patient_blood_groups
  for each row execute function core.enforce_transition('blood_bank.patient_blood_groups', 'status');
select audit.track('blood_bank.patient_blood_groups');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.patient_blood_groups', '', 'first_sample', false, null),
  ('blood_bank.patient_blood_groups', '', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'first_sample', 'confirmed', false, null),
  ('blood_bank.patient_blood_groups', 'first_sample', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'confirmed', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'confirmed', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'first_sample', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'rejected', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.patient_blood_groups to lab_app;
grant select on blood_bank.patient_blood_groups to lab_ro;
