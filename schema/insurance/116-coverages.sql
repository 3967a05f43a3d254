-- insurance.coverages: A patient's policy or scheme membership.

create table insurance.coverages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  payer_id uuid not null,
  plan_id uuid,
  policy_number text,
  member_id_enc bytea not null,
  member_id_bidx bytea not null,
  family_id_enc bytea,
  subscriber_relationship text not null,
  period daterange not null,
  sum_insured numeric(14, 2),
  balance numeric(14, 2),
  balance_checked_at timestamptz,
  rank smallint not null,
  verified_at timestamptz,
  verified_how text,
  card_document_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint coverages_pkey primary key (tenant_id, id),
  constraint coverages_status_check check (status in ('draft', 'active', 'cancelled', 'suspended', 'expired')),
  constraint coverages_balance_rule check (balance >= 0),
  constraint coverages_rank_rule check (rank >= 1),
  constraint coverages_active_complete check (status <> 'active' or verified_at is not null)
);

alter table insurance.coverages add constraint coverages_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.coverages add constraint coverages_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table insurance.coverages add constraint coverages_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table insurance.coverages add constraint coverages_plan_fkey
  foreign key (plan_id) references insurance.insurance_plans (id);
alter table insurance.coverages add constraint coverages_card_document_fkey
  foreign key (tenant_id, card_document_id) references ehr.documents (tenant_id, id);

create unique index coverages_payer_member_id_bidx_key on insurance.coverages (tenant_id, payer_id, member_id_bidx, policy_number)
  where deleted_at is null;
create unique index coverages_patient_rank_key on insurance.coverages (tenant_id, patient_id, rank)
  where status = 'active';
create index coverages_patient_idx on insurance.coverages (tenant_id, patient_id);
create index coverages_payer_idx on insurance.coverages (payer_id, tenant_id);
comment on index insurance.coverages_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index coverages_plan_idx on insurance.coverages (plan_id, tenant_id)
  where plan_id is not null;
comment on index insurance.coverages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index coverages_card_document_idx on insurance.coverages (tenant_id, card_document_id)
  where card_document_id is not null;

comment on table insurance.coverages is 'class=financial;scope=tenant;owner=billing;fhir=Coverage;retention=financial;about=A patient''s policy or scheme membership.';
comment on column insurance.coverages.patient_id is 'class=financial;about=The patient.';
comment on column insurance.coverages.payer_id is 'class=financial;about=?';
comment on column insurance.coverages.plan_id is 'class=financial;about=?';
comment on column insurance.coverages.policy_number is 'class=financial;about=?';
comment on column insurance.coverages.member_id_enc is 'class=financial;enc=1;about=?';
comment on column insurance.coverages.member_id_bidx is 'class=financial;about=?';
comment on column insurance.coverages.family_id_enc is 'class=financial;enc=1;about=?';
comment on column insurance.coverages.subscriber_relationship is 'class=financial;about=?';
comment on column insurance.coverages.period is 'class=financial;about=?';
comment on column insurance.coverages.sum_insured is 'class=financial;about=?';
comment on column insurance.coverages.balance is 'class=financial;about=?';
comment on column insurance.coverages.balance_checked_at is 'class=financial;about=?';
comment on column insurance.coverages.rank is 'class=financial;about=?';
comment on column insurance.coverages.verified_at is 'class=financial;about=?';
comment on column insurance.coverages.verified_how is 'class=financial;about=?';
comment on column insurance.coverages.card_document_id is 'class=financial;about=?';
comment on column insurance.coverages.status is 'class=financial;about=?';
select core.comment_standard_columns('insurance.coverages');

alter table insurance.coverages enable row level security;
alter table insurance.coverages force row level security;
create policy tenant_isolation on insurance.coverages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger coverages_touch before update on insurance.coverages
  for each row execute function core.update_updated_at_column('row_version');
create trigger coverages_payer_visible before insert or update of payer_id on insurance.coverages
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger coverages_plan_visible before insert or update of plan_id on insurance.coverages
  for each row execute function core.check_shared_reference('plan_id', 'insurance.insurance_plans');
create trigger coverages_transition before insert or update of status on insurance.coverages
  for each row execute function core.enforce_transition('insurance.coverages', 'status');
select audit.track('insurance.coverages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.coverages', '', 'draft', false, null),
  ('insurance.coverages', 'draft', 'active', false, null),
  ('insurance.coverages', 'draft', 'cancelled', false, null),
  ('insurance.coverages', 'active', 'suspended', false, null),
  ('insurance.coverages', 'active', 'expired', false, null),
  ('insurance.coverages', 'active', 'cancelled', false, null),
  ('insurance.coverages', 'suspended', 'active', false, null),
  ('insurance.coverages', 'suspended', 'cancelled', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.coverages to billing_app;
grant select on insurance.coverages to billing_ro;
