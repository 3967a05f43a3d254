-- ehr_owner owns the module.

select core.hand_over('ehr', 'ehr');
