-- communication.notifications: one thing to tell someone. A dispatcher claims it, sends it over the template's channel
-- (a row of sms_messages, whatsapp_messages or email_messages) and reports how it went.

create table communication.notifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  template_id uuid,
  recipient_type text not null,
  recipient_id uuid not null,
  purpose text not null,
  payload_enc bytea not null,
  priority text not null default 'normal',
  dedupe_key text not null,
  scheduled_at timestamptz not null default now(),
  expires_at timestamptz,
  read_at timestamptz,
  subject_type text,
  subject_id uuid,
  suppressed_reason text,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint notifications_pkey primary key (tenant_id, id),
  constraint notifications_dedupe_key unique (tenant_id, dedupe_key),
  constraint notifications_recipient_type_known check (recipient_type in ('patient', 'user', 'contact')),
  constraint notifications_priority_known check (priority in ('low', 'normal', 'high', 'critical')),
  constraint notifications_status_known check (
    status in (
      'pending', 'processing', 'sent', 'partially_sent', 'read', 'failed', 'suppressed', 'cancelled', 'dead'
    )
  ),
  constraint notifications_expire_after_schedule check (status = 'suppressed' or expires_at > scheduled_at),
  constraint notifications_suppressed_has_reason check (status <> 'suppressed' or suppressed_reason is not null),
  constraint notifications_subject_is_whole check ((subject_type is null) = (subject_id is null))
);

alter table communication.notifications
  add constraint notifications_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table communication.notifications
  add constraint notifications_template_fkey foreign key (template_id) references communication.notification_templates (id);

create index notifications_template_idx on communication.notifications (template_id, tenant_id);
comment on index communication.notifications_template_idx is 'about=Led by the template: a shared template is looked up over all tenants when it is deleted.';
create index notifications_due_idx on communication.notifications (tenant_id, scheduled_at) where status = 'pending';
create index notifications_processing_idx on communication.notifications (tenant_id, updated_at)
  where status = 'processing';
create index notifications_recipient_idx on communication.notifications (tenant_id, recipient_id, created_at);
create index notifications_subject_idx on communication.notifications (tenant_id, subject_id)
  where subject_id is not null;

comment on table communication.notifications is 'class=phi;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;about=One thing to tell one person.';
comment on column communication.notifications.template_id is 'class=operational;about=The text and channel it is sent with.';
comment on column communication.notifications.recipient_type is 'class=operational;about=patient, user or contact.';
comment on column communication.notifications.recipient_id is 'class=phi;about=The person it is for, in the table that recipient_type names.';
comment on column communication.notifications.purpose is 'class=phi;about=Why it is sent, such as appointment.reminder.';
comment on column communication.notifications.payload_enc is 'class=phi;enc=1;about=Values of the template''s variables, encrypted.';
comment on column communication.notifications.priority is 'class=operational;about=low, normal, high or critical; critical ones are sent in quiet hours too.';
comment on column communication.notifications.dedupe_key is 'class=operational;about=The caller''s key: one notification per key.';
comment on column communication.notifications.scheduled_at is 'class=operational;about=Not sent before this moment; moved behind the quiet hours of the person.';
comment on column communication.notifications.expires_at is 'class=operational;about=Not sent after this moment.';
comment on column communication.notifications.read_at is 'class=operational;about=When the person read it.';
comment on column communication.notifications.subject_type is 'class=operational;about=Table of the row it tells about, such as scheduling.appointments.';
comment on column communication.notifications.subject_id is 'class=operational;about=The row it tells about.';
comment on column communication.notifications.suppressed_reason is 'class=operational;about=Why it is not sent: opted_out, no_opt_in, bounced or quiet_until_expiry.';
comment on column communication.notifications.status is 'class=operational;about=pending, processing, sent, partially_sent, read, failed, suppressed, cancelled or dead.';

select core.comment_standard_columns('communication.notifications');

alter table communication.notifications enable row level security, force row level security;

create policy tenant_isolation on communication.notifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger notifications_touch before update on communication.notifications
  for each row execute function core.update_updated_at_column('row_version');

create trigger notifications_transition before insert or update of status on communication.notifications
  for each row execute function core.enforce_transition('communication.notifications', 'status');

create trigger notifications_template_id_visible before insert or update of template_id on communication.notifications
  for each row execute function core.check_shared_reference('template_id', 'communication.notification_templates');

select audit.track('communication.notifications');

insert into core.transition_rules (machine, from_state, to_state, guard) values
  ('communication.notifications', '', 'pending', null),
  ('communication.notifications', '', 'suppressed', 'the person''s preferences forbid it'),
  ('communication.notifications', 'pending', 'processing', 'claimed'),
  ('communication.notifications', 'pending', 'cancelled', null),
  ('communication.notifications', 'pending', 'suppressed', null),
  ('communication.notifications', 'processing', 'sent', null),
  ('communication.notifications', 'processing', 'failed', null),
  ('communication.notifications', 'processing', 'partially_sent', null),
  ('communication.notifications', 'sent', 'read', null),
  ('communication.notifications', 'partially_sent', 'sent', null),
  ('communication.notifications', 'partially_sent', 'failed', null),
  ('communication.notifications', 'failed', 'pending', 'tried again'),
  ('communication.notifications', 'failed', 'dead', null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.notifications to notification_app;
grant select on communication.notifications to notification_ro;
