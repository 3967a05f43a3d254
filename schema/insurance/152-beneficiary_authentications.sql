-- insurance.beneficiary_authentications: the beneficiary proved to be present, per stage; the token rides on
-- submissions.
--
-- No biometric data is ever kept: the authentication service sees it, we keep its transaction id and token. Where no
-- method works, a second person approves an exception.

create table insurance.beneficiary_authentications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  patient_id uuid not null,
  payer_id uuid not null,
  stage text not null,
  method text not null,
  txn_id text not null,
  token_enc bytea,
  token_expires_at timestamptz,
  refresh_enc bytea,
  authenticated_at timestamptz,
  exception_reason text,
  exception_approved_by uuid,
  status text not null default 'initiated',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint beneficiary_authentications_pkey primary key (tenant_id, id),
  constraint beneficiary_authentications_stage_known check (
    stage in ('preauthorization', 'claim', 'admission', 'discharge')
  ),
  constraint beneficiary_authentications_method_known check (
    method in ('fingerprint', 'iris', 'face', 'otp', 'exception')
  ),
  constraint beneficiary_authentications_status_known check (
    status in ('initiated', 'authenticated', 'failed', 'expired')
  ),
  constraint beneficiary_authentications_exception_is_approved check (
    method <> 'exception' or (exception_reason is not null and exception_approved_by is not null)
  ),
  constraint beneficiary_authentications_exception_by_another check (exception_approved_by <> created_by),
  constraint beneficiary_authentications_success_is_dated check (
    status <> 'authenticated' or authenticated_at is not null
  )
);

alter table insurance.beneficiary_authentications add constraint beneficiary_authentications_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.beneficiary_authentications add constraint beneficiary_authentications_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table insurance.beneficiary_authentications add constraint beneficiary_authentications_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table insurance.beneficiary_authentications add constraint beneficiary_authentications_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table insurance.beneficiary_authentications add constraint beneficiary_authentications_exception_approved_by_fkey
  foreign key (tenant_id, exception_approved_by) references auth.users (tenant_id, id);

create unique index beneficiary_authentications_one_live_per_stage on insurance.beneficiary_authentications (tenant_id, encounter_id, payer_id, stage)
  where status = 'authenticated';
create index beneficiary_authentications_encounter_idx on insurance.beneficiary_authentications (tenant_id, encounter_id);
create index beneficiary_authentications_patient_idx on insurance.beneficiary_authentications (tenant_id, patient_id);
create index beneficiary_authentications_payer_idx on insurance.beneficiary_authentications (payer_id, tenant_id);
comment on index insurance.beneficiary_authentications_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index beneficiary_authentications_exception_approved_by_idx on insurance.beneficiary_authentications (tenant_id, exception_approved_by)
  where exception_approved_by is not null;

comment on table insurance.beneficiary_authentications is 'class=phi;scope=tenant;owner=billing;fhir=Consent,Provenance;retention=medical_record;about=Beneficiary biometric/OTP authentication per stage; its token rides on submissions.';
comment on column insurance.beneficiary_authentications.encounter_id is 'class=operational;about=The encounter that it belongs to.';
comment on column insurance.beneficiary_authentications.patient_id is 'class=operational;about=The patient.';
comment on column insurance.beneficiary_authentications.payer_id is 'class=operational;about=The payer that asks for it.';
comment on column insurance.beneficiary_authentications.stage is 'class=operational;about=preauthorization, claim, admission or discharge.';
comment on column insurance.beneficiary_authentications.method is 'class=operational;about=fingerprint, iris, face, otp, or exception where none works.';
comment on column insurance.beneficiary_authentications.txn_id is 'class=operational;about=Transaction id of the authentication service.';
comment on column insurance.beneficiary_authentications.token_enc is 'class=pii;enc=1;about=Token that rides on submissions, encrypted.';
comment on column insurance.beneficiary_authentications.token_expires_at is 'class=operational;about=Until when the token is good; null: no limit.';
comment on column insurance.beneficiary_authentications.refresh_enc is 'class=pii;enc=1;about=Token that gets a new one, encrypted.';
comment on column insurance.beneficiary_authentications.authenticated_at is 'class=operational;about=When it succeeded.';
comment on column insurance.beneficiary_authentications.exception_reason is 'class=phi;about=Why none of the methods works.';
comment on column insurance.beneficiary_authentications.exception_approved_by is 'class=operational;about=Who approved the exception; not the one who asked for it.';
comment on column insurance.beneficiary_authentications.status is 'class=operational;about=initiated, authenticated, failed or expired.';
select core.comment_standard_columns('insurance.beneficiary_authentications');

alter table insurance.beneficiary_authentications enable row level security, force row level security;
create policy tenant_isolation on insurance.beneficiary_authentications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger beneficiary_authentications_touch before update on insurance.beneficiary_authentications
  for each row execute function core.update_updated_at_column('row_version');
create trigger beneficiary_authentications_payer_visible before insert or update of payer_id on insurance.beneficiary_authentications
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger beneficiary_authentications_transition before insert or update of status on insurance.beneficiary_authentications
  for each row execute function core.enforce_transition('insurance.beneficiary_authentications', 'status');
select audit.track('insurance.beneficiary_authentications');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.beneficiary_authentications', '', 'initiated', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'authenticated', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'failed', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'expired', false, null),
  ('insurance.beneficiary_authentications', 'failed', 'initiated', false, null),
  ('insurance.beneficiary_authentications', 'authenticated', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.beneficiary_authentications to billing_app, billing_ro;
