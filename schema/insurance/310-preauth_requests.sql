-- Pre-authorisations with the names that a list needs.

create view insurance.preauth_requests
  with (security_invoker = true)
as
select
  c.tenant_id,
  c.id as preauth_id,
  c.claim_number,
  c.case_id,
  k.case_number,
  c.patient_id,
  p.mrn,
  pg_catalog.concat_ws(' ', p.given_name, p.middle_name, p.family_name) as patient_name,
  c.encounter_id,
  c.payer_id,
  y.name as payer_name,
  c.channel,
  c.relation,
  c.related_claim_id,
  c.workflow_code,
  c.status,
  c.adjudication,
  c.pre_auth_ref,
  c.total_claimed,
  c.total_approved,
  c.wallet_hold,
  c.submitted_at,
  c.decision_due_at,
  c.decided_at,
  c.status = 'submitted' and c.decision_due_at < now() as is_overdue,
  q.id as open_query_id,
  q.due_at as query_due_at
from insurance.insurance_claims c
join insurance.payers y on y.id = c.payer_id
join patient.patients p on p.tenant_id = c.tenant_id and p.id = c.patient_id
left join insurance.pmjay_cases k on k.tenant_id = c.tenant_id and k.id = c.case_id
left join insurance.payer_queries q on q.tenant_id = c.tenant_id and q.claim_id = c.id and q.status = 'open'
where c.use = 'preauthorization';

comment on view insurance.preauth_requests is 'class=phi;scope=tenant;owner=billing;about=Pre-authorisations with patient, payer, case, clock and open query.';
