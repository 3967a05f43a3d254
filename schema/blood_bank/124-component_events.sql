-- blood_bank.component_events: the custody and temperature trail of every unit, one row a move, written together with
-- the move by blood_bank.move_unit. Append-only.

create table blood_bank.component_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  component_id uuid not null,
  occurred_at timestamptz not null default clock_timestamp(),
  from_status text,
  to_status text not null,
  actor_id uuid,
  second_actor_id uuid,
  location_id uuid,
  temperature_c numeric(4, 1),
  out_of_storage_minutes smallint,
  reason_code text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint component_events_pkey primary key (tenant_id, id, occurred_at),
  constraint component_events_reason_of_returns_and_discards check (
    to_status not in ('discarded', 'returned') or reason_code is not null
  ),
  constraint component_events_restocked_within_30_minutes check (
    to_status <> 'available' or from_status is distinct from 'returned' or coalesce(out_of_storage_minutes <= 30, false)
  ),
  -- only jobs free and expire units without a person
  constraint component_events_actor_known check (actor_id is not null or to_status in ('available', 'expired')),
  constraint component_events_finite check (temperature_c <> 'NaN')
) partition by range (occurred_at);

create table blood_bank.component_events_default partition of blood_bank.component_events default;

alter table blood_bank.component_events add constraint component_events_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.component_events add constraint component_events_component_fkey
  foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id);
alter table blood_bank.component_events add constraint component_events_actor_fkey
  foreign key (tenant_id, actor_id) references workforce.staff (tenant_id, id);
alter table blood_bank.component_events add constraint component_events_second_actor_fkey
  foreign key (tenant_id, second_actor_id) references workforce.staff (tenant_id, id);
alter table blood_bank.component_events add constraint component_events_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);

create index component_events_component_idx on blood_bank.component_events (tenant_id, component_id, occurred_at);
create index component_events_actor_idx on blood_bank.component_events (tenant_id, actor_id)
  where actor_id is not null;
create index component_events_second_actor_idx on blood_bank.component_events (tenant_id, second_actor_id)
  where second_actor_id is not null;
create index component_events_location_idx on blood_bank.component_events (tenant_id, location_id)
  where location_id is not null;

comment on table blood_bank.component_events is 'class=phi;scope=tenant;owner=lab;fhir=Provenance;retention=medical_record;append_only=1;partition=month;about=Custody and temperature trail of every unit.';
comment on column blood_bank.component_events.component_id is 'class=operational;about=The unit.';
comment on column blood_bank.component_events.occurred_at is 'class=operational;about=When it moved; months are partitions. Moves of one transaction keep their order.';
comment on column blood_bank.component_events.from_status is 'class=operational;about=State before; null for a unit that was made.';
comment on column blood_bank.component_events.to_status is 'class=operational;about=State after.';
comment on column blood_bank.component_events.actor_id is 'class=operational;about=Member of staff who moved it; null when a job did.';
comment on column blood_bank.component_events.second_actor_id is 'class=operational;about=Second person: the one who received or brought it back.';
comment on column blood_bank.component_events.location_id is 'class=operational;about=Where it was put.';
comment on column blood_bank.component_events.temperature_c is 'class=operational;about=Temperature of the unit in degrees Celsius, when it was measured.';
comment on column blood_bank.component_events.out_of_storage_minutes is 'class=operational;about=Minutes that a returned unit was out of controlled storage.';
comment on column blood_bank.component_events.reason_code is 'class=operational;about=Why; required for returns and discards.';
select core.comment_standard_columns('blood_bank.component_events');

alter table blood_bank.component_events enable row level security, force row level security;
create policy tenant_isolation on blood_bank.component_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table blood_bank.component_events_default enable row level security, force row level security;
create policy tenant_isolation on blood_bank.component_events_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger component_events_append_only before update or delete on blood_bank.component_events
  for each row execute function core.refuse_change();
create trigger component_events_no_truncate before truncate on blood_bank.component_events
  for each statement execute function core.refuse_change();
create trigger component_events_default_no_truncate before truncate on blood_bank.component_events_default
  for each statement execute function core.refuse_change();
select audit.track('blood_bank.component_events');

grant select on blood_bank.component_events to lab_app;
grant select on blood_bank.component_events to lab_ro;
