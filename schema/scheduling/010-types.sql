-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type scheduling.appointment_status as enum (
  'proposed', 'booked', 'confirmed', 'checked_in', 'in_consultation', 'completed', 'cancelled', 'no_show', 'rescheduled', 'left'
);

comment on type scheduling.appointment_status is 'about=Where a visit stands, from proposed to completed; the legal moves are rows of core.transition_rules.';
