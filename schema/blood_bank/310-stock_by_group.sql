-- What is in the refrigerators, by component and group. Expired units that no job has marked yet are left out.

create view blood_bank.stock_by_group with (security_invoker = true) as
select
  c.tenant_id,
  c.component,
  c.abo,
  c.rhd,
  count(*) filter (where c.status = 'available') as available_units,
  count(*) filter (where c.status in ('reserved', 'crossmatched')) as kept_units,
  count(*) filter (where c.status = 'quarantined') as quarantined_units,
  count(*) filter (where c.status = 'available' and c.expires_at < now() + interval '3 days') as expiring_units,
  coalesce(sum(c.volume_ml) filter (where c.status = 'available'), 0) as available_ml,
  min(c.expires_at) filter (where c.status = 'available') as first_expiry_at
from blood_bank.blood_components c
where c.status in ('quarantined', 'available', 'reserved', 'crossmatched') and c.expires_at > now()
group by c.tenant_id, c.component, c.abo, c.rhd;

comment on view blood_bank.stock_by_group is 'class=operational;scope=tenant;owner=lab;about=Units in stock by component and group. Units in quarantine have no group yet.';
