-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type payment.payment_status as enum (
  'pending', 'completed', 'failed', 'partially_refunded', 'refunded', 'disputed', 'voided'
);

comment on type payment.payment_status is 'about=?';
