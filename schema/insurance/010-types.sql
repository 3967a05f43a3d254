-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type insurance.claim_status as enum (
  'draft', 'ready', 'cancelled', 'submitted', 'approved', 'partially_approved', 'queried', 'rejected', 'dispatch_failed',
  'cancel_requested', 'lapsed', 'resubmitted', 'reprocess_requested', 'closed', 'superseded', 'utilised', 'paid', 'expired'
);

comment on type insurance.claim_status is 'about=State of a pre-authorisation or claim, from draft to closed; core.transition_rules lists the moves.';
