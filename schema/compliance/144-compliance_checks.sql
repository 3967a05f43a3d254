-- compliance.compliance_checks: checks that were made, by the checker or by a person, with their evidence: a rule counts as kept
-- because a row here says what was looked at. A run over the whole database is a shared row, a check of a tenant its own.

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
  evidence_hash bytea not null generated always as (compliance.text_hash(evidence::text)) stored,
  waiver_id text,
  ran_at timestamptz not null default now(),
  tool_version text not null,
  schema_fingerprint bytea,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint compliance_checks_pkey primary key (id, ran_at),
  constraint compliance_checks_once_a_run unique nulls not distinct (tenant_id, run_id, rule_id, target, ran_at),
  constraint compliance_checks_outcome_check check (outcome in ('pass', 'fail', 'not_applicable', 'error', 'waived')),
  constraint compliance_checks_waived_by_decision check (outcome <> 'waived' or waiver_id is not null)
) partition by range (ran_at);

create table compliance.compliance_checks_default partition of compliance.compliance_checks default;

alter table compliance.compliance_checks add constraint compliance_checks_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create index compliance_checks_rule_idx on compliance.compliance_checks (tenant_id, rule_id, ran_at);

comment on table compliance.compliance_checks is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;append_only=1;partition=month;about=Checks that were made, with outcome and evidence.';
comment on column compliance.compliance_checks.run_id is 'class=operational;about=The run that it belongs to.';
comment on column compliance.compliance_checks.rule_id is 'class=operational;about=The rule, such as HIP-25.';
comment on column compliance.compliance_checks.rule_version is 'class=operational;about=Version of the rule.';
comment on column compliance.compliance_checks.regulation is 'class=operational;about=Family of the rule: hipaa, dpdp, abdm ...';
comment on column compliance.compliance_checks.target is 'class=operational;about=What was checked: a database, a backup, a site.';
comment on column compliance.compliance_checks.outcome is 'class=operational;about=pass, fail, not_applicable, error or waived.';
comment on column compliance.compliance_checks.evidence is 'class=operational;about=What was looked at and found; ids and counts, never values of persons.';
comment on column compliance.compliance_checks.evidence_hash is 'class=operational;about=SHA-256 of the evidence.';
comment on column compliance.compliance_checks.waiver_id is 'class=operational;about=The decision that waives the rule.';
comment on column compliance.compliance_checks.ran_at is 'class=operational;about=When; months are partitions.';
comment on column compliance.compliance_checks.tool_version is 'class=operational;about=Version of what checked, or manual.';
comment on column compliance.compliance_checks.schema_fingerprint is 'class=operational;about=SHA-256 of the definitions that were checked; none for what a person checked.';
select core.comment_standard_columns('compliance.compliance_checks');

alter table compliance.compliance_checks enable row level security, force row level security;
create policy tenant_isolation on compliance.compliance_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.compliance_checks for select using (tenant_id is null);
alter table compliance.compliance_checks_default enable row level security, force row level security;
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

-- compliance.record_check runs as its caller, so that whoever installs can record a check of the whole database
grant select, insert on compliance.compliance_checks to business_app;
grant select on compliance.compliance_checks to business_ro;
