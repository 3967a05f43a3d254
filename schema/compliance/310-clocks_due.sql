-- Every clock that runs, so that one list shows what is late and what will be.

create view compliance.clocks_due with (security_invoker = true) as
select c.tenant_id, c.clock, c.subject_table, c.subject_id, c.number, c.due_at, c.due_at < now() as overdue
from (
  select r.tenant_id, 'request: ' || r.kind as clock, 'data_principal_requests' as subject_table, r.id as subject_id,
    r.request_number as number, r.due_at
  from compliance.data_principal_requests r
  where r.status not in ('completed', 'rejected')
  union all
  select b.tenant_id, 'breach: CERT-In', 'breaches', b.id, b.breach_number, b.cert_in_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.cert_in_reported_at is null
  union all
  select b.tenant_id, 'breach: Board, first report', 'breaches', b.id, b.breach_number, b.discovered_at
  from compliance.breaches b
  where b.status <> 'closed' and b.board_initial_at is null
  union all
  select b.tenant_id, 'breach: Board, details', 'breaches', b.id, b.breach_number, b.board_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.board_detailed_at is null
  union all
  select b.tenant_id, 'breach: persons', 'breaches', b.id, b.breach_number, b.board_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.principals_notified_at is null
  union all
  select i.tenant_id, 'incident: action', 'incidents', i.id, i.incident_number,
    (i.capa_due_on + 1)::timestamp at time zone (select core.tenant_zone())
  from compliance.incidents i
  where i.status = 'action_planned'
  union all
  select p.tenant_id, 'processor: contract', 'data_processors', p.id, p.name,
    (p.expires_on + 1)::timestamp at time zone (select core.tenant_zone())
  from compliance.data_processors p
  where p.status in ('active', 'expired') and p.expires_on is not null
) as c;

comment on view compliance.clocks_due is 'about=Clocks that run: requests of persons, reports of breaches, planned actions of incidents, contracts of processors; with the instant they run out and whether that has passed. The Board is to be told of a breach without delay, so that clock is overdue from the start.';
