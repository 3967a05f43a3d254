-- compliance.consent_notices: what a person is told before they consent, in every language that is offered (DPDP Act s.5). A
-- notice never changes: another text is another version.

create table compliance.consent_notices (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version integer not null default 1,
  locale text not null,
  purpose text[] not null default '{}',
  data_categories text[] not null default '{}',
  body text not null,
  body_hash bytea not null generated always as (compliance.text_hash(body)) stored,
  withdrawal_how text not null,
  complaint_how text not null,
  effective_from timestamptz not null default now(),
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint consent_notices_pkey primary key (id),
  constraint consent_notices_version_from_1 check (version >= 1),
  constraint consent_notices_code_form check (code ~ '^[a-z][a-z_]{1,39}$'),
  constraint consent_notices_locale_form check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint consent_notices_name_a_purpose check (cardinality(purpose) > 0),
  constraint consent_notices_version_key unique nulls not distinct (tenant_id, code, version, locale)
);

alter table compliance.consent_notices add constraint consent_notices_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table compliance.consent_notices is 'class=operational;scope=shared;owner=business;fhir=Questionnaire;retention=operational;append_only=1;about=Versioned notices that are shown before consent, in each language.';
comment on column compliance.consent_notices.code is 'class=operational;about=Name of the notice through all its versions, such as care or marketing.';
comment on column compliance.consent_notices.version is 'class=operational;about=Version, from 1.';
comment on column compliance.consent_notices.locale is 'class=operational;about=Language (BCP 47), such as en or kn-IN.';
comment on column compliance.consent_notices.purpose is 'class=operational;about=Purposes that a consent after this notice may have.';
comment on column compliance.consent_notices.data_categories is 'class=operational;about=Kinds of data that it speaks of.';
comment on column compliance.consent_notices.body is 'class=operational;about=The text that is shown.';
comment on column compliance.consent_notices.body_hash is 'class=operational;about=SHA-256 of the text: proves what was shown.';
comment on column compliance.consent_notices.withdrawal_how is 'class=operational;about=How consent is withdrawn, as easily as it was given.';
comment on column compliance.consent_notices.complaint_how is 'class=operational;about=Where to complain, up to the Data Protection Board.';
comment on column compliance.consent_notices.effective_from is 'class=operational;about=Since when it is shown.';
select core.comment_standard_columns('compliance.consent_notices');

alter table compliance.consent_notices enable row level security, force row level security;
create policy tenant_isolation on compliance.consent_notices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.consent_notices for select using (tenant_id is null);

create trigger consent_notices_append_only before update or delete on compliance.consent_notices
  for each row execute function core.refuse_change();
create trigger consent_notices_no_truncate before truncate on compliance.consent_notices
  for each statement execute function core.refuse_change();

grant select on compliance.consent_notices to business_app;
grant select on compliance.consent_notices to business_ro;
