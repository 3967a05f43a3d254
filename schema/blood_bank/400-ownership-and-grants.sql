-- lab_owner owns the module.

select core.hand_over('blood_bank', 'lab');

select core.ensure_partitions('blood_bank.component_events', 'month', 3);
