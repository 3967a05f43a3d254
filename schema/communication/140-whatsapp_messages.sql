-- communication.whatsapp_messages: messages in and out. One partition a month by created_at.
-- Outside the 24-hour session that an inbound message opens, WhatsApp takes approved templates only.

create table communication.whatsapp_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  direction text not null,
  wa_id_enc bytea not null,
  wa_id_bidx bytea not null,
  template_name text,
  body_enc bytea,
  media_document_id uuid, -- the ehr module adds the foreign key to ehr.documents
  provider_ref text,
  conversation_ref text,
  session_expires_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  error_code text,
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint whatsapp_messages_pkey primary key (tenant_id, id, created_at),
  constraint whatsapp_messages_provider_ref_key unique (tenant_id, provider_ref, created_at),
  constraint whatsapp_messages_direction_known check (direction in ('in', 'out')),
  constraint whatsapp_messages_status_known check (
    status in ('queued', 'sending', 'sent', 'delivered', 'read', 'received', 'failed', 'cancelled', 'dead')
  ),
  constraint whatsapp_messages_received_is_inbound check (direction = 'in' or status <> 'received'),
  constraint whatsapp_messages_template_or_session check (
    direction = 'in' or template_name is not null or coalesce(session_expires_at > created_at, false)
  ),
  constraint whatsapp_messages_attempts_range check (attempts >= 0)
) partition by range (created_at);

create table communication.whatsapp_messages_default partition of communication.whatsapp_messages default;

alter table communication.whatsapp_messages
  add constraint whatsapp_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table communication.whatsapp_messages
  add constraint whatsapp_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);

create index whatsapp_messages_notification_idx on communication.whatsapp_messages (tenant_id, notification_id);
create index whatsapp_messages_wa_id_bidx_idx on communication.whatsapp_messages (tenant_id, wa_id_bidx, created_at);
create index whatsapp_messages_queued_idx on communication.whatsapp_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.whatsapp_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One WhatsApp message, in or out.';
comment on column communication.whatsapp_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct or inbound message.';
comment on column communication.whatsapp_messages.direction is 'class=operational;about=in or out.';
comment on column communication.whatsapp_messages.wa_id_enc is 'class=pii;enc=1;mask=last4;about=The other side''s WhatsApp id, encrypted.';
comment on column communication.whatsapp_messages.wa_id_bidx is 'class=pii;about=Blind index of the WhatsApp id.';
comment on column communication.whatsapp_messages.template_name is 'class=operational;about=Approved template it was sent with.';
comment on column communication.whatsapp_messages.body_enc is 'class=pii;enc=1;about=Text, encrypted; null for media only.';
comment on column communication.whatsapp_messages.media_document_id is 'class=operational;about=Document sent or received with it.';
comment on column communication.whatsapp_messages.provider_ref is 'class=operational;about=WhatsApp''s id of the message.';
comment on column communication.whatsapp_messages.conversation_ref is 'class=operational;about=WhatsApp''s id of the conversation.';
comment on column communication.whatsapp_messages.session_expires_at is 'class=operational;about=Until when free text may be sent.';
comment on column communication.whatsapp_messages.sent_at is 'class=operational;about=When WhatsApp took it.';
comment on column communication.whatsapp_messages.delivered_at is 'class=operational;about=When it reached the phone.';
comment on column communication.whatsapp_messages.read_at is 'class=operational;about=When it was read.';
comment on column communication.whatsapp_messages.error_code is 'class=operational;about=WhatsApp''s error code.';
comment on column communication.whatsapp_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.whatsapp_messages.status is 'class=operational;about=queued, sending, sent, delivered, read, received (inbound), failed, cancelled or dead.';

select core.comment_standard_columns('communication.whatsapp_messages');

alter table communication.whatsapp_messages enable row level security, force row level security;

create policy tenant_isolation on communication.whatsapp_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.whatsapp_messages_default enable row level security, force row level security;

create policy tenant_isolation on communication.whatsapp_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger whatsapp_messages_touch before update on communication.whatsapp_messages
  for each row execute function core.update_updated_at_column('row_version');

create trigger whatsapp_messages_transition before insert or update of status on communication.whatsapp_messages
  for each row execute function core.enforce_transition('communication.whatsapp_messages', 'status');

select audit.track('communication.whatsapp_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.whatsapp_messages', '', 'queued'),
  ('communication.whatsapp_messages', '', 'received'),
  ('communication.whatsapp_messages', 'queued', 'sending'),
  ('communication.whatsapp_messages', 'queued', 'cancelled'),
  ('communication.whatsapp_messages', 'queued', 'received'),
  ('communication.whatsapp_messages', 'sending', 'sent'),
  ('communication.whatsapp_messages', 'sending', 'failed'),
  ('communication.whatsapp_messages', 'sent', 'delivered'),
  ('communication.whatsapp_messages', 'sent', 'failed'),
  ('communication.whatsapp_messages', 'delivered', 'read'),
  ('communication.whatsapp_messages', 'failed', 'queued'),
  ('communication.whatsapp_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.whatsapp_messages to notification_app;
grant select on communication.whatsapp_messages to notification_ro;
