-- Money movement and providers; no card data ever.

create schema payment;

comment on schema payment is 'owner=payment_gateway;about=Money movement and providers; no card data ever.';

select core.create_service_roles('payment_gateway');
