-- compliance.erasure_log: proof of what was erased, anonymised or shredded, and why. It does not name the person: whoever knows
-- the id can recompute its hash.

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
  notice_waived_reason text,
  executed_at timestamptz not null default now(),
  executed_by text not null,
  key_kid_destroyed text,
  verification jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint erasure_log_pkey primary key (tenant_id, id),
  constraint erasure_log_action_check check (action in ('crypto_shred', 'anonymise', 'erase', 'drop_partition')),
  constraint erasure_log_notice_waived_reason_check check (notice_waived_reason in ('unreachable', 'deceased')),
  constraint erasure_log_asked_or_due check (num_nonnulls(request_id, policy_id) >= 1),
  constraint erasure_log_notice_48_hours_before check (notice_sent_at <= executed_at - interval '48 hours'),
  constraint erasure_log_policy_with_notice check (
    request_id is not null or num_nonnulls(notice_sent_at, notice_waived_reason) >= 1 or patient_ref_hash is null
  ),
  constraint erasure_log_count_not_negative check (row_count >= 0)
);

alter table compliance.erasure_log add constraint erasure_log_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.erasure_log add constraint erasure_log_request_fkey
  foreign key (tenant_id, request_id) references compliance.data_principal_requests (tenant_id, id);
alter table compliance.erasure_log add constraint erasure_log_policy_fkey
  foreign key (policy_id) references compliance.retention_policies (id);

create index erasure_log_patient_idx on compliance.erasure_log (tenant_id, patient_ref_hash)
  where patient_ref_hash is not null;
create index erasure_log_request_idx on compliance.erasure_log (tenant_id, request_id)
  where request_id is not null;
create index erasure_log_policy_idx on compliance.erasure_log (policy_id, tenant_id)
  where policy_id is not null;
comment on index compliance.erasure_log_policy_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table compliance.erasure_log is 'class=operational;scope=tenant;owner=business;fhir=Provenance;retention=operational;append_only=1;about=What was erased, anonymised or shredded, why, with proof.';
comment on column compliance.erasure_log.request_id is 'class=operational;about=The request of the person that it answers.';
comment on column compliance.erasure_log.policy_id is 'class=operational;about=The retention policy that it carries out.';
comment on column compliance.erasure_log.patient_ref_hash is 'class=operational;about=SHA-256 of the tenant and the patients id.';
comment on column compliance.erasure_log.schema_name is 'class=operational;about=Schema of the rows.';
comment on column compliance.erasure_log.table_name is 'class=operational;about=Table of the rows.';
comment on column compliance.erasure_log.row_count is 'class=operational;about=How many rows.';
comment on column compliance.erasure_log.action is 'class=operational;about=crypto_shred, anonymise, erase or drop_partition.';
comment on column compliance.erasure_log.notice_sent_at is 'class=operational;about=When the person was told, at least 48 hours before (DPDP Rules r.8).';
comment on column compliance.erasure_log.notice_waived_reason is 'class=operational;about=Why a policy was carried out without notice: unreachable or deceased.';
comment on column compliance.erasure_log.executed_at is 'class=operational;about=When it was done.';
comment on column compliance.erasure_log.executed_by is 'class=operational;about=The user, or the job.';
comment on column compliance.erasure_log.key_kid_destroyed is 'class=operational;about=The data key that was destroyed.';
comment on column compliance.erasure_log.verification is 'class=operational;about=What was found afterwards.';
select core.comment_standard_columns('compliance.erasure_log');

alter table compliance.erasure_log enable row level security, force row level security;
create policy tenant_isolation on compliance.erasure_log
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger erasure_log_not_under_hold before insert on compliance.erasure_log
  for each row execute function compliance.check_erasure_allowed();
create trigger erasure_log_append_only before update or delete on compliance.erasure_log
  for each row execute function core.refuse_change();
create trigger erasure_log_no_truncate before truncate on compliance.erasure_log
  for each statement execute function core.refuse_change();
create trigger erasure_log_policy_visible before insert or update of policy_id on compliance.erasure_log
  for each row execute function core.check_shared_reference('policy_id', 'compliance.retention_policies');

grant select on compliance.erasure_log to business_app;
grant select on compliance.erasure_log to business_ro;
