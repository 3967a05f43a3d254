-- compliance.data_processors: who processes data for the hospital, under which contract and in which country. Active only with a
-- signed contract, and never in a country that the law or the hospital forbids.

create table compliance.data_processors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  name text not null,
  service text not null,
  data_categories text[] not null default '{}',
  country text not null,
  contract_kind text not null,
  contract_document_id uuid,
  signed_on date,
  expires_on date,
  subprocessors jsonb not null default '[]',
  api_client_id uuid,
  last_review_on date,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint data_processors_pkey primary key (tenant_id, id),
  constraint data_processors_once_a_service unique (tenant_id, name, service),
  constraint data_processors_country_form check (country ~ '^[A-Z]{2}$'),
  constraint data_processors_contract_kind_check check (contract_kind in ('BAA', 'DPA', 'both')),
  constraint data_processors_status_check check (status in ('draft', 'active', 'expired', 'terminated')),
  constraint data_processors_active_under_contract check (
    status <> 'active' or (contract_document_id is not null and signed_on is not null)
  ),
  constraint data_processors_expire_after_signing check (expires_on >= signed_on),
  constraint data_processors_subprocessors_are_a_list check (jsonb_typeof(subprocessors) = 'array')
);

alter table compliance.data_processors add constraint data_processors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.data_processors add constraint data_processors_contract_document_fkey
  foreign key (tenant_id, contract_document_id) references ehr.documents (tenant_id, id);
alter table compliance.data_processors add constraint data_processors_api_client_fkey
  foreign key (tenant_id, api_client_id) references auth.api_clients (tenant_id, id);

create index data_processors_to_expire_idx on compliance.data_processors (tenant_id, expires_on)
  where status = 'active' and expires_on is not null;
create index data_processors_contract_document_idx on compliance.data_processors (tenant_id, contract_document_id)
  where contract_document_id is not null;
create index data_processors_api_client_idx on compliance.data_processors (tenant_id, api_client_id)
  where api_client_id is not null;

comment on table compliance.data_processors is 'class=operational;scope=tenant;owner=business;fhir=Organization,Contract;retention=operational;about=Processors and business associates with their contracts and countries.';
comment on column compliance.data_processors.name is 'class=operational;about=The company.';
comment on column compliance.data_processors.service is 'class=operational;about=What it does with the data.';
comment on column compliance.data_processors.data_categories is 'class=operational;about=Kinds of data that it sees.';
comment on column compliance.data_processors.country is 'class=operational;about=Where it processes (ISO 3166-1, two letters).';
comment on column compliance.data_processors.contract_kind is 'class=operational;about=BAA (HIPAA), DPA (DPDP, GDPR) or both.';
comment on column compliance.data_processors.contract_document_id is 'class=operational;about=The signed contract.';
comment on column compliance.data_processors.signed_on is 'class=operational;about=When it was signed.';
comment on column compliance.data_processors.expires_on is 'class=operational;about=Last day of the contract; none when it runs on.';
comment on column compliance.data_processors.subprocessors is 'class=operational;about=Whom it uses itself: [{"name": .., "country": ..}].';
comment on column compliance.data_processors.api_client_id is 'class=operational;about=The machine client that it calls with.';
comment on column compliance.data_processors.last_review_on is 'class=operational;about=When it was last looked at.';
comment on column compliance.data_processors.status is 'class=operational;about=draft, active, expired or terminated.';
select core.comment_standard_columns('compliance.data_processors');

alter table compliance.data_processors enable row level security, force row level security;
create policy tenant_isolation on compliance.data_processors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger data_processors_in_allowed_country
  before insert or update of country, subprocessors, status on compliance.data_processors
  for each row when (new.status in ('draft', 'active')) execute function compliance.check_country();
create trigger data_processors_touch before update on compliance.data_processors
  for each row execute function core.update_updated_at_column('row_version');
create trigger data_processors_transition before insert or update of status on compliance.data_processors
  for each row execute function core.enforce_transition('compliance.data_processors', 'status');
select audit.track('compliance.data_processors');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.data_processors', '', 'draft', false, null),
  ('compliance.data_processors', 'draft', 'active', false, null),
  ('compliance.data_processors', 'active', 'expired', false, null),
  ('compliance.data_processors', 'active', 'terminated', true, null),
  ('compliance.data_processors', 'expired', 'active', false, null),
  ('compliance.data_processors', 'expired', 'terminated', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.data_processors to business_app;
grant select on compliance.data_processors to business_ro;
