-- billing_owner owns the module.

select core.hand_over('insurance', 'billing');
