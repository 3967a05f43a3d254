-- Duplicate candidates, merges and un-merges. One person proposes, another approves. moved_rows lists every row that a
-- merge moved, so that it can be taken back: identifiers [{id, was_primary}], contacts [id], related_contacts [id],
-- redirected [id], portal_user_id.

create table patient.patient_merges (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  survivor_id uuid not null,
  duplicate_id uuid not null,
  match_score numeric(5,4) not null default 0,
  match_reasons text[] not null default '{}',
  moved_rows jsonb not null default '{}',
  requested_by uuid not null,
  approved_by uuid,
  executed_at timestamptz,
  reversed_at timestamptz,
  reason text not null,
  status text not null default 'proposed',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint patient_merges_pkey primary key (tenant_id, id),
  constraint patient_merges_status_check check (status in ('proposed', 'approved', 'merged', 'reversed', 'dismissed')),
  constraint patient_merges_two_patients check (survivor_id <> duplicate_id),
  constraint patient_merges_approved_by_another check (approved_by is null or approved_by <> requested_by),
  constraint patient_merges_score_0_to_1 check (match_score between 0 and 1),
  constraint patient_merges_merged_was_approved check (
    status not in ('merged', 'reversed') or (approved_by is not null and executed_at is not null)
  ),
  constraint patient_merges_reversed_has_time check ((status = 'reversed') = (reversed_at is not null))
);

alter table patient.patient_merges add constraint patient_merges_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table patient.patient_merges add constraint patient_merges_survivor_fkey
  foreign key (tenant_id, survivor_id) references patient.patients (tenant_id, id);
alter table patient.patient_merges add constraint patient_merges_duplicate_fkey
  foreign key (tenant_id, duplicate_id) references patient.patients (tenant_id, id);

-- one open proposal a pair, whichever of the two is to survive
create unique index patient_merges_one_open_per_pair
  on patient.patient_merges (tenant_id, least(survivor_id, duplicate_id), greatest(survivor_id, duplicate_id))
  where status in ('proposed', 'approved');
create index patient_merges_survivor_idx on patient.patient_merges (tenant_id, survivor_id);
create index patient_merges_duplicate_idx on patient.patient_merges (tenant_id, duplicate_id);
create index patient_merges_open_idx on patient.patient_merges (tenant_id, created_at)
  where status in ('proposed', 'approved');

comment on table patient.patient_merges is 'class=phi;scope=tenant;owner=clinical;fhir=Patient.link;retention=medical_record;about=Duplicate candidates, merges and un-merges, with both keys kept.';
comment on column patient.patient_merges.survivor_id is 'class=phi;about=The record that stays.';
comment on column patient.patient_merges.duplicate_id is 'class=phi;about=The record that is merged into it.';
comment on column patient.patient_merges.match_score is 'class=phi;about=How alike the two are, 0 to 1.';
comment on column patient.patient_merges.match_reasons is 'class=phi;about=What they have in common: name, birth_date, mobile, sex.';
comment on column patient.patient_merges.moved_rows is 'class=phi;about=What the merge moved, by id.';
comment on column patient.patient_merges.requested_by is 'class=operational;about=User who proposed it.';
comment on column patient.patient_merges.approved_by is 'class=operational;about=User who approved it; never the one who proposed.';
comment on column patient.patient_merges.executed_at is 'class=operational;about=When it was merged.';
comment on column patient.patient_merges.reversed_at is 'class=operational;about=When it was taken back.';
comment on column patient.patient_merges.reason is 'class=phi;about=Why the two are thought to be one person.';
comment on column patient.patient_merges.status is 'class=operational;about=proposed, approved, merged, reversed or dismissed.';
select core.comment_standard_columns('patient.patient_merges');

alter table patient.patient_merges enable row level security, force row level security;
create policy tenant_isolation on patient.patient_merges
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patient_merges_touch before update on patient.patient_merges
  for each row execute function core.update_updated_at_column();
create trigger patient_merges_transition before insert or update of status on patient.patient_merges
  for each row execute function core.enforce_transition('patient.patient_merges', 'status');
select audit.track('patient.patient_merges');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('patient.patient_merges', '', 'proposed', false, null),
  ('patient.patient_merges', 'proposed', 'approved', false, null),
  ('patient.patient_merges', 'proposed', 'dismissed', false, null),
  ('patient.patient_merges', 'approved', 'merged', false, null),
  ('patient.patient_merges', 'approved', 'dismissed', false, null),
  ('patient.patient_merges', 'merged', 'reversed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on patient.patient_merges to clinical_app;
grant select on patient.patient_merges to clinical_ro;
