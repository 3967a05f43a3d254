-- Every clock of this module that runs: whose turn it is, until when, and whether the time is up.

create view insurance.claim_clocks
  with (security_invoker = true)
as
select
  c.tenant_id, 'decision' as clock, c.id as claim_id, c.case_id, c.payer_id, 'payer' as turn, c.submitted_at as since,
  c.decision_due_at as due_at, c.decision_due_at < now() as is_overdue
from insurance.insurance_claims c
where c.status in ('submitted', 'cancel_requested', 'reprocess_requested')
union all
select
  q.tenant_id, 'query', c.id, c.case_id, c.payer_id, 'hospital', q.raised_at, q.due_at, q.due_at < now()
from insurance.payer_queries q
join insurance.insurance_claims c on c.tenant_id = q.tenant_id and c.id = q.claim_id
where q.status = 'open'
union all
select
  c.tenant_id, 'payment', c.id, c.case_id, c.payer_id, 'payer', c.decided_at,
  c.submitted_at + pg_catalog.make_interval(
    days => case when k.is_portability then coalesce(y.portability_settle_days, y.settle_days) else y.settle_days end
  ),
  c.submitted_at + pg_catalog.make_interval(
    days => case when k.is_portability then coalesce(y.portability_settle_days, y.settle_days) else y.settle_days end
  ) < now()
from insurance.insurance_claims c
join insurance.payers y on y.id = c.payer_id
left join insurance.pmjay_cases k on k.tenant_id = c.tenant_id and k.id = c.case_id
where c.use = 'claim' and c.status in ('approved', 'partially_approved')
union all
select
  k.tenant_id, 'claim', null, k.id, v.payer_id, 'hospital', e.occurred_at,
  e.occurred_at + pg_catalog.make_interval(days => y.claim_submit_days),
  e.occurred_at + pg_catalog.make_interval(days => y.claim_submit_days) < now()
from insurance.pmjay_cases k
join insurance.coverages v on v.tenant_id = k.tenant_id and v.id = k.coverage_id
join insurance.payers y on y.id = v.payer_id
join insurance.adjudication_events e
  on e.tenant_id = k.tenant_id and e.case_id = k.id and e.claim_id is null and e.to_status = 'discharged'
where k.status = 'discharged';

comment on view insurance.claim_clocks is 'class=phi;scope=tenant;owner=billing;about=Clocks that run: decision and payment (the payer''s turn), query and claim (the hospital''s), with due_at and is_overdue.';
