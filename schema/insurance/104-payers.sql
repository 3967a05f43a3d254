-- insurance.payers: who pays besides the patient: insurers, administrators, state health agencies, schemes.
--
-- Time limits are data, never constants: every clock of this module is computed from the row of the payer, and a test
-- reads the functions for literals. Circulars change the limits, so rules_effective says which dates a row holds for.

create table insurance.payers (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  irdai_code text,
  nhcx_participant_code text,
  scheme text,
  state_code text,
  preauth_tat_minutes integer not null,
  discharge_tat_minutes integer,
  query_response_hours integer not null,
  claim_submit_days integer not null,
  settle_days integer not null,
  portability_settle_days integer,
  backdate_days smallint,
  rules_effective daterange not null,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payers_pkey primary key (id),
  constraint payers_code_key unique nulls not distinct (tenant_id, code),
  constraint payers_kind_known check (kind in ('insurer', 'tpa', 'government_scheme', 'corporate', 'trust')),
  constraint payers_scheme_known check (scheme in ('PMJAY', 'CGHS', 'ECHS', 'ESIC', 'STATE', 'PRIVATE')),
  constraint payers_status_known check (status in ('active', 'suspended', 'retired')),
  constraint payers_participant_is_on_the_exchange check (nhcx_participant_code ~ '^[^@[:space:]]+@hcx$'),
  constraint payers_limits_are_positive check (
    preauth_tat_minutes > 0 and query_response_hours > 0 and claim_submit_days > 0 and settle_days > 0
    and coalesce(discharge_tat_minutes, 1) > 0 and coalesce(portability_settle_days, 1) > 0 and coalesce(backdate_days, 0) >= 0
  ),
  constraint payers_state_form check (state_code ~ '^[A-Z]{2}$')
);

alter table insurance.payers add constraint payers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table insurance.payers is 'class=reference;scope=shared;owner=billing;fhir=Organization;retention=reference;about=Insurers, TPAs, state health agencies, government schemes.';
comment on column insurance.payers.code is 'class=reference;about=Short name that people and imports use, unique per tenant.';
comment on column insurance.payers.name is 'class=reference;about=Name as it stands on claims.';
comment on column insurance.payers.kind is 'class=reference;about=insurer, tpa (administrator), government_scheme, corporate or trust.';
comment on column insurance.payers.irdai_code is 'class=reference;about=Registration with the Indian insurance regulator, where there is one.';
comment on column insurance.payers.nhcx_participant_code is 'class=reference;about=Address on the National Health Claims Exchange, ends with @hcx; null: not reached through it.';
comment on column insurance.payers.scheme is 'class=reference;about=PMJAY, CGHS, ECHS, ESIC, STATE or PRIVATE; null where none of these applies.';
comment on column insurance.payers.state_code is 'class=reference;about=State whose agency this is, two letters as in ISO 3166-2:IN.';
comment on column insurance.payers.preauth_tat_minutes is 'class=reference;about=Minutes within which the payer decides a pre-authorisation.';
comment on column insurance.payers.discharge_tat_minutes is 'class=reference;about=Minutes within which the payer clears a discharge, where it promises that.';
comment on column insurance.payers.query_response_hours is 'class=reference;about=Hours within which the hospital must answer a query.';
comment on column insurance.payers.claim_submit_days is 'class=reference;about=Days after discharge within which a claim must be submitted; later needs a reason.';
comment on column insurance.payers.settle_days is 'class=reference;about=Days within which the payer decides and pays a claim.';
comment on column insurance.payers.portability_settle_days is 'class=reference;about=The same for a patient treated outside the home state; null: as settle_days.';
comment on column insurance.payers.backdate_days is 'class=reference;about=Days that a case may be dated back at registration; null: not at all.';
comment on column insurance.payers.rules_effective is 'class=reference;about=Dates that these limits hold for, from (included) to (excluded): circulars change them.';
comment on column insurance.payers.status is 'class=reference;about=active, suspended (no new cases) or retired.';
select core.comment_standard_columns('insurance.payers');

alter table insurance.payers enable row level security, force row level security;
create policy tenant_isolation on insurance.payers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on insurance.payers for select using (tenant_id is null);

create trigger payers_touch before update on insurance.payers
  for each row execute function core.update_updated_at_column('row_version');
create trigger payers_transition before insert or update of status on insurance.payers
  for each row execute function core.enforce_transition('insurance.payers', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.payers', '', 'active', false, null),
  ('insurance.payers', 'active', 'suspended', false, null),
  ('insurance.payers', 'active', 'retired', false, null),
  ('insurance.payers', 'suspended', 'active', false, null),
  ('insurance.payers', 'suspended', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.payers to billing_app;
grant select on insurance.payers to billing_ro;
