-- inventory_owner owns the module. Its operations read who works here and where the stores are.

select core.hand_over('inventory', 'inventory');

grant usage on schema audit, facility, workforce to inventory_owner;
grant usage on schema facility to inventory_app, inventory_ro;
grant select (tenant_id, id, clinic_id, deleted_at) on facility.locations to inventory_owner;
grant select (tenant_id, id, timezone) on facility.clinics to inventory_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to inventory_owner;

-- the name that inventory.expiring_stock shows
grant select (tenant_id, id, name) on facility.locations to inventory_app, inventory_ro;

grant select on inventory.expiring_stock, inventory.stock_levels to inventory_app, inventory_ro;

grant execute on function
  inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid),
  inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean),
  inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid),
  inventory.release_reservation(uuid),
  inventory.expire_reservations(int),
  inventory.transfer(uuid, uuid, jsonb, text, uuid, text, text),
  inventory.count_adjust(uuid, uuid, numeric, uuid, text, uuid, text, numeric),
  inventory.release_batch(uuid),
  inventory.hold_batch(uuid, text),
  inventory.reject_batch(uuid, text),
  inventory.expire_batches(int),
  inventory.announce_expiring(int, int),
  inventory.batch_recipients(uuid),
  inventory.recall_batch(uuid, text, text),
  inventory.create_purchase_order(uuid, uuid, uuid, jsonb, date, jsonb, text),
  inventory.submit_purchase_order(uuid),
  inventory.decide_purchase_order(uuid, boolean, text),
  inventory.send_purchase_order(uuid),
  inventory.cancel_purchase_order(uuid, text),
  inventory.close_purchase_order(uuid, text),
  inventory.receive_goods(uuid, uuid, uuid, text, date, jsonb, uuid, boolean),
  inventory.inspect_goods(uuid, boolean),
  inventory.refuse_goods(uuid, text),
  inventory.post_goods_receipt(uuid),
  inventory.request_indent(uuid, uuid, uuid, jsonb, text, timestamptz),
  inventory.decide_indent(uuid, boolean, jsonb, text),
  inventory.cancel_indent(uuid, text),
  inventory.issue_indent(uuid, text, jsonb),
  inventory.receive_indent(uuid, jsonb)
to inventory_app;
