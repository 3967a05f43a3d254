-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.

create type tasking.task_status as enum (
  'pending', 'in_progress', 'completed', 'cancelled', 'overdue', 'on_hold', 'verified', 'reopened'
);

comment on type tasking.task_status is 'about=States of a task. Open are pending, in_progress, on_hold, overdue and reopened.';

create type tasking.task_priority as enum ('low', 'medium', 'high', 'critical');

comment on type tasking.task_priority is 'about=How urgent a task is, from low to critical.';

create type tasking.verification_status as enum (
  'pending', 'in_progress', 'manual_review', 'expired', 'verified', 'mismatch', 'failed', 'rejected'
);

comment on type tasking.verification_status is 'about=States of the check of a task in an EMR: pending and in_progress run, failed may be tried again, mismatch and manual_review wait for a person.';

create type tasking.handover_status as enum ('draft', 'submitted', 'cancelled', 'accepted', 'rejected', 'completed');

comment on type tasking.handover_status is 'about=States of a handover: the giver drafts and submits, the receiver accepts or rejects.';
