-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type laboratory.sample_status as enum (
  'planned', 'collected', 'cancelled', 'in_transit', 'received', 'lost', 'rejected', 'accessioned', 'in_process', 'aliquoted', 'stored', 'tested', 'disposed'
);

comment on type laboratory.sample_status is 'about=The life of a sample, from planned to disposed; core.transition_rules lists the moves.';
