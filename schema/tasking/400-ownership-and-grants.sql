-- business_owner owns the module.

select core.hand_over('tasking', 'business');
