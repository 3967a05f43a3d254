-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type abdm.consent_status as enum (
  'received', 'granted', 'invalid', 'revoked', 'expired'
);

comment on type abdm.consent_status is 'about=?';
