-- billing.accounts: Billing account of a stay or visit.

create table billing.accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  account_number text not null,
  patient_id uuid not null,
  encounter_id uuid,
  payer_class text not null,
  coverage_id uuid,
  credit_limit numeric(14, 2) not null,
  total_charged numeric(14, 2) not null default 0,
  total_paid numeric(14, 2) not null default 0,
  total_claimed numeric(14, 2) not null default 0,
  balance numeric(14, 2) generated always as (total_charged - total_paid - total_claimed) stored,
  closed_at timestamptz,
  written_off_reason text,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint accounts_pkey primary key (tenant_id, id),
  constraint accounts_account_number_key unique (tenant_id, account_number),
  constraint accounts_status_check check (status in ('active', 'on_hold', 'settling', 'closed')),
  constraint accounts_closed_complete check (status <> 'closed' or balance = 0 or written_off_reason is not null)
);

alter table billing.accounts add constraint accounts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.accounts add constraint accounts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.accounts add constraint accounts_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table billing.accounts add constraint accounts_coverage_fkey
  foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id);

create unique index accounts_encounter_key on billing.accounts (tenant_id, encounter_id)
  where status <> 'closed';
create index accounts_patient_idx on billing.accounts (tenant_id, patient_id);
create index accounts_encounter_idx on billing.accounts (tenant_id, encounter_id)
  where encounter_id is not null;
create index accounts_coverage_idx on billing.accounts (tenant_id, coverage_id)
  where coverage_id is not null;

comment on table billing.accounts is 'class=financial;scope=tenant;owner=billing;fhir=Account;retention=financial;about=Billing account of a stay or visit.';
comment on column billing.accounts.account_number is 'class=financial;about=?';
comment on column billing.accounts.patient_id is 'class=financial;about=The patient.';
comment on column billing.accounts.encounter_id is 'class=financial;about=The encounter that it belongs to.';
comment on column billing.accounts.payer_class is 'class=financial;about=?';
comment on column billing.accounts.coverage_id is 'class=financial;about=?';
comment on column billing.accounts.credit_limit is 'class=financial;about=?';
comment on column billing.accounts.total_charged is 'class=financial;about=?';
comment on column billing.accounts.total_paid is 'class=financial;about=?';
comment on column billing.accounts.total_claimed is 'class=financial;about=?';
comment on column billing.accounts.balance is 'class=financial;about=?';
comment on column billing.accounts.closed_at is 'class=financial;about=?';
comment on column billing.accounts.written_off_reason is 'class=financial;about=?';
comment on column billing.accounts.status is 'class=financial;about=?';
select core.comment_standard_columns('billing.accounts');

alter table billing.accounts enable row level security;
alter table billing.accounts force row level security;
create policy tenant_isolation on billing.accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger accounts_touch before update on billing.accounts
  for each row execute function core.update_updated_at_column('row_version');
create trigger accounts_transition before insert or update of status on billing.accounts
  for each row execute function core.enforce_transition('billing.accounts', 'status');
select audit.track('billing.accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.accounts', '', 'active', false, null),
  ('billing.accounts', 'active', 'on_hold', false, null),
  ('billing.accounts', 'active', 'settling', false, null),
  ('billing.accounts', 'on_hold', 'active', false, null),
  ('billing.accounts', 'settling', 'closed', false, null),
  ('billing.accounts', 'settling', 'active', false, null),
  ('billing.accounts', 'closed', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on billing.accounts to billing_app;
grant select on billing.accounts to billing_ro;
