-- ehr.document_templates: Versioned print layouts, forms and instruments.

create table ehr.document_templates (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version integer not null default 1,
  kind text not null,
  name text not null,
  locale text not null,
  schema jsonb not null default '{}',
  body text,
  approved_by uuid,
  effective_from date,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint document_templates_pkey primary key (id),
  constraint document_templates_code_version_key unique nulls not distinct (tenant_id, code, version, locale),
  constraint document_templates_kind_check check (
    kind in ('print', 'form', 'letter', 'consent', 'certificate', 'label')
  ),
  constraint document_templates_status_check check (status in ('draft', 'active', 'withdrawn', 'retired'))
);

alter table ehr.document_templates add constraint document_templates_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table ehr.document_templates is 'class=operational;scope=shared;owner=ehr;fhir=Questionnaire;retention=operational;about=Versioned print layouts, forms and instruments.';
comment on column ehr.document_templates.code is 'class=operational;about=?';
comment on column ehr.document_templates.version is 'class=operational;about=?';
comment on column ehr.document_templates.kind is 'class=operational;about=?';
comment on column ehr.document_templates.name is 'class=operational;about=?';
comment on column ehr.document_templates.locale is 'class=operational;about=?';
comment on column ehr.document_templates.schema is 'class=operational;about=?';
comment on column ehr.document_templates.body is 'class=operational;about=?';
comment on column ehr.document_templates.approved_by is 'class=operational;about=?';
comment on column ehr.document_templates.effective_from is 'class=operational;about=?';
comment on column ehr.document_templates.status is 'class=operational;about=?';
select core.comment_standard_columns('ehr.document_templates');

alter table ehr.document_templates enable row level security;
alter table ehr.document_templates force row level security;
create policy tenant_isolation on ehr.document_templates
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on ehr.document_templates for select using (tenant_id is null);

create trigger document_templates_touch before update on ehr.document_templates
  for each row execute function core.update_updated_at_column('row_version');
create trigger document_templates_transition before insert or update of status on ehr.document_templates
  for each row execute function core.enforce_transition('ehr.document_templates', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('ehr.document_templates', '', 'draft', false, null),
  ('ehr.document_templates', 'draft', 'active', false, null),
  ('ehr.document_templates', 'draft', 'withdrawn', false, null),
  ('ehr.document_templates', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on ehr.document_templates to ehr_app;
grant select on ehr.document_templates to ehr_ro;
