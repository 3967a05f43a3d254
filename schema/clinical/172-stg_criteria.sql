-- One mechanical requirement of a guideline at one stage of a case: a document that must be there, a question that must
-- be answered, or a rule over facts of the stay. Criteria are frozen with their guideline: once it is active, a change
-- needs a new version, so that an evaluation can be repeated years later with the same result.
--
-- A rule is a JSON expression: {"fact": "los_days", "op": ">=", "value": 2}, combined by {"all": [..]}, {"any": [..]}
-- and {"not": ..}. clinical.stg_test() says which operators there are; a fact that is not known makes the answer unknown.

create table clinical.stg_criteria (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  guideline_id uuid not null,
  seq smallint not null,
  stage text not null,
  kind text not null,
  code text not null,
  text text not null,
  document_type text,
  expression jsonb,
  expected jsonb,
  mandatory boolean not null default true,
  applies_when jsonb,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stg_criteria_pkey primary key (id),
  constraint stg_criteria_seq_key unique nulls not distinct (tenant_id, guideline_id, stage, seq),
  constraint stg_criteria_code_key unique nulls not distinct (tenant_id, guideline_id, stage, code),
  constraint stg_criteria_stage_check check (stage in ('preauth', 'treatment', 'discharge', 'claim')),
  constraint stg_criteria_kind_check check (kind in ('document', 'question', 'rule')),
  constraint stg_criteria_document_names_type check ((kind = 'document') = (document_type is not null)),
  constraint stg_criteria_rule_has_expression check (kind <> 'rule' or expression is not null)
);

alter table clinical.stg_criteria add constraint stg_criteria_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.stg_criteria add constraint stg_criteria_guideline_fkey
  foreign key (guideline_id) references clinical.stg_guidelines (id);

create index stg_criteria_guideline_idx on clinical.stg_criteria (guideline_id, tenant_id);
comment on index clinical.stg_criteria_guideline_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table clinical.stg_criteria is 'class=reference;scope=shared;owner=clinical;fhir=PlanDefinition.action;retention=reference;about=One mechanical requirement of a guideline: a document, a question, or a rule, for a stage.';
comment on column clinical.stg_criteria.guideline_id is 'class=reference;about=The guideline.';
comment on column clinical.stg_criteria.seq is 'class=reference;about=Order within the stage.';
comment on column clinical.stg_criteria.stage is 'class=reference;about=preauth, treatment, discharge or claim.';
comment on column clinical.stg_criteria.kind is 'class=reference;about=document, question or rule.';
comment on column clinical.stg_criteria.code is 'class=reference;about=Short code, unique in guideline and stage; the answer to a question is the fact answers.<code>.';
comment on column clinical.stg_criteria.text is 'class=reference;about=The requirement in words, as people see it.';
comment on column clinical.stg_criteria.document_type is 'class=reference;about=Of a document: the type that must be among the documents of the case.';
comment on column clinical.stg_criteria.expression is 'class=reference;about=Of a rule: the expression that must be true.';
comment on column clinical.stg_criteria.expected is 'class=reference;about=Of a question: the answer, or a list of answers, that passes; null when any answer does.';
comment on column clinical.stg_criteria.mandatory is 'class=reference;about=False when failing it is only shown.';
comment on column clinical.stg_criteria.applies_when is 'class=reference;about=Expression that says when the criterion applies; null for always.';
select core.comment_standard_columns('clinical.stg_criteria');

alter table clinical.stg_criteria enable row level security, force row level security;
create policy tenant_isolation on clinical.stg_criteria
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on clinical.stg_criteria for select using (tenant_id is null);

create trigger stg_criteria_touch before update on clinical.stg_criteria
  for each row execute function core.update_updated_at_column('row_version');
create trigger stg_criteria_guideline_visible before insert or update of guideline_id on clinical.stg_criteria
  for each row execute function core.check_shared_reference('guideline_id', 'clinical.stg_guidelines');
create trigger stg_criteria_check before insert or update on clinical.stg_criteria
  for each row execute function clinical.check_stg_criterion();

grant select, insert, update on clinical.stg_criteria to clinical_app;
grant select on clinical.stg_criteria to clinical_ro;
