-- core.transition_rules: every state machine of the database, one row a legal move.
-- A row with from_state '' names a state that a new row may start in. Each table's file adds the rows of its machine;
-- core.enforce_transition reads them. Reference data: nobody may change a row, a later migration adds moves.

create table core.transition_rules (
  machine text not null,
  from_state text not null,
  to_state text not null,
  guard text,
  requires_reason boolean not null default false,
  allowed_roles text[],
  emits_event text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint transition_rules_pkey primary key (machine, from_state, to_state),
  constraint transition_rules_moves check (from_state <> to_state),
  constraint transition_rules_event_form check (emits_event ~ '^[a-z_]+\.[a-z_]+\.v[0-9]+$')
);

comment on table core.transition_rules is 'class=reference;scope=global;owner=kernel;fhir=none;retention=reference;append_only=1;about=Every legal move of every state machine.';
comment on column core.transition_rules.machine is 'class=reference;about=Table that the machine belongs to, with its schema.';
comment on column core.transition_rules.from_state is 'class=reference;about=State before the move, empty for the first state of a row.';
comment on column core.transition_rules.to_state is 'class=reference;about=State after the move.';
comment on column core.transition_rules.guard is 'class=reference;about=What else must hold, for the reader; the operation or a constraint enforces it.';
comment on column core.transition_rules.requires_reason is 'class=reference;about=The move needs core.set_reason or the request''s reason (IM002).';
comment on column core.transition_rules.allowed_roles is 'class=reference;about=Hospital roles that may make the move, null for all that may write the row.';
comment on column core.transition_rules.emits_event is 'class=reference;about=Event that the move writes to the outbox, aggregate.verb.vN.';

select core.comment_standard_columns('core.transition_rules');

create trigger transition_rules_append_only before update or delete on core.transition_rules
  for each row execute function core.refuse_change();

create trigger transition_rules_no_truncate before truncate on core.transition_rules
  for each statement execute function core.refuse_change();

grant select on core.transition_rules to kernel_app, kernel_ro;
