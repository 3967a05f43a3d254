-- communication.sms_messages: one SMS to one number. One partition a month by created_at.

create table communication.sms_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  to_enc bytea not null,
  to_bidx bytea not null,
  body_enc bytea not null,
  segments smallint not null default 1,
  provider text not null,
  provider_ref text,
  dlt_template_id text,
  sent_at timestamptz,
  delivered_at timestamptz,
  error_code text,
  cost numeric(14,2),
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint sms_messages_pkey primary key (tenant_id, id, created_at),
  constraint sms_messages_provider_ref_key unique (tenant_id, provider, provider_ref, created_at),
  constraint sms_messages_status_known check (
    status in ('queued', 'sending', 'sent', 'delivered', 'failed', 'expired', 'cancelled', 'dead')
  ),
  constraint sms_messages_segments_range check (segments between 1 and 20),
  constraint sms_messages_attempts_range check (attempts >= 0),
  constraint sms_messages_cost_range check (cost >= 0)
) partition by range (created_at);

create table communication.sms_messages_default partition of communication.sms_messages default;

alter table communication.sms_messages
  add constraint sms_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table communication.sms_messages
  add constraint sms_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);

create index sms_messages_notification_idx on communication.sms_messages (tenant_id, notification_id);
create index sms_messages_to_bidx_idx on communication.sms_messages (tenant_id, to_bidx, created_at);
create index sms_messages_queued_idx on communication.sms_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.sms_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One SMS to one number.';
comment on column communication.sms_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct message.';
comment on column communication.sms_messages.to_enc is 'class=pii;enc=1;mask=last4;about=Number it goes to, encrypted.';
comment on column communication.sms_messages.to_bidx is 'class=pii;about=Blind index of the number.';
comment on column communication.sms_messages.body_enc is 'class=pii;enc=1;about=Text as sent, encrypted.';
comment on column communication.sms_messages.segments is 'class=operational;about=How many parts the text takes.';
comment on column communication.sms_messages.provider is 'class=operational;about=Gateway that sends it.';
comment on column communication.sms_messages.provider_ref is 'class=operational;about=The gateway''s id of the message.';
comment on column communication.sms_messages.dlt_template_id is 'class=operational;about=DLT template id it was sent under.';
comment on column communication.sms_messages.sent_at is 'class=operational;about=When the gateway took it.';
comment on column communication.sms_messages.delivered_at is 'class=operational;about=When it reached the phone.';
comment on column communication.sms_messages.error_code is 'class=operational;about=The gateway''s error code.';
comment on column communication.sms_messages.cost is 'class=financial;about=What the gateway charged, in the tenant''s currency.';
comment on column communication.sms_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.sms_messages.status is 'class=operational;about=queued, sending, sent, delivered, failed, expired, cancelled or dead.';

select core.comment_standard_columns('communication.sms_messages');

alter table communication.sms_messages enable row level security, force row level security;

create policy tenant_isolation on communication.sms_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.sms_messages_default enable row level security, force row level security;

create policy tenant_isolation on communication.sms_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger sms_messages_touch before update on communication.sms_messages
  for each row execute function core.update_updated_at_column('row_version');

create trigger sms_messages_transition before insert or update of status on communication.sms_messages
  for each row execute function core.enforce_transition('communication.sms_messages', 'status');

select audit.track('communication.sms_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.sms_messages', '', 'queued'),
  ('communication.sms_messages', 'queued', 'sending'),
  ('communication.sms_messages', 'queued', 'cancelled'),
  ('communication.sms_messages', 'sending', 'sent'),
  ('communication.sms_messages', 'sending', 'failed'),
  ('communication.sms_messages', 'sent', 'delivered'),
  ('communication.sms_messages', 'sent', 'failed'),
  ('communication.sms_messages', 'sent', 'expired'),
  ('communication.sms_messages', 'failed', 'queued'),
  ('communication.sms_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.sms_messages to notification_app;
grant select on communication.sms_messages to notification_ro;
