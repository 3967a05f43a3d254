-- medication_owner owns the module.

select core.hand_over('medication', 'medication');

select core.ensure_partitions('medication.medication_administrations', 'month', 3);
