-- From here on business_owner owns the module.

select core.hand_over('workforce', 'business');
