-- inventory_owner owns the module. Its operations read who works here and where the stores are.

select core.hand_over('inventory', 'inventory');

grant usage on schema facility, workforce to inventory_owner, inventory_app, inventory_ro;
grant select (tenant_id, id, clinic_id, deleted_at) on facility.locations to inventory_owner;
grant select (tenant_id, id, timezone) on facility.clinics to inventory_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to inventory_owner;

grant execute on function
  inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid),
  inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean),
  inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid),
  inventory.release_reservation(uuid),
  inventory.expire_reservations(int)
to inventory_app;
