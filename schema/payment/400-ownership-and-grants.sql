-- payment_gateway_owner owns the module.

select core.hand_over('payment', 'payment_gateway');
