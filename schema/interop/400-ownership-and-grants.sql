-- interop_owner owns the module.

select core.hand_over('interop', 'interop');

select core.ensure_partitions('interop.hl7_messages', 'month', 3);
