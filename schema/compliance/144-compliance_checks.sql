-- compliance.compliance_checks: Executed checks with evidence: what proves 100 percent.

create table compliance.compliance_checks (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  run_id uuid not null,
  rule_id text not null,
  rule_version text not null,
  regulation text not null,
  target text not null,
  outcome text not null,
  evidence jsonb not null default '{}',
  evidence_hash bytea not null,
  waiver_id text,
  ran_at timestamptz not null,
  tool_version text not null,
  schema_fingerprint bytea not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint compliance_checks_pkey primary key (id, ran_at),
  constraint compliance_checks_run_rule_key unique nulls not distinct (tenant_id, run_id, rule_id, target, ran_at),
  constraint compliance_checks_outcome_check check (outcome in ('pass', 'fail', 'not_applicable', 'error', 'waived')),
  constraint compliance_checks_waived_complete check (outcome <> 'waived' or waiver_id is not null)
) partition by range (ran_at);

create table compliance.compliance_checks_default partition of compliance.compliance_checks default;

alter table compliance.compliance_checks add constraint compliance_checks_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table compliance.compliance_checks is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;append_only=1;partition=month;about=Executed checks with evidence: what proves 100 percent.';
comment on column compliance.compliance_checks.run_id is 'class=operational;about=?';
comment on column compliance.compliance_checks.rule_id is 'class=operational;about=?';
comment on column compliance.compliance_checks.rule_version is 'class=operational;about=?';
comment on column compliance.compliance_checks.regulation is 'class=operational;about=?';
comment on column compliance.compliance_checks.target is 'class=operational;about=?';
comment on column compliance.compliance_checks.outcome is 'class=operational;about=?';
comment on column compliance.compliance_checks.evidence is 'class=operational;about=?';
comment on column compliance.compliance_checks.evidence_hash is 'class=operational;about=?';
comment on column compliance.compliance_checks.waiver_id is 'class=operational;about=?';
comment on column compliance.compliance_checks.ran_at is 'class=operational;about=?';
comment on column compliance.compliance_checks.tool_version is 'class=operational;about=?';
comment on column compliance.compliance_checks.schema_fingerprint is 'class=operational;about=?';
select core.comment_standard_columns('compliance.compliance_checks');

alter table compliance.compliance_checks enable row level security;
alter table compliance.compliance_checks force row level security;
create policy tenant_isolation on compliance.compliance_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.compliance_checks for select using (tenant_id is null);
alter table compliance.compliance_checks_default enable row level security;
alter table compliance.compliance_checks_default force row level security;
create policy tenant_isolation on compliance.compliance_checks_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.compliance_checks_default for select using (tenant_id is null);

create trigger compliance_checks_append_only before update or delete on compliance.compliance_checks
  for each row execute function core.refuse_change();
create trigger compliance_checks_no_truncate before truncate on compliance.compliance_checks
  for each statement execute function core.refuse_change();
create trigger compliance_checks_default_no_truncate before truncate on compliance.compliance_checks_default
  for each statement execute function core.refuse_change();

grant select, insert on compliance.compliance_checks to business_app;
grant select on compliance.compliance_checks to business_ro;
