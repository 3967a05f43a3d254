-- inventory_owner owns the module.

select core.hand_over('inventory', 'inventory');
