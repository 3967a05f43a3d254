-- compliance.legal_holds: while a hold is active nothing that it covers is erased, whatever retention or the person says. The
-- one who placed it does not release it.

create table compliance.legal_holds (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  hold_number text not null,
  scope jsonb not null default '{}',
  patient_id uuid,
  reason text not null,
  authority text,
  placed_by uuid not null,
  placed_at timestamptz not null default now(),
  released_by uuid,
  released_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint legal_holds_pkey primary key (tenant_id, id),
  constraint legal_holds_number_key unique (tenant_id, hold_number),
  constraint legal_holds_status_check check (status in ('active', 'released')),
  constraint legal_holds_released_by_another check (
    status <> 'released' or (released_at is not null and released_by is not null and released_by <> placed_by)
  ),
  constraint legal_holds_scope_is_known check (
    jsonb_typeof(scope) = 'object' and scope - '{all,schema,table,row_ids}'::text[] = '{}'
    and (not scope ? 'table' or scope ? 'schema') and (not scope ? 'row_ids' or scope ? 'table')
  ),
  constraint legal_holds_cover_something check (patient_id is not null or scope <> '{}')
);

alter table compliance.legal_holds add constraint legal_holds_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.legal_holds add constraint legal_holds_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table compliance.legal_holds add constraint legal_holds_placed_by_fkey
  foreign key (tenant_id, placed_by) references auth.users (tenant_id, id);
alter table compliance.legal_holds add constraint legal_holds_released_by_fkey
  foreign key (tenant_id, released_by) references auth.users (tenant_id, id);

create index legal_holds_patient_idx on compliance.legal_holds (tenant_id, patient_id)
  where patient_id is not null;
create index legal_holds_active_idx on compliance.legal_holds (tenant_id, patient_id) where status = 'active';
create index legal_holds_placed_by_idx on compliance.legal_holds (tenant_id, placed_by);
create index legal_holds_released_by_idx on compliance.legal_holds (tenant_id, released_by)
  where released_by is not null;

comment on table compliance.legal_holds is 'class=operational;scope=tenant;owner=business;fhir=none;retention=operational;about=Freezes that beat retention and erasure.';
comment on column compliance.legal_holds.hold_number is 'class=operational;about=Number of the hold, LH-YY-n.';
comment on column compliance.legal_holds.scope is 'class=operational;about=What it covers: {"schema": .., "table": .., "row_ids": [..]}, each narrowing; {"all": true} for the whole tenant; {} with a patient for all of theirs.';
comment on column compliance.legal_holds.patient_id is 'class=phi;about=The patient whose data it covers, all patients when empty.';
comment on column compliance.legal_holds.reason is 'class=operational;about=Why: litigation, inquiry, audit.';
comment on column compliance.legal_holds.authority is 'class=operational;about=Who ordered it, with the reference of the order.';
comment on column compliance.legal_holds.placed_by is 'class=operational;about=The user who placed it.';
comment on column compliance.legal_holds.placed_at is 'class=operational;about=Since when.';
comment on column compliance.legal_holds.released_by is 'class=operational;about=Another user, who released it.';
comment on column compliance.legal_holds.released_at is 'class=operational;about=Until when.';
comment on column compliance.legal_holds.status is 'class=operational;about=active or released.';
select core.comment_standard_columns('compliance.legal_holds');

alter table compliance.legal_holds enable row level security, force row level security;
create policy tenant_isolation on compliance.legal_holds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger legal_holds_no_aadhaar before insert or update of reason, authority on compliance.legal_holds
  for each row execute function core.reject_aadhaar_like('reason', 'authority');
create trigger legal_holds_touch before update on compliance.legal_holds
  for each row execute function core.update_updated_at_column('row_version');
create trigger legal_holds_transition before insert or update of status on compliance.legal_holds
  for each row execute function core.enforce_transition('compliance.legal_holds', 'status');
select audit.track('compliance.legal_holds');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.legal_holds', '', 'active', false, null),
  ('compliance.legal_holds', 'active', 'released', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.legal_holds to business_app;
grant select on compliance.legal_holds to business_ro;
