-- laboratory.sample_events: chain of custody. One row for every state that a sample enters, written with the move by
-- laboratory.change_sample_state; the newest by occurred_at agrees with the sample.

create table laboratory.sample_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  sample_id uuid not null,
  occurred_at timestamptz not null,
  from_status text,
  to_status text not null,
  actor_id uuid not null,
  location_id uuid,
  temperature_c numeric(4, 1),
  transport_box text,
  reason_code text,
  note text,
  device_id uuid,
  client_op_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint sample_events_pkey primary key (tenant_id, id),
  constraint sample_events_sample_occurred_at_key unique (tenant_id, sample_id, occurred_at, id),
  constraint sample_events_rejected_with_reason check (to_status <> 'rejected' or reason_code is not null),
  constraint sample_events_finite check (temperature_c <> 'NaN')
);

alter table laboratory.sample_events add constraint sample_events_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.sample_events add constraint sample_events_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table laboratory.sample_events add constraint sample_events_actor_fkey
  foreign key (tenant_id, actor_id) references workforce.staff (tenant_id, id);
alter table laboratory.sample_events add constraint sample_events_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
alter table laboratory.sample_events add constraint sample_events_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);

create unique index sample_events_client_op_key on laboratory.sample_events (tenant_id, client_op_id)
  where client_op_id is not null;
create index sample_events_actor_idx on laboratory.sample_events (tenant_id, actor_id);
create index sample_events_location_idx on laboratory.sample_events (tenant_id, location_id)
  where location_id is not null;
create index sample_events_device_idx on laboratory.sample_events (tenant_id, device_id)
  where device_id is not null;

comment on table laboratory.sample_events is 'class=phi;scope=tenant;owner=lab;fhir=Specimen.processing,Provenance;retention=medical_record;append_only=1;about=Chain of custody: every change of state, hands, place or temperature.';
comment on column laboratory.sample_events.sample_id is 'class=phi;about=The sample.';
comment on column laboratory.sample_events.occurred_at is 'class=phi;about=When it happened, as the one who did it says; offline work arrives later.';
comment on column laboratory.sample_events.from_status is 'class=phi;about=State before; null for the first.';
comment on column laboratory.sample_events.to_status is 'class=phi;about=State after.';
comment on column laboratory.sample_events.actor_id is 'class=operational;about=Who had it in hand.';
comment on column laboratory.sample_events.location_id is 'class=operational;about=Where.';
comment on column laboratory.sample_events.temperature_c is 'class=phi;about=Temperature of the sample or its box, degrees Celsius.';
comment on column laboratory.sample_events.transport_box is 'class=operational;about=Box that it travelled in.';
comment on column laboratory.sample_events.reason_code is 'class=phi;about=Coded reason of a rejection or loss.';
comment on column laboratory.sample_events.note is 'class=phi;about=Remark.';
comment on column laboratory.sample_events.device_id is 'class=operational;about=Machine that made the move: sorter, analyser, fridge.';
comment on column laboratory.sample_events.client_op_id is 'class=operational;about=Id that the client gave the move; sent again it gets this row.';
select core.comment_standard_columns('laboratory.sample_events');

alter table laboratory.sample_events enable row level security, force row level security;
create policy tenant_isolation on laboratory.sample_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger sample_events_append_only before update or delete on laboratory.sample_events
  for each row execute function core.refuse_change();
create trigger sample_events_no_truncate before truncate on laboratory.sample_events
  for each statement execute function core.refuse_change();
create trigger sample_events_no_aadhaar before insert on laboratory.sample_events
  for each row execute function core.reject_aadhaar_like('note');
select audit.track('laboratory.sample_events');

grant select on laboratory.sample_events to lab_app;
grant select on laboratory.sample_events to lab_ro;
