-- communication.notification_templates: message templates per channel and language, with regulator ids.
-- What was approved is what is sent: text and ids of a template are fixed once it leaves draft; a change is a new version.

create table communication.notification_templates (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  channel text not null,
  locale text not null default 'en',
  version integer not null default 1,
  category text not null,
  subject text,
  body text not null,
  variables text[] not null default '{}',
  dlt_template_id text,
  dlt_entity_id text,
  whatsapp_template text,
  phi_allowed boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint notification_templates_pkey primary key (id),
  constraint notification_templates_version_key unique nulls not distinct (tenant_id, code, channel, locale, version),
  constraint notification_templates_code_form check (code ~ '^[a-z0-9_.]+$'),
  constraint notification_templates_channel_known check (channel in ('in_app', 'sms', 'whatsapp', 'email', 'push')),
  constraint notification_templates_category_known check (category in ('transactional', 'service', 'promotional')),
  constraint notification_templates_status_known check (status in ('draft', 'approved', 'active', 'retired')),
  constraint notification_templates_version_range check (version >= 1),
  constraint notification_templates_no_phi_outside check (channel not in ('sms', 'email', 'whatsapp') or not phi_allowed),
  constraint notification_templates_whatsapp_has_name check (channel <> 'whatsapp' or whatsapp_template is not null)
);

alter table communication.notification_templates
  add constraint notification_templates_tenant_fkey foreign key (tenant_id) references core.tenants (id);

comment on table communication.notification_templates is 'class=operational;scope=shared;owner=notification;fhir=none;retention=operational;about=The text of a message for one channel and language, in one version.';
comment on column communication.notification_templates.code is 'class=operational;about=Dotted name that callers use, such as appointment.reminder.';
comment on column communication.notification_templates.channel is 'class=operational;about=in_app, sms, whatsapp, email or push.';
comment on column communication.notification_templates.locale is 'class=operational;about=Language of the text (BCP 47).';
comment on column communication.notification_templates.version is 'class=operational;about=Counted up for each new text; the highest active version is sent.';
comment on column communication.notification_templates.category is 'class=operational;about=transactional, service or promotional; promotional messages need an opt-in.';
comment on column communication.notification_templates.subject is 'class=operational;about=Subject line or title.';
comment on column communication.notification_templates.body is 'class=operational;about=Text with its variables in braces.';
comment on column communication.notification_templates.variables is 'class=operational;about=Names of the variables that the text needs.';
comment on column communication.notification_templates.dlt_template_id is 'class=operational;about=Template id of the Indian DLT registry; without it no SMS goes out in India.';
comment on column communication.notification_templates.dlt_entity_id is 'class=operational;about=Id of the sending organisation in the DLT registry.';
comment on column communication.notification_templates.whatsapp_template is 'class=operational;about=Name under which WhatsApp approved the template.';
comment on column communication.notification_templates.phi_allowed is 'class=operational;about=Whether variables may hold health data; never on sms, whatsapp and email.';
comment on column communication.notification_templates.status is 'class=operational;about=draft, approved, active or retired.';

select core.comment_standard_columns('communication.notification_templates');

alter table communication.notification_templates enable row level security, force row level security;

create policy tenant_isolation on communication.notification_templates
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create policy shared_rows on communication.notification_templates for select using (tenant_id is null);

create function communication.check_template() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if
    new.channel = 'sms' and new.status = 'active' and new.dlt_template_id is null
    and exists (select from core.tenants t where t.id = new.tenant_id and t.country = 'IN')
  then
    raise exception 'template % has no DLT id', new.id
      using errcode = 'IM006', hint = 'register the text with the DLT registry and set dlt_template_id before it is active';
  end if;
  if tg_op = 'UPDATE' and old.status <> 'draft' and
    (new.code, new.channel, new.locale, new.version, new.category, new.subject, new.body, new.variables,
     new.dlt_template_id, new.dlt_entity_id, new.whatsapp_template, new.phi_allowed)
    is distinct from
    (old.code, old.channel, old.locale, old.version, old.category, old.subject, old.body, old.variables,
     old.dlt_template_id, old.dlt_entity_id, old.whatsapp_template, old.phi_allowed)
  then
    raise exception 'template % is approved and cannot be changed', new.id
      using errcode = 'IM006', hint = 'add the changed text as a new version';
  end if;
  return new;
end
$$;

comment on function communication.check_template() is 'about=Before insert or update: an active SMS template of an Indian tenant needs its DLT id, and only drafts can be changed (IM006).';

create trigger notification_templates_check before insert or update on communication.notification_templates
  for each row execute function communication.check_template();

create trigger notification_templates_touch before update on communication.notification_templates
  for each row execute function core.update_updated_at_column('row_version');

create trigger notification_templates_transition before insert or update of status on communication.notification_templates
  for each row execute function core.enforce_transition('communication.notification_templates', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.notification_templates', '', 'draft'),
  ('communication.notification_templates', 'draft', 'approved'),
  ('communication.notification_templates', 'draft', 'retired'),
  ('communication.notification_templates', 'approved', 'active'),
  ('communication.notification_templates', 'approved', 'retired'),
  ('communication.notification_templates', 'active', 'retired')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.notification_templates to notification_app;
grant select on communication.notification_templates to notification_ro;
