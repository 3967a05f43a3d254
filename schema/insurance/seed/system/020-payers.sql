-- The national scheme with the limits that were published when this was written. They change by circular and by
-- state: a tenant keeps its own row, with its dates, where they differ.

insert into insurance.payers (
  tenant_id, id, code, name, kind, scheme, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
  portability_settle_days, backdate_days, rules_effective
) values (
  null, '00000000-0b00-7000-8000-000000000001', 'PMJAY', 'Pradhan Mantri Jan Arogya Yojana', 'government_scheme', 'PMJAY',
  360, 120, 7, 15, 30, 5, '[2022-04-01,)'
)
on conflict (tenant_id, code) do nothing;
