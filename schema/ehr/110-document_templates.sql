-- Print layouts, forms and instruments in versions. A shared template has no tenant; a hospital's own one of the same
-- code stands beside it. Of a code and language one version is active, and what was approved never changes.

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
  constraint document_templates_version_key unique nulls not distinct (tenant_id, code, version, locale),
  constraint document_templates_kind_check check (
    kind in ('print', 'form', 'letter', 'consent', 'certificate', 'label')
  ),
  constraint document_templates_status_check check (status in ('draft', 'active', 'withdrawn', 'retired')),
  constraint document_templates_code_format check (code ~ '^[a-z][a-z0-9_.]{1,59}$'),
  constraint document_templates_version_from_1 check (version >= 1),
  constraint document_templates_locale_format check (locale ~ '^[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?$'),
  constraint document_templates_has_content check (body is not null or schema <> '{}'),
  constraint document_templates_in_use_is_dated check (status not in ('active', 'retired') or effective_from is not null),
  -- shared templates are approved by whoever ships them
  constraint document_templates_in_use_is_approved check (
    status not in ('active', 'retired') or tenant_id is null or approved_by is not null
  ),
  constraint document_templates_approved_by_another check (approved_by <> created_by)
);

alter table ehr.document_templates add constraint document_templates_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index document_templates_one_active_version
  on ehr.document_templates (tenant_id, code, locale) nulls not distinct
  where status = 'active';

comment on table ehr.document_templates is 'class=operational;scope=shared;owner=ehr;fhir=Questionnaire;retention=operational;about=Versioned print layouts, forms and instruments.';
comment on column ehr.document_templates.code is 'class=operational;about=Stable name that programs use, such as discharge_summary or consent.surgery.';
comment on column ehr.document_templates.version is 'class=operational;about=Counts 1, 2, 3 within a code and language.';
comment on column ehr.document_templates.kind is 'class=operational;about=print layout, form to fill in, letter, consent, certificate or label.';
comment on column ehr.document_templates.name is 'class=operational;about=Title that people choose it by.';
comment on column ehr.document_templates.locale is 'class=operational;about=Language of the text, BCP 47: en-IN, hi-IN, ar.';
comment on column ehr.document_templates.schema is 'class=operational;about=Fields of a form as JSON Schema; empty for a layout without questions.';
comment on column ehr.document_templates.body is 'class=operational;about=Text with placeholders in double braces; null for a form that is drawn from its schema.';
comment on column ehr.document_templates.approved_by is 'class=operational;about=User who approved the version, never its author; null for shared templates.';
comment on column ehr.document_templates.effective_from is 'class=operational;about=First day on which the version is used.';
comment on column ehr.document_templates.status is 'class=operational;about=draft, active, withdrawn (never used) or retired (replaced).';
select core.comment_standard_columns('ehr.document_templates');

alter table ehr.document_templates enable row level security, force row level security;
create policy tenant_isolation on ehr.document_templates
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on ehr.document_templates for select using (tenant_id is null);

create trigger document_templates_approved before update on ehr.document_templates
  for each row execute function ehr.keep_approved_template();
create trigger document_templates_touch before update on ehr.document_templates
  for each row execute function core.update_updated_at_column('row_version');
create trigger document_templates_transition before insert or update of status on ehr.document_templates
  for each row execute function core.enforce_transition('ehr.document_templates', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('ehr.document_templates', '', 'draft', false, null),
  ('ehr.document_templates', 'draft', 'active', false, null),
  ('ehr.document_templates', 'draft', 'withdrawn', true, null),
  ('ehr.document_templates', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- status and approval belong to the operations
grant select on ehr.document_templates to ehr_app, ehr_ro;
grant insert (tenant_id, id, code, version, kind, name, locale, schema, body),
  update (kind, name, schema, body, row_version)
  on ehr.document_templates to ehr_app;
