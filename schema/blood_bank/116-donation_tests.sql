-- blood_bank.donation_tests: screening for infections (TTI) and grouping of a donation.
--
-- Five infections and three grouping tests stand between a donation and its use (blood_bank.clearance_of). A test that is
-- done again is a new row with the next repeat_no; the verifier is never the tester.

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
  tested_at timestamptz not null default now(),
  tested_by uuid not null,
  verified_by uuid,
  repeat_no smallint not null default 1,
  device_id uuid,
  status text not null default 'entered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint donation_tests_pkey primary key (tenant_id, id),
  constraint donation_tests_repeat_key unique (tenant_id, donation_id, test, repeat_no),
  constraint donation_tests_test_check check (
    test in ('HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA', 'NAT', 'ABO_FORWARD', 'ABO_REVERSE', 'RHD', 'ANTIBODY_SCREEN')
  ),
  constraint donation_tests_result_check check (result in ('non_reactive', 'reactive', 'indeterminate', 'invalid')),
  constraint donation_tests_status_check check (status in ('entered', 'verified', 'invalid')),
  constraint donation_tests_result_fits_test check (
    case
      when test in ('ABO_FORWARD', 'ABO_REVERSE') then result is null and group_result in ('A', 'B', 'AB', 'O')
      when test = 'RHD' then result is null and group_result in ('pos', 'neg')
      else result is not null and group_result is null
    end
  ),
  constraint donation_tests_repeat_counts_from_one check (repeat_no >= 1),
  constraint donation_tests_verified_by_second_person check (
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

-- the list of the verifier
create index donation_tests_to_verify_idx on blood_bank.donation_tests (tenant_id, tested_at) where status = 'entered';
create index donation_tests_tested_by_idx on blood_bank.donation_tests (tenant_id, tested_by);
create index donation_tests_verified_by_idx on blood_bank.donation_tests (tenant_id, verified_by)
  where verified_by is not null;
create index donation_tests_device_idx on blood_bank.donation_tests (tenant_id, device_id)
  where device_id is not null;

comment on table blood_bank.donation_tests is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Mandatory TTI screening and grouping of each donation.';
comment on column blood_bank.donation_tests.donation_id is 'class=phi;about=The donation that was tested.';
comment on column blood_bank.donation_tests.test is 'class=phi;about=HIV, HBSAG, HCV, SYPHILIS, MALARIA (all five mandatory), NAT, ABO_FORWARD, ABO_REVERSE, RHD or ANTIBODY_SCREEN.';
comment on column blood_bank.donation_tests.method is 'class=operational;about=Method: elisa, clia, rapid, nat, tube, gel, ...';
comment on column blood_bank.donation_tests.kit_lot is 'class=operational;about=Lot of the kit or reagent.';
comment on column blood_bank.donation_tests.kit_expiry is 'class=operational;about=Last day on which the kit may be used.';
comment on column blood_bank.donation_tests.result is 'class=phi;about=non_reactive, reactive, indeterminate or invalid; null for grouping tests.';
comment on column blood_bank.donation_tests.group_result is 'class=phi;about=A, B, AB or O of the ABO tests, pos or neg of RHD; null for others.';
comment on column blood_bank.donation_tests.tested_at is 'class=phi;about=When the test was read.';
comment on column blood_bank.donation_tests.tested_by is 'class=operational;about=Member of staff who read it.';
comment on column blood_bank.donation_tests.verified_by is 'class=operational;about=Second member of staff who verified the result.';
comment on column blood_bank.donation_tests.repeat_no is 'class=operational;about=1 for the first test of the donation, then counting up.';
comment on column blood_bank.donation_tests.device_id is 'class=operational;about=Analyser, when there was one.';
comment on column blood_bank.donation_tests.status is 'class=phi;about=entered, verified (final) or invalid (run failed; test again).';
select core.comment_standard_columns('blood_bank.donation_tests');

alter table blood_bank.donation_tests enable row level security, force row level security;
create policy tenant_isolation on blood_bank.donation_tests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donation_tests_kit_in_date before insert or update of kit_expiry, tested_at on blood_bank.donation_tests
  for each row execute function blood_bank.check_kit_in_date();
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

grant select on blood_bank.donation_tests to lab_app;
grant select on blood_bank.donation_tests to lab_ro;
