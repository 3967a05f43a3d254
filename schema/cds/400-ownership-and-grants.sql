-- cds_owner owns the module.

select core.hand_over('cds', 'cds');
