-- What must be used, returned or written off soon.

create view inventory.expiring_stock
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.store_location_id,
  l.name as store_name,
  b.item_id,
  i.sku,
  i.name as item_name,
  b.batch_id,
  t.batch_no,
  t.status as batch_status,
  b.expiry_on,
  b.expiry_on - (select core.tenant_today()) as days_left,
  b.on_hand,
  b.reserved,
  i.base_unit,
  round(b.on_hand * t.purchase_price, 2) as value
from inventory.stock_balances b
join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.store_location_id
where
  b.on_hand > 0
  and b.expiry_on <= (select core.tenant_today())
    + (select coalesce((core.setting('inventory.expiry_warning_days') #>> '{}')::int, 90));

comment on view inventory.expiring_stock is 'class=operational;scope=tenant;owner=inventory;about=Stock that expires within setting inventory.expiry_warning_days (default 90) or has expired, with its value at purchase price.';
