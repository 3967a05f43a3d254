-- clinical_owner owns the module.

select core.hand_over('clinical', 'clinical');

select core.ensure_partitions('clinical.vital_signs', 'month', 3);

select core.ensure_partitions('clinical.observations', 'month', 3);
