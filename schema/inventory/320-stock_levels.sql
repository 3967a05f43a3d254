-- How much of an item can be given out, per place and against the reorder level.

create view inventory.stock_levels
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.store_location_id,
  b.item_id,
  i.sku,
  i.name as item_name,
  i.base_unit,
  sum(b.on_hand) as on_hand,
  sum(b.reserved) as reserved,
  coalesce(sum(b.on_hand - b.reserved) filter (where t.status = 'available' and b.expiry_on >= (select core.tenant_today())), 0)
    as available,
  min(b.expiry_on) filter (where b.on_hand > 0 and t.status = 'available' and b.expiry_on >= (select core.tenant_today()))
    as next_expiry_on,
  i.reorder_level
from inventory.stock_balances b
join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
group by b.tenant_id, b.store_location_id, b.item_id, i.sku, i.name, i.base_unit, i.reorder_level;

comment on view inventory.stock_levels is 'class=operational;scope=tenant;owner=inventory;about=Stock of an item in a place: on hand, reserved, and available, which leaves out expired and blocked batches.';
