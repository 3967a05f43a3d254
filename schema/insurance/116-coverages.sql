-- insurance.coverages: a patient's policy or membership of a scheme.
--
-- balance is what is left before what live submissions hold, so "free" is balance less the holds of the wallet.
-- Members of one family share a wallet (same payer and family_id_bidx): insurance.lock_wallet locks all of them
-- before it counts.

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
  family_id_bidx bytea,
  subscriber_relationship text not null,
  period daterange not null,
  sum_insured numeric(14, 2),
  balance numeric(14, 2),
  balance_checked_at timestamptz,
  rank smallint not null default 1,
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
  constraint coverages_no_nan check (sum_insured <> 'NaN' and balance <> 'NaN'),
  constraint coverages_status_known check (status in ('draft', 'active', 'cancelled', 'suspended', 'expired')),
  constraint coverages_balance_not_negative check (balance >= 0),
  constraint coverages_family_is_searchable check ((family_id_enc is null) = (family_id_bidx is null)),
  constraint coverages_rank_from_one check (rank >= 1),
  constraint coverages_active_is_verified check (status <> 'active' or verified_at is not null)
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

create unique index coverages_member_once on insurance.coverages (
  tenant_id, payer_id, member_id_bidx, policy_number
) nulls not distinct where deleted_at is null;
create unique index coverages_one_active_per_rank on insurance.coverages (tenant_id, patient_id, rank)
  where status = 'active' and deleted_at is null;
create index coverages_family_idx on insurance.coverages (tenant_id, payer_id, family_id_bidx)
  where family_id_bidx is not null;
create index coverages_patient_idx on insurance.coverages (tenant_id, patient_id);
create index coverages_payer_idx on insurance.coverages (payer_id, tenant_id);
comment on index insurance.coverages_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index coverages_plan_idx on insurance.coverages (plan_id, tenant_id)
  where plan_id is not null;
comment on index insurance.coverages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index coverages_card_document_idx on insurance.coverages (tenant_id, card_document_id)
  where card_document_id is not null;

comment on table insurance.coverages is 'class=financial;scope=tenant;owner=billing;fhir=Coverage;retention=financial;about=A patient''s policy or scheme membership.';
comment on column insurance.coverages.patient_id is 'class=operational;about=The member.';
comment on column insurance.coverages.payer_id is 'class=operational;about=Who pays.';
comment on column insurance.coverages.plan_id is 'class=operational;about=Plan version, where it is known.';
comment on column insurance.coverages.policy_number is 'class=financial;about=Number of the policy; null in schemes that know members only.';
comment on column insurance.coverages.member_id_enc is 'class=pii;enc=1;about=Member or beneficiary number, encrypted.';
comment on column insurance.coverages.member_id_bidx is 'class=pii;about=Blind index of the member number: finds it by equality.';
comment on column insurance.coverages.family_id_enc is 'class=pii;enc=1;about=Number of the family or household, encrypted.';
comment on column insurance.coverages.family_id_bidx is 'class=pii;about=Blind index of the family number: members with the same one share a wallet.';
comment on column insurance.coverages.subscriber_relationship is 'class=financial;about=Relation of the member to the subscriber: self, spouse, child, parent or another word of the payer.';
comment on column insurance.coverages.period is 'class=financial;about=Dates that it is in force, from (included) to (excluded).';
comment on column insurance.coverages.sum_insured is 'class=financial;about=Sum insured for the period; null: unlimited or unknown.';
comment on column insurance.coverages.balance is 'class=financial;about=What is left of the sum before what live submissions of this tenant hold; null: no limit, or not told.';
comment on column insurance.coverages.balance_checked_at is 'class=financial;about=When the payer last told the balance.';
comment on column insurance.coverages.rank is 'class=financial;about=Order in which coverages are asked, 1 first; one active coverage per rank.';
comment on column insurance.coverages.verified_at is 'class=financial;about=When the membership was verified; no coverage is active without it.';
comment on column insurance.coverages.verified_how is 'class=financial;about=Means of verification: card, payer portal, eligibility answer or another.';
comment on column insurance.coverages.card_document_id is 'class=operational;about=Scan of the card.';
comment on column insurance.coverages.status is 'class=operational;about=draft, active, suspended, expired or cancelled.';
select core.comment_standard_columns('insurance.coverages');

alter table insurance.coverages enable row level security, force row level security;
create policy tenant_isolation on insurance.coverages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger coverages_touch before update on insurance.coverages
  for each row execute function core.update_updated_at_column('row_version');
create trigger coverages_payer_visible before insert or update of payer_id on insurance.coverages
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger coverages_plan_visible before insert or update of plan_id on insurance.coverages
  for each row execute function core.check_shared_reference('plan_id', 'insurance.insurance_plans');
create trigger coverages_policy_number before insert or update of policy_number on insurance.coverages
  for each row execute function core.reject_aadhaar_like('policy_number');
create trigger coverages_kept_while_used before update of deleted_at on insurance.coverages
  for each row when (old.deleted_at is null and new.deleted_at is not null) execute function insurance.keep_used_coverage();
create trigger coverages_transition before insert or update of status on insurance.coverages
  for each row execute function core.enforce_transition('insurance.coverages', 'status');
select audit.track('insurance.coverages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.coverages', '', 'draft', false, null),
  ('insurance.coverages', 'draft', 'active', false, null),
  ('insurance.coverages', 'draft', 'cancelled', true, null),
  ('insurance.coverages', 'active', 'suspended', true, null),
  ('insurance.coverages', 'active', 'expired', false, null),
  ('insurance.coverages', 'active', 'cancelled', true, null),
  ('insurance.coverages', 'suspended', 'active', false, null),
  ('insurance.coverages', 'suspended', 'cancelled', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- balance, verification and state belong to operations
grant select on insurance.coverages to billing_app, billing_ro;
grant insert (
  tenant_id, id, patient_id, payer_id, plan_id, policy_number, member_id_enc, member_id_bidx, family_id_enc, family_id_bidx,
  subscriber_relationship, period, sum_insured, rank, card_document_id
) on insurance.coverages to billing_app;
grant update (
  plan_id, policy_number, subscriber_relationship, period, sum_insured, rank, card_document_id, deleted_at, deleted_by,
  delete_reason, row_version
) on insurance.coverages to billing_app;
