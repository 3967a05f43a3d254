-- communication.email_messages: one e-mail to one address. One partition a month by created_at.
-- The subject is shown by mail servers and lock screens: it never holds health data.

create table communication.email_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  to_enc bytea not null,
  to_bidx bytea not null,
  subject text not null,
  body_enc bytea not null,
  attachment_document_ids uuid[] not null default '{}',
  provider text not null,
  provider_ref text,
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  bounce_kind text,
  error_code text,
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint email_messages_pkey primary key (tenant_id, id, created_at),
  constraint email_messages_provider_ref_key unique (tenant_id, provider, provider_ref, created_at),
  constraint email_messages_status_known check (
    status in (
      'queued', 'sending', 'sent', 'delivered', 'opened', 'bounced', 'complained', 'failed', 'cancelled', 'dead'
    )
  ),
  constraint email_messages_bounce_kind_known check (bounce_kind in ('hard', 'soft')),
  constraint email_messages_attempts_range check (attempts >= 0)
) partition by range (created_at);

create table communication.email_messages_default partition of communication.email_messages default;

alter table communication.email_messages
  add constraint email_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table communication.email_messages
  add constraint email_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);

create index email_messages_notification_idx on communication.email_messages (tenant_id, notification_id);
create index email_messages_to_bidx_idx on communication.email_messages (tenant_id, to_bidx, created_at);
create index email_messages_queued_idx on communication.email_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.email_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One e-mail to one address.';
comment on column communication.email_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct message.';
comment on column communication.email_messages.to_enc is 'class=pii;enc=1;about=Address it goes to, encrypted.';
comment on column communication.email_messages.to_bidx is 'class=pii;about=Blind index of the address.';
comment on column communication.email_messages.subject is 'class=pii;about=Subject line, without health data.';
comment on column communication.email_messages.body_enc is 'class=pii;enc=1;about=Body as sent, encrypted.';
comment on column communication.email_messages.attachment_document_ids is 'class=operational;about=Documents attached.';
comment on column communication.email_messages.provider is 'class=operational;about=Mail service that sends it.';
comment on column communication.email_messages.provider_ref is 'class=operational;about=The mail service''s id of the message.';
comment on column communication.email_messages.sent_at is 'class=operational;about=When the mail service took it.';
comment on column communication.email_messages.delivered_at is 'class=operational;about=When the receiving server took it.';
comment on column communication.email_messages.opened_at is 'class=operational;about=When it was opened, as far as that can be known.';
comment on column communication.email_messages.bounce_kind is 'class=operational;about=hard (the address does not exist) or soft.';
comment on column communication.email_messages.error_code is 'class=operational;about=The mail service''s error code.';
comment on column communication.email_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.email_messages.status is 'class=operational;about=queued, sending, sent, delivered, opened, bounced, complained, failed, cancelled or dead.';

select core.comment_standard_columns('communication.email_messages');

alter table communication.email_messages enable row level security, force row level security;

create policy tenant_isolation on communication.email_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.email_messages_default enable row level security, force row level security;

create policy tenant_isolation on communication.email_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger email_messages_touch before update on communication.email_messages
  for each row execute function core.update_updated_at_column('row_version');

create trigger email_messages_transition before insert or update of status on communication.email_messages
  for each row execute function core.enforce_transition('communication.email_messages', 'status');

select audit.track('communication.email_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.email_messages', '', 'queued'),
  ('communication.email_messages', 'queued', 'sending'),
  ('communication.email_messages', 'queued', 'cancelled'),
  ('communication.email_messages', 'sending', 'sent'),
  ('communication.email_messages', 'sending', 'failed'),
  ('communication.email_messages', 'sent', 'delivered'),
  ('communication.email_messages', 'sent', 'bounced'),
  ('communication.email_messages', 'sent', 'complained'),
  ('communication.email_messages', 'delivered', 'opened'),
  ('communication.email_messages', 'failed', 'queued'),
  ('communication.email_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.email_messages to notification_app;
grant select on communication.email_messages to notification_ro;
