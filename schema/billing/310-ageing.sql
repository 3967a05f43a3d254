-- What is owed, by whom and for how long: the list of whoever collects.

create view billing.ageing
  with (security_invoker = true)
as
select
  i.tenant_id,
  i.id as invoice_id,
  i.invoice_number,
  i.fiscal_year,
  i.account_id,
  i.patient_id,
  i.payer_id,
  i.clinic_id,
  i.issued_at,
  o.due_on,
  i.currency,
  i.total,
  i.total - i.allocated - i.written_off as open,
  greatest(o.today - o.due_on, 0) as days_overdue,
  case
    when o.today <= o.due_on then 'not due'
    when o.today - o.due_on <= 30 then '1-30'
    when o.today - o.due_on <= 60 then '31-60'
    when o.today - o.due_on <= 90 then '61-90'
    else 'over 90'
  end as bucket
from billing.invoices i
left join facility.clinics c on c.tenant_id = i.tenant_id and c.id = i.clinic_id
cross join lateral (
  select
    coalesce(i.due_on, (i.issued_at at time zone z.name)::date) as due_on, (now() at time zone z.name)::date as today
  from (select coalesce(c.timezone, 'UTC') as name) as z -- another service may not have heard of the clinic
) o
where i.status in ('issued', 'partially_paid') and i.kind <> 'credit_note';

comment on view billing.ageing is 'class=financial;scope=tenant;owner=billing;about=Open bills with what is open of each and how long it is overdue; a bill without a due date is due on its day. Days are those of the clinic.';
