-- What guidelines found: of each criterion of a summary or claim the last result.

create view clinical.stg_findings
  with (security_invoker = true)
as
select distinct on (r.tenant_id, r.discharge_summary_id, r.claim_id, r.criterion_id)
  r.tenant_id,
  r.id as result_id,
  r.discharge_summary_id,
  r.claim_id,
  r.guideline_id,
  g.code as guideline_code,
  g.version as guideline_version,
  r.criterion_id,
  c.stage,
  c.seq,
  c.code as criterion_code,
  c.text as criterion_text,
  c.mandatory,
  r.outcome,
  r.evidence,
  r.evaluated_at,
  r.waived_by,
  r.waiver_reason,
  c.mandatory and r.outcome in ('fail', 'missing_data') and r.waived_by is null as blocks
from clinical.stg_compliance_results r
join clinical.stg_guidelines g on g.id = r.guideline_id
join clinical.stg_criteria c on c.id = r.criterion_id
order by r.tenant_id, r.discharge_summary_id, r.claim_id, r.criterion_id, r.evaluated_at desc;

comment on view clinical.stg_findings is 'class=phi;scope=tenant;owner=clinical;about=The last result of each criterion for each discharge summary and claim; blocks says what must be met or waived.';
