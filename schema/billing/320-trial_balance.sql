-- The ledger in one look: every account code with its sums. The balances of a currency add up to zero.

create view billing.trial_balance
  with (security_invoker = true)
as
select
  e.tenant_id,
  e.clinic_id,
  e.currency,
  e.account_code,
  coalesce(sum(e.amount) filter (where e.direction = 'debit'), 0) as debit,
  coalesce(sum(e.amount) filter (where e.direction = 'credit'), 0) as credit,
  sum(case e.direction when 'debit' then e.amount else -e.amount end) as balance
from billing.ledger_entries e
group by e.tenant_id, e.clinic_id, e.currency, e.account_code;

comment on view billing.trial_balance is 'class=financial;scope=tenant;owner=billing;about=Debit, credit and balance (debit less credit) of every ledger account of a clinic.';
