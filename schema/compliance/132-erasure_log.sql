-- compliance.erasure_log: What was erased, anonymised or shredded, why, with proof.
-- RULE to build: no active legal hold covered the rows (function IM910)

create table compliance.erasure_log (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid,
  policy_id uuid,
  patient_ref_hash bytea,
  schema_name text not null,
  table_name text not null,
  row_count bigint not null,
  action text not null,
  notice_sent_at timestamptz,
  executed_at timestamptz not null,
  executed_by text not null,
  key_kid_destroyed text,
  verification jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint erasure_log_pkey primary key (tenant_id, id),
  constraint erasure_log_num_nonnulls_rule check (num_nonnulls(request_id,policy_id) >= 1),
  constraint erasure_log_request_id_rule check (
    request_id is null or notice_sent_at is null or notice_sent_at <= executed_at - interval '48 hours'
  )
);

alter table compliance.erasure_log add constraint erasure_log_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.erasure_log add constraint erasure_log_request_fkey
  foreign key (tenant_id, request_id) references compliance.data_principal_requests (tenant_id, id);
alter table compliance.erasure_log add constraint erasure_log_policy_fkey
  foreign key (policy_id) references compliance.retention_policies (id);

create index erasure_log_request_idx on compliance.erasure_log (tenant_id, request_id)
  where request_id is not null;
create index erasure_log_policy_idx on compliance.erasure_log (policy_id, tenant_id)
  where policy_id is not null;
comment on index compliance.erasure_log_policy_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table compliance.erasure_log is 'class=operational;scope=tenant;owner=business;fhir=Provenance;retention=operational;append_only=1;about=What was erased, anonymised or shredded, why, with proof.';
comment on column compliance.erasure_log.request_id is 'class=operational;about=?';
comment on column compliance.erasure_log.policy_id is 'class=operational;about=?';
comment on column compliance.erasure_log.patient_ref_hash is 'class=operational;about=?';
comment on column compliance.erasure_log.schema_name is 'class=operational;about=?';
comment on column compliance.erasure_log.table_name is 'class=operational;about=?';
comment on column compliance.erasure_log.row_count is 'class=operational;about=?';
comment on column compliance.erasure_log.action is 'class=operational;about=?';
comment on column compliance.erasure_log.notice_sent_at is 'class=operational;about=?';
comment on column compliance.erasure_log.executed_at is 'class=operational;about=?';
comment on column compliance.erasure_log.executed_by is 'class=operational;about=?';
comment on column compliance.erasure_log.key_kid_destroyed is 'class=operational;about=?';
comment on column compliance.erasure_log.verification is 'class=operational;about=?';
select core.comment_standard_columns('compliance.erasure_log');

alter table compliance.erasure_log enable row level security;
alter table compliance.erasure_log force row level security;
create policy tenant_isolation on compliance.erasure_log
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger erasure_log_append_only before update or delete on compliance.erasure_log
  for each row execute function core.refuse_change();
create trigger erasure_log_no_truncate before truncate on compliance.erasure_log
  for each statement execute function core.refuse_change();
create trigger erasure_log_policy_visible before insert or update of policy_id on compliance.erasure_log
  for each row execute function core.check_shared_reference('policy_id', 'compliance.retention_policies');

grant select, insert on compliance.erasure_log to business_app;
grant select on compliance.erasure_log to business_ro;
