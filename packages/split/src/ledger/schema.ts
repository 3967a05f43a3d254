import { states, transitions } from './states.ts'

/**
 * The ledger's tables. Transitions are data that a trigger holds every change of state against, and each change leaves a
 * row behind: whoever repairs a move by hand cannot leave the path either.
 */
export const ledgerSchema = `
create schema if not exists ledger;
create table if not exists ledger.transition_rules (
  from_state text not null,
  to_state text not null,
  primary key (from_state, to_state)
);
insert into ledger.transition_rules values
  ${rules().join(',\n  ')}
on conflict do nothing;
create table if not exists ledger.plans (
  source text primary key,
  plan jsonb not null,
  planned_at timestamptz not null default clock_timestamp()
);
create table if not exists ledger.services (
  source text not null,
  service text not null,
  state text not null default 'mapped' check (state in (${states.map((state) => `'${state}'`).join(', ')})),
  version bigint not null default 1,
  detail jsonb not null default '{}',
  entered_at timestamptz not null default clock_timestamp(),
  primary key (source, service)
);
create table if not exists ledger.history (
  id bigint generated always as identity primary key,
  source text not null,
  service text not null,
  from_state text,
  to_state text not null,
  at timestamptz not null default clock_timestamp(),
  by text not null default session_user
);
create or replace function ledger.check_transition() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    new.version := old.version + 1;
    if new.state = old.state then return new; end if;
    if not exists (
      select from ledger.transition_rules where from_state = old.state and to_state = new.state
    ) then
      raise exception 'a service cannot go from % to %', old.state, new.state using errcode = 'IM001';
    end if;
    new.entered_at := clock_timestamp();
    insert into ledger.history (source, service, from_state, to_state)
      values (new.source, new.service, old.state, new.state);
  else
    if new.state <> 'mapped' then
      raise exception 'a service begins as mapped, not as %', new.state using errcode = 'IM001';
    end if;
    insert into ledger.history (source, service, to_state) values (new.source, new.service, new.state);
  end if;
  return new;
end $$;
create or replace trigger check_transition before insert or update on ledger.services
  for each row execute function ledger.check_transition();
`

function rules(): string[] {
  return Object.entries(transitions).flatMap(([from, targets]) => targets.map((to) => `('${from}', '${to}')`))
}
