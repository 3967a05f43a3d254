-- business_owner owns the module.

select core.hand_over('compliance', 'business');

select core.ensure_partitions('compliance.compliance_checks', 'month', 3);
