-- blood_bank.donation_tests: Mandatory TTI screening and grouping of each donation.

create table blood_bank.donation_tests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donation_id uuid not null,
  test text not null,
  method text not null,
  kit_lot text not null,
  kit_expiry date not null,
  result text,
  group_result text,
  tested_at timestamptz not null,
  tested_by uuid not null,
  verified_by uuid,
  repeat_no smallint not null,
  device_id uuid,
  status text not null default 'entered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint donation_tests_pkey primary key (tenant_id, id),
  constraint donation_tests_donation_test_key unique (tenant_id, donation_id, test, repeat_no),
  constraint donation_tests_test_check check (
    test in ('HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA', 'NAT', 'ABO_FORWARD', 'ABO_REVERSE', 'RHD', 'ANTIBODY_SCREEN')
  ),
  constraint donation_tests_result_check check (result in ('non_reactive', 'reactive', 'indeterminate', 'invalid')),
  constraint donation_tests_status_check check (status in ('entered', 'verified', 'invalid')),
  constraint donation_tests_kit_expiry_rule check (kit_expiry >= tested_at::date),
  constraint donation_tests_verified_complete check (
    status <> 'verified' or (verified_by is not null and verified_by <> tested_by)
  )
);

alter table blood_bank.donation_tests add constraint donation_tests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.donation_tests add constraint donation_tests_donation_fkey
  foreign key (tenant_id, donation_id) references blood_bank.donations (tenant_id, id);
alter table blood_bank.donation_tests add constraint donation_tests_tested_by_fkey
  foreign key (tenant_id, tested_by) references workforce.staff (tenant_id, id);
alter table blood_bank.donation_tests add constraint donation_tests_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);
alter table blood_bank.donation_tests add constraint donation_tests_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);

create index donation_tests_tested_by_idx on blood_bank.donation_tests (tenant_id, tested_by);
create index donation_tests_verified_by_idx on blood_bank.donation_tests (tenant_id, verified_by)
  where verified_by is not null;
create index donation_tests_device_idx on blood_bank.donation_tests (tenant_id, device_id)
  where device_id is not null;

comment on table blood_bank.donation_tests is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Mandatory TTI screening and grouping of each donation.';
comment on column blood_bank.donation_tests.donation_id is 'class=phi;about=?';
comment on column blood_bank.donation_tests.test is 'class=phi;about=?';
comment on column blood_bank.donation_tests.method is 'class=phi;about=?';
comment on column blood_bank.donation_tests.kit_lot is 'class=phi;about=?';
comment on column blood_bank.donation_tests.kit_expiry is 'class=phi;about=?';
comment on column blood_bank.donation_tests.result is 'class=phi;about=?';
comment on column blood_bank.donation_tests.group_result is 'class=phi;about=?';
comment on column blood_bank.donation_tests.tested_at is 'class=phi;about=?';
comment on column blood_bank.donation_tests.tested_by is 'class=phi;about=?';
comment on column blood_bank.donation_tests.verified_by is 'class=phi;about=?';
comment on column blood_bank.donation_tests.repeat_no is 'class=phi;about=?';
comment on column blood_bank.donation_tests.device_id is 'class=phi;about=?';
comment on column blood_bank.donation_tests.status is 'class=phi;about=?';
select core.comment_standard_columns('blood_bank.donation_tests');

alter table blood_bank.donation_tests enable row level security;
alter table blood_bank.donation_tests force row level security;
create policy tenant_isolation on blood_bank.donation_tests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donation_tests_touch before update on blood_bank.donation_tests
  for each row execute function core.update_updated_at_column('row_version');
create trigger donation_tests_transition before insert or update of status on blood_bank.donation_tests
  for each row execute function core.enforce_transition('blood_bank.donation_tests', 'status');
select audit.track('blood_bank.donation_tests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donation_tests', '', 'entered', false, null),
  ('blood_bank.donation_tests', 'entered', 'verified', false, null),
  ('blood_bank.donation_tests', 'entered', 'invalid', false, null),
  ('blood_bank.donation_tests', 'invalid', 'entered', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on blood_bank.donation_tests to lab_app;
grant select on blood_bank.donation_tests to lab_ro;
