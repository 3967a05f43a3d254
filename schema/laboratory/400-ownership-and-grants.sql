-- lab_owner owns the module.

select core.hand_over('laboratory', 'lab');

select core.ensure_partitions('laboratory.qc_results', 'month', 3);
