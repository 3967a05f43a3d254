-- compliance.consents: consent given, refused or withdrawn. A minor consents through a verified guardian; what data may be used
-- for is bound to the notice that was shown; withdrawal takes effect in the same transaction.

create table compliance.consents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  kind text not null,
  notice_id uuid,
  purposes text[] not null default '{}',
  decision text not null,
  given_by text not null,
  contact_id uuid,
  guardian_verified boolean,
  given_at timestamptz not null default now(),
  expires_at timestamptz,
  withdrawn_at timestamptz,
  withdrawal_reason text,
  witness_id uuid,
  explained_by uuid,
  language text,
  document_id uuid,
  evidence jsonb,
  encounter_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consents_pkey primary key (tenant_id, id),
  constraint consents_given_once unique (tenant_id, patient_id, kind, given_at),
  constraint consents_kind_check check (
    kind in (
      'data_processing', 'treatment', 'surgery', 'anaesthesia', 'transfusion', 'high_risk', 'research', 'telemedicine',
      'photography', 'marketing', 'abdm', 'insurance_sharing'
    )
  ),
  constraint consents_decision_check check (decision in ('permit', 'deny')),
  constraint consents_given_by_check check (
    given_by in ('patient', 'guardian', 'spouse', 'lawful_representative', 'emergency_doctrine')
  ),
  constraint consents_status_check check (
    status in ('draft', 'active', 'rejected', 'withdrawn', 'expired', 'superseded')
  ),
  constraint consents_data_processing_after_notice check (kind <> 'data_processing' or notice_id is not null),
  constraint consents_guardian_is_verified check (
    given_by <> 'guardian' or (contact_id is not null and coalesce(guardian_verified, false))
  ),
  constraint consents_procedure_explained_and_signed check (
    kind not in ('surgery', 'anaesthesia', 'transfusion', 'high_risk')
    or (explained_by is not null and document_id is not null)
  ),
  constraint consents_withdrawn_at_a_time check (status <> 'withdrawn' or withdrawn_at is not null),
  constraint consents_withdrawn_after_given check (withdrawn_at >= given_at),
  constraint consents_expire_after_given check (expires_at > given_at),
  constraint consents_language_form check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')
);

alter table compliance.consents add constraint consents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.consents add constraint consents_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table compliance.consents add constraint consents_notice_fkey
  foreign key (notice_id) references compliance.consent_notices (id);
alter table compliance.consents add constraint consents_contact_fkey
  foreign key (tenant_id, contact_id) references patient.patient_contacts (tenant_id, id);
alter table compliance.consents add constraint consents_witness_fkey
  foreign key (tenant_id, witness_id) references workforce.staff (tenant_id, id);
alter table compliance.consents add constraint consents_explained_by_fkey
  foreign key (tenant_id, explained_by) references workforce.staff (tenant_id, id);
alter table compliance.consents add constraint consents_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table compliance.consents add constraint consents_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);

-- of consents that stand for the person and not for a visit, one is in force
create unique index consents_one_standing on compliance.consents (tenant_id, patient_id, kind)
  where status = 'active' and kind in ('data_processing', 'marketing');
create index consents_to_expire_idx on compliance.consents (tenant_id, expires_at)
  where status = 'active' and expires_at is not null;
create index consents_notice_idx on compliance.consents (notice_id, tenant_id)
  where notice_id is not null;
comment on index compliance.consents_notice_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index consents_contact_idx on compliance.consents (tenant_id, contact_id)
  where contact_id is not null;
create index consents_witness_idx on compliance.consents (tenant_id, witness_id)
  where witness_id is not null;
create index consents_explained_by_idx on compliance.consents (tenant_id, explained_by)
  where explained_by is not null;
create index consents_document_idx on compliance.consents (tenant_id, document_id)
  where document_id is not null;
create index consents_encounter_idx on compliance.consents (tenant_id, encounter_id)
  where encounter_id is not null;

comment on table compliance.consents is 'class=phi;scope=tenant;owner=business;fhir=Consent;retention=medical_record;about=Consent given, refused or withdrawn: treatment, procedures, use of data, research, teleconsultation, ABDM.';
comment on column compliance.consents.patient_id is 'class=phi;about=The patient whose body or data it is about.';
comment on column compliance.consents.kind is 'class=phi;about=data_processing, treatment, surgery, anaesthesia, transfusion, high_risk, research, telemedicine, photography, marketing, abdm or insurance_sharing.';
comment on column compliance.consents.notice_id is 'class=operational;about=The notice that was shown.';
comment on column compliance.consents.purposes is 'class=operational;about=What data may be used for, within the purposes of the notice.';
comment on column compliance.consents.decision is 'class=phi;about=permit or deny.';
comment on column compliance.consents.given_by is 'class=phi;about=patient, guardian, spouse, lawful_representative or emergency_doctrine (nobody could be asked).';
comment on column compliance.consents.contact_id is 'class=phi;about=The guardian or representative, a contact of the patient.';
comment on column compliance.consents.guardian_verified is 'class=operational;about=Whether that contact was verified as legal guardian when they consented.';
comment on column compliance.consents.given_at is 'class=operational;about=When it was given.';
comment on column compliance.consents.expires_at is 'class=operational;about=When it ends by itself.';
comment on column compliance.consents.withdrawn_at is 'class=operational;about=When it was withdrawn.';
comment on column compliance.consents.withdrawal_reason is 'class=phi;about=Why, if the person said so.';
comment on column compliance.consents.witness_id is 'class=operational;about=Member of staff who saw it.';
comment on column compliance.consents.explained_by is 'class=operational;about=Member of staff who explained what it is about.';
comment on column compliance.consents.language is 'class=operational;about=Language in which it was explained (BCP 47).';
comment on column compliance.consents.document_id is 'class=operational;about=The signed form.';
comment on column compliance.consents.evidence is 'class=phi;about=How it was given otherwise: channel, time of the code, recording.';
comment on column compliance.consents.encounter_id is 'class=phi;about=The visit or stay that it is for; none for a standing consent.';
comment on column compliance.consents.status is 'class=operational;about=draft, active, rejected, withdrawn, expired or superseded.';
select core.comment_standard_columns('compliance.consents');

alter table compliance.consents enable row level security, force row level security;
create policy tenant_isolation on compliance.consents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger consents_by_who_may before insert or update of given_by, contact_id, patient_id, given_at, notice_id, purposes
  on compliance.consents
  for each row execute function compliance.check_consent();
create trigger consents_no_aadhaar before insert or update of withdrawal_reason on compliance.consents
  for each row execute function core.reject_aadhaar_like('withdrawal_reason');
create trigger consents_touch before update on compliance.consents
  for each row execute function core.update_updated_at_column('row_version');
create trigger consents_notice_visible before insert or update of notice_id on compliance.consents
  for each row execute function core.check_shared_reference('notice_id', 'compliance.consent_notices');
create trigger consents_transition before insert or update of status on compliance.consents
  for each row execute function core.enforce_transition('compliance.consents', 'status');
select audit.track('compliance.consents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.consents', '', 'draft', false, null),
  ('compliance.consents', 'draft', 'active', false, 'consent.granted.v1'),
  ('compliance.consents', 'draft', 'rejected', false, null),
  ('compliance.consents', 'draft', 'superseded', false, null),
  ('compliance.consents', 'active', 'withdrawn', false, 'consent.revoked.v1'),
  ('compliance.consents', 'active', 'expired', false, 'consent.expired.v1'),
  ('compliance.consents', 'active', 'superseded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.consents to business_app;
grant select on compliance.consents to business_ro;
