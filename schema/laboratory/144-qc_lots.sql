-- laboratory.qc_lots: lots of control material with mean and standard deviation per test and analyser.
--
-- A lot is established by runs of its own and then accepted (laboratory.accept_qc_lot); only runs after that count for the
-- release of results.

create table laboratory.qc_lots (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  material text not null,
  lot_number text not null,
  level text not null,
  test_id uuid not null,
  device_id uuid not null,
  mean numeric not null,
  sd numeric not null,
  source text not null,
  runs_for_establishment smallint not null,
  opened_on date not null,
  expires_on date not null,
  rules text[] not null default '{1_2s,1_3s,2_2s,R_4s,4_1s,10_x}',
  accepted_by uuid,
  accepted_at timestamptz,
  status text not null default 'establishing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint qc_lots_pkey primary key (tenant_id, id),
  constraint qc_lots_lot_once unique (tenant_id, lot_number, level, test_id, device_id),
  constraint qc_lots_level_check check (level in ('L1', 'L2', 'L3')),
  constraint qc_lots_source_check check (source in ('manufacturer', 'established')),
  constraint qc_lots_status_check check (status in ('establishing', 'active', 'retired')),
  constraint qc_lots_accepted_by_someone check ((accepted_at is null) = (accepted_by is null)),
  constraint qc_lots_active_was_accepted check (
    case status when 'establishing' then accepted_at is null when 'active' then accepted_at is not null else true end
  ),
  constraint qc_lots_runs_positive check (runs_for_establishment > 0),
  constraint qc_lots_sd_positive check (sd > 0),
  constraint qc_lots_expires_after_opening check (expires_on > opened_on),
  constraint qc_lots_rules_known check (rules <@ array['1_2s', '1_3s', '2_2s', 'R_4s', '4_1s', '10_x']),
  constraint qc_lots_finite check (
    mean not in ('NaN', 'Infinity', '-Infinity') and sd not in ('NaN', 'Infinity', '-Infinity')
  )
);

alter table laboratory.qc_lots add constraint qc_lots_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.qc_lots add constraint qc_lots_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.qc_lots add constraint qc_lots_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);

create index qc_lots_test_idx on laboratory.qc_lots (test_id, tenant_id);
comment on index laboratory.qc_lots_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
alter table laboratory.qc_lots add constraint qc_lots_accepted_by_fkey
  foreign key (tenant_id, accepted_by) references workforce.staff (tenant_id, id);

create index qc_lots_accepted_by_idx on laboratory.qc_lots (tenant_id, accepted_by) where accepted_by is not null;
create index qc_lots_device_idx on laboratory.qc_lots (tenant_id, device_id);

comment on table laboratory.qc_lots is 'class=operational;scope=tenant;owner=lab;fhir=Substance;retention=operational;about=Control material lots with target mean and SD per test and analyser.';
comment on column laboratory.qc_lots.material is 'class=operational;about=Name of the control material.';
comment on column laboratory.qc_lots.lot_number is 'class=operational;about=Lot number of the manufacturer.';
comment on column laboratory.qc_lots.level is 'class=operational;about=L1, L2 or L3: low, normal, high.';
comment on column laboratory.qc_lots.test_id is 'class=operational;about=The test.';
comment on column laboratory.qc_lots.device_id is 'class=operational;about=The analyser.';
comment on column laboratory.qc_lots.mean is 'class=operational;about=Target mean, in the unit of the test.';
comment on column laboratory.qc_lots.sd is 'class=operational;about=Standard deviation, in the unit of the test.';
comment on column laboratory.qc_lots.source is 'class=operational;about=manufacturer, or established: then acceptance computes mean and SD from the runs.';
comment on column laboratory.qc_lots.runs_for_establishment is 'class=operational;about=How many runs acceptance needs.';
comment on column laboratory.qc_lots.opened_on is 'class=operational;about=First day of use.';
comment on column laboratory.qc_lots.expires_on is 'class=operational;about=Last day of use.';
comment on column laboratory.qc_lots.rules is 'class=operational;about=The Westgard rules that are evaluated; 1_2s warns, the others reject.';
comment on column laboratory.qc_lots.accepted_by is 'class=operational;about=Who accepted the lot for use.';
comment on column laboratory.qc_lots.accepted_at is 'class=operational;about=When; runs from then on count for the release of results.';
comment on column laboratory.qc_lots.status is 'class=operational;about=establishing, active or retired.';
select core.comment_standard_columns('laboratory.qc_lots');

alter table laboratory.qc_lots enable row level security, force row level security;
create policy tenant_isolation on laboratory.qc_lots
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger qc_lots_touch before update on laboratory.qc_lots
  for each row execute function core.update_updated_at_column('row_version');
create trigger qc_lots_test_visible before insert or update of test_id on laboratory.qc_lots
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create trigger qc_lots_transition before insert or update of status on laboratory.qc_lots
  for each row execute function core.enforce_transition('laboratory.qc_lots', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.qc_lots', '', 'establishing', false, null),
  ('laboratory.qc_lots', 'establishing', 'active', false, null),
  ('laboratory.qc_lots', 'establishing', 'retired', false, null),
  ('laboratory.qc_lots', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.qc_lots to lab_app;
grant insert (
  tenant_id, id, material, lot_number, level, test_id, device_id, mean, sd, source, runs_for_establishment, opened_on,
  expires_on, rules
) on laboratory.qc_lots to lab_app;
grant select on laboratory.qc_lots to lab_ro;
