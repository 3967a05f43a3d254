-- laboratory.critical_notifications: proof that a critical value reached someone who can act. Only one with read-back counts:
-- without it the report is not issued (IM313). Attempts that reached nobody are rows too.

create table laboratory.critical_notifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  result_id uuid,
  imaging_result_id uuid,
  patient_id uuid not null,
  notified_to text not null,
  notified_staff_id uuid,
  notified_by uuid not null,
  channel text not null,
  detected_at timestamptz not null,
  notified_at timestamptz not null,
  read_back boolean not null default false,
  within_target boolean generated always as (notified_at - detected_at <= interval '30 minutes') stored,
  escalation_level smallint not null default 0,
  outcome text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint critical_notifications_pkey primary key (tenant_id, id),
  constraint critical_notifications_channel_check check (channel in ('phone', 'in_person', 'app')),
  constraint critical_notifications_one_subject check (num_nonnulls(result_id, imaging_result_id) = 1),
  constraint critical_notifications_told_after_detection check (notified_at >= detected_at)
);

alter table laboratory.critical_notifications add constraint critical_notifications_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.critical_notifications add constraint critical_notifications_result_fkey
  foreign key (tenant_id, result_id) references laboratory.lab_results (tenant_id, id);
alter table laboratory.critical_notifications add constraint critical_notifications_imaging_result_fkey
  foreign key (tenant_id, imaging_result_id) references clinical.imaging_results (tenant_id, id);
alter table laboratory.critical_notifications add constraint critical_notifications_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table laboratory.critical_notifications add constraint critical_notifications_notified_staff_fkey
  foreign key (tenant_id, notified_staff_id) references workforce.staff (tenant_id, id);
alter table laboratory.critical_notifications add constraint critical_notifications_notified_by_fkey
  foreign key (tenant_id, notified_by) references workforce.staff (tenant_id, id);

create index critical_notifications_result_idx on laboratory.critical_notifications (tenant_id, result_id)
  where result_id is not null;
create index critical_notifications_imaging_result_idx on laboratory.critical_notifications (tenant_id, imaging_result_id)
  where imaging_result_id is not null;
create index critical_notifications_patient_idx on laboratory.critical_notifications (tenant_id, patient_id);
create index critical_notifications_notified_staff_idx on laboratory.critical_notifications (tenant_id, notified_staff_id)
  where notified_staff_id is not null;
create index critical_notifications_notified_by_idx on laboratory.critical_notifications (tenant_id, notified_by);

comment on table laboratory.critical_notifications is 'class=phi;scope=tenant;owner=lab;fhir=Communication;retention=medical_record;append_only=1;about=Proof that a critical value reached someone who can act, with read-back.';
comment on column laboratory.critical_notifications.result_id is 'class=phi;about=The critical laboratory result.';
comment on column laboratory.critical_notifications.imaging_result_id is 'class=phi;about=The critical finding of imaging.';
comment on column laboratory.critical_notifications.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.critical_notifications.notified_to is 'class=operational;about=Who was told: role or name.';
comment on column laboratory.critical_notifications.notified_staff_id is 'class=operational;about=The same as a member of staff, when it is one.';
comment on column laboratory.critical_notifications.notified_by is 'class=operational;about=Who told.';
comment on column laboratory.critical_notifications.channel is 'class=operational;about=phone, in_person or app.';
comment on column laboratory.critical_notifications.detected_at is 'class=phi;about=When the value was known to be critical.';
comment on column laboratory.critical_notifications.notified_at is 'class=phi;about=When it was told.';
comment on column laboratory.critical_notifications.read_back is 'class=phi;about=Whether the listener read the value back.';
comment on column laboratory.critical_notifications.within_target is 'class=phi;about=Whether it was told within 30 minutes.';
comment on column laboratory.critical_notifications.escalation_level is 'class=operational;about=How many were asked before.';
comment on column laboratory.critical_notifications.outcome is 'class=phi;about=What the listener said or will do.';
select core.comment_standard_columns('laboratory.critical_notifications');

alter table laboratory.critical_notifications enable row level security, force row level security;
create policy tenant_isolation on laboratory.critical_notifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger critical_notifications_append_only before update or delete on laboratory.critical_notifications
  for each row execute function core.refuse_change();
create trigger critical_notifications_no_truncate before truncate on laboratory.critical_notifications
  for each statement execute function core.refuse_change();
create trigger critical_notifications_no_aadhaar before insert on laboratory.critical_notifications
  for each row execute function core.reject_aadhaar_like('notified_to', 'outcome');
select audit.track('laboratory.critical_notifications');

grant select on laboratory.critical_notifications to lab_app;
grant select on laboratory.critical_notifications to lab_ro;
