-- communication.contact_preferences: what a person agreed to receive, per channel and category. Without a row,
-- transactional and service messages are allowed and promotional ones are not.

create table communication.contact_preferences (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  subject_type text not null,
  subject_id uuid not null,
  channel text not null,
  category text not null,
  opted_in boolean not null default false,
  consent_id uuid, -- the compliance module adds the foreign key to compliance.consents
  consent_expires_at timestamptz, -- and keeps this
  quiet_hours communication.timemultirange,
  locale text,
  push_token_hash bytea,
  push_token_enc bytea,
  bounced boolean not null default false,
  changed_at timestamptz not null default now(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint contact_preferences_pkey primary key (tenant_id, id),
  constraint contact_preferences_subject_key unique (tenant_id, subject_type, subject_id, channel, category),
  constraint contact_preferences_subject_type_known check (subject_type in ('patient', 'user', 'contact')),
  constraint contact_preferences_channel_known check (channel in ('in_app', 'sms', 'whatsapp', 'email', 'push')),
  constraint contact_preferences_category_known check (category in ('transactional', 'service', 'promotional')),
  constraint contact_preferences_promotional_needs_consent check (
    category <> 'promotional' or not opted_in or consent_id is not null
  ),
  constraint contact_preferences_push_token_is_whole check ((push_token_hash is null) = (push_token_enc is null))
);

alter table communication.contact_preferences
  add constraint contact_preferences_tenant_fkey foreign key (tenant_id) references core.tenants (id);

comment on table communication.contact_preferences is 'class=pii;scope=tenant;owner=notification;fhir=Consent;retention=medical_record;about=What a person agreed to receive over one channel, and when.';
comment on column communication.contact_preferences.subject_type is 'class=operational;about=patient, user or contact.';
comment on column communication.contact_preferences.subject_id is 'class=pii;about=The person, in the table that subject_type names.';
comment on column communication.contact_preferences.channel is 'class=operational;about=in_app, sms, whatsapp, email or push.';
comment on column communication.contact_preferences.category is 'class=operational;about=transactional, service or promotional.';
comment on column communication.contact_preferences.opted_in is 'class=pii;about=Whether such messages may be sent.';
comment on column communication.contact_preferences.consent_id is 'class=pii;about=The consent that an opt-in to promotional messages rests on.';
comment on column communication.contact_preferences.consent_expires_at is 'class=pii;about=When that consent ends by itself: nothing is sent under it after this moment.';
comment on column communication.contact_preferences.quiet_hours is 'class=pii;about=Times of the day, in the tenant''s zone, when only critical messages are sent.';
comment on column communication.contact_preferences.locale is 'class=pii;about=Language the person wants (BCP 47).';
comment on column communication.contact_preferences.push_token_hash is 'class=pii;about=Hash of the device''s push token, to find it again.';
comment on column communication.contact_preferences.push_token_enc is 'class=pii;enc=1;about=The device''s push token, encrypted.';
comment on column communication.contact_preferences.bounced is 'class=pii;about=The address does not work: nothing is sent until it is corrected.';
comment on column communication.contact_preferences.changed_at is 'class=operational;about=When the person last decided.';

select core.comment_standard_columns('communication.contact_preferences');

alter table communication.contact_preferences enable row level security, force row level security;

create policy tenant_isolation on communication.contact_preferences
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger contact_preferences_touch before update on communication.contact_preferences
  for each row execute function core.update_updated_at_column('row_version');

select audit.track('communication.contact_preferences');

grant select, insert, update on communication.contact_preferences to notification_app;
grant select on communication.contact_preferences to notification_ro;
