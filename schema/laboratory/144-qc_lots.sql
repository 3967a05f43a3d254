-- laboratory.qc_lots: Control material lots with target mean and SD per test and analyser.

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
  rules text[] not null default '{}',
  status text not null default 'establishing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint qc_lots_pkey primary key (tenant_id, id),
  constraint qc_lots_lot_number_level_key unique (tenant_id, lot_number, level, test_id, device_id),
  constraint qc_lots_level_check check (level in ('L1', 'L2', 'L3')),
  constraint qc_lots_source_check check (source in ('manufacturer', 'established')),
  constraint qc_lots_status_check check (status in ('establishing', 'active', 'retired')),
  constraint qc_lots_sd_rule check (sd > 0),
  constraint qc_lots_expires_on_rule check (expires_on > opened_on),
  constraint qc_lots_rules_rule check (rules <@ array['1_2s','1_3s','2_2s','R_4s','4_1s','10_x'])
);

alter table laboratory.qc_lots add constraint qc_lots_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.qc_lots add constraint qc_lots_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.qc_lots add constraint qc_lots_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);

create index qc_lots_test_idx on laboratory.qc_lots (test_id, tenant_id);
comment on index laboratory.qc_lots_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index qc_lots_device_idx on laboratory.qc_lots (tenant_id, device_id);

comment on table laboratory.qc_lots is 'class=operational;scope=tenant;owner=lab;fhir=Substance;retention=operational;about=Control material lots with target mean and SD per test and analyser.';
comment on column laboratory.qc_lots.material is 'class=operational;about=?';
comment on column laboratory.qc_lots.lot_number is 'class=operational;about=?';
comment on column laboratory.qc_lots.level is 'class=operational;about=?';
comment on column laboratory.qc_lots.test_id is 'class=operational;about=?';
comment on column laboratory.qc_lots.device_id is 'class=operational;about=?';
comment on column laboratory.qc_lots.mean is 'class=operational;about=?';
comment on column laboratory.qc_lots.sd is 'class=operational;about=?';
comment on column laboratory.qc_lots.source is 'class=operational;about=?';
comment on column laboratory.qc_lots.runs_for_establishment is 'class=operational;about=?';
comment on column laboratory.qc_lots.opened_on is 'class=operational;about=?';
comment on column laboratory.qc_lots.expires_on is 'class=operational;about=?';
comment on column laboratory.qc_lots.rules is 'class=operational;about=?';
comment on column laboratory.qc_lots.status is 'class=operational;about=?';
select core.comment_standard_columns('laboratory.qc_lots');

alter table laboratory.qc_lots enable row level security;
alter table laboratory.qc_lots force row level security;
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

grant select, insert, update on laboratory.qc_lots to lab_app;
grant select on laboratory.qc_lots to lab_ro;
