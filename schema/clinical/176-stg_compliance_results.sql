-- Evidence: what each criterion of a guideline gave for one discharge summary or one claim. Rows are only added: a new
-- evaluation, or a waiver by a doctor with a reason, is a new row, and the last row of a criterion counts.

create table clinical.stg_compliance_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  discharge_summary_id uuid,
  claim_id uuid,
  guideline_id uuid not null,
  criterion_id uuid not null,
  outcome text not null,
  evidence jsonb not null default '{}',
  input_hash bytea not null,
  evaluated_at timestamptz not null,
  engine_version text not null,
  waived_by uuid,
  waiver_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint stg_compliance_results_pkey primary key (tenant_id, id),
  constraint stg_compliance_results_once_per_evaluation unique nulls not distinct (
    tenant_id, discharge_summary_id, claim_id, criterion_id, evaluated_at
  ),
  constraint stg_compliance_results_outcome_check check (
    outcome in ('pass', 'fail', 'not_applicable', 'missing_data')
  ),
  constraint stg_compliance_results_of_summary_or_claim check (num_nonnulls(discharge_summary_id, claim_id) = 1),
  constraint stg_compliance_results_waiver_has_reason check ((waived_by is null) = (waiver_reason is null)),
  constraint stg_compliance_results_only_failures_waived check (
    waived_by is null or outcome in ('fail', 'missing_data')
  ),
  constraint stg_compliance_results_input_hash_is_sha256 check (octet_length(input_hash) = 32)
);

alter table clinical.stg_compliance_results add constraint stg_compliance_results_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.stg_compliance_results add constraint stg_compliance_results_discharge_summary_fkey
  foreign key (tenant_id, discharge_summary_id) references clinical.discharge_summaries (tenant_id, id);
alter table clinical.stg_compliance_results add constraint stg_compliance_results_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);
alter table clinical.stg_compliance_results add constraint stg_compliance_results_guideline_fkey
  foreign key (guideline_id) references clinical.stg_guidelines (id);
alter table clinical.stg_compliance_results add constraint stg_compliance_results_criterion_fkey
  foreign key (criterion_id) references clinical.stg_criteria (id);
alter table clinical.stg_compliance_results add constraint stg_compliance_results_waived_by_fkey
  foreign key (tenant_id, waived_by) references workforce.doctors (tenant_id, id);

create index stg_compliance_results_discharge_summary_idx
  on clinical.stg_compliance_results (tenant_id, discharge_summary_id)
  where discharge_summary_id is not null;
create index stg_compliance_results_claim_idx on clinical.stg_compliance_results (tenant_id, claim_id)
  where claim_id is not null;
create index stg_compliance_results_guideline_idx on clinical.stg_compliance_results (guideline_id, tenant_id);
comment on index clinical.stg_compliance_results_guideline_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index stg_compliance_results_criterion_idx on clinical.stg_compliance_results (criterion_id, tenant_id);
comment on index clinical.stg_compliance_results_criterion_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index stg_compliance_results_waived_by_idx on clinical.stg_compliance_results (tenant_id, waived_by)
  where waived_by is not null;

comment on table clinical.stg_compliance_results is 'class=phi;scope=tenant;owner=clinical;fhir=DetectedIssue;retention=medical_record;append_only=1;about=Evidence: each criterion evaluated for one discharge summary or claim.';
comment on column clinical.stg_compliance_results.discharge_summary_id is 'class=phi;about=The discharge summary that was evaluated, else claim_id.';
comment on column clinical.stg_compliance_results.claim_id is 'class=phi;about=The pre-authorisation or claim that was evaluated, else discharge_summary_id.';
comment on column clinical.stg_compliance_results.guideline_id is 'class=phi;about=The guideline.';
comment on column clinical.stg_compliance_results.criterion_id is 'class=phi;about=The criterion.';
comment on column clinical.stg_compliance_results.outcome is 'class=phi;about=pass, fail, not_applicable, or missing_data when a fact or an answer is not known.';
comment on column clinical.stg_compliance_results.evidence is 'class=phi;about=What was looked at: the document, the answer, or the facts of the rule.';
comment on column clinical.stg_compliance_results.input_hash is 'class=operational;about=SHA-256 of facts, documents, guideline and engine version: the same input is evaluated once.';
comment on column clinical.stg_compliance_results.evaluated_at is 'class=operational;about=When; the same in all rows of one evaluation.';
comment on column clinical.stg_compliance_results.engine_version is 'class=operational;about=Version of the rules of evaluation.';
comment on column clinical.stg_compliance_results.waived_by is 'class=operational;about=Doctor who waived the criterion.';
comment on column clinical.stg_compliance_results.waiver_reason is 'class=phi;about=Why it was waived. A waiver holds for the input that it was given for.';
select core.comment_standard_columns('clinical.stg_compliance_results');

alter table clinical.stg_compliance_results enable row level security, force row level security;
create policy tenant_isolation on clinical.stg_compliance_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger stg_compliance_results_append_only before update or delete on clinical.stg_compliance_results
  for each row execute function core.refuse_change();
create trigger stg_compliance_results_no_truncate before truncate on clinical.stg_compliance_results
  for each statement execute function core.refuse_change();
create trigger stg_compliance_results_guideline_visible
  before insert or update of guideline_id on clinical.stg_compliance_results
  for each row execute function core.check_shared_reference('guideline_id', 'clinical.stg_guidelines');
create trigger stg_compliance_results_criterion_visible
  before insert or update of criterion_id on clinical.stg_compliance_results
  for each row execute function core.check_shared_reference('criterion_id', 'clinical.stg_criteria');
select audit.track('clinical.stg_compliance_results');

-- written by clinical.evaluate_stg, evaluate_stg_claim and waive_stg_criterion only
grant select on clinical.stg_compliance_results to clinical_app;
grant select on clinical.stg_compliance_results to clinical_ro;
