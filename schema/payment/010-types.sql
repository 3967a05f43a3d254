-- Enum comparison is not leakproof under row security: lists by status filter after an index, or have a partial one.

create type payment.payment_status as enum (
  'pending', 'completed', 'failed', 'partially_refunded', 'refunded', 'disputed', 'voided'
);

comment on type payment.payment_status is 'about=Where a payment stands, from pending to completed and back to the payer.';
