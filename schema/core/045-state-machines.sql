-- State machines are data (core.transition_rules); this one trigger enforces them all.

create function core.enforce_transition() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_machine text := tg_argv[0];
  v_column text := tg_argv[1];
  v_from text := '';
  v_to text;
  v_rule record;
begin
  -- almost every machine's column is called status; the branch saves turning the row into JSON
  if v_column = 'status' then
    v_to := new.status::text;
    if tg_op = 'UPDATE' then
      v_from := old.status::text;
    end if;
  else
    v_to := pg_catalog.to_jsonb(new) ->> v_column;
    if tg_op = 'UPDATE' then
      v_from := pg_catalog.to_jsonb(old) ->> v_column;
    end if;
  end if;
  if v_from = v_to then
    return new;
  end if;

  select r.* into v_rule
  from core.transition_rules r
  where r.machine = v_machine and r.from_state = v_from and r.to_state = v_to;
  if not found then
    raise exception '% % cannot go from "%" to "%"', v_machine, new.id, v_from, v_to
      using errcode = 'IM001', hint = 'core.transition_rules lists the moves of ' || v_machine;
  end if;
  if v_rule.requires_reason and core.current_reason() is null then
    raise exception '% % needs a reason to go to "%"', v_machine, new.id, v_to
      using errcode = 'IM002', hint = 'call core.set_reason, or pass the reason to core.begin_request';
  end if;
  if v_rule.allowed_roles is not null and not coalesce(core.current_role_name() = any (v_rule.allowed_roles), false) then
    raise exception 'role "%" may not move % to "%"', core.current_role_name(), v_machine, v_to
      using errcode = 'IM006', hint = 'allowed: ' || pg_catalog.array_to_string(v_rule.allowed_roles, ', ');
  end if;
  -- the event of a first state is written after the insert: ON CONFLICT DO NOTHING may still skip the row
  if v_rule.emits_event is not null and tg_op = 'UPDATE' then
    perform core.enqueue(
      pg_catalog.split_part(v_rule.emits_event, '.', 1), new.id, v_rule.emits_event,
      pg_catalog.jsonb_build_object('id', new.id, 'from', v_from, 'to', v_to)
    );
  end if;
  return new;
end
$$;

comment on function core.enforce_transition() is 'about=Arguments (machine, column). Before insert or update of the column: the move must be a row of core.transition_rules (IM001), with a reason where one is required (IM002), by an allowed role (IM006); writes the event of a move to the outbox. The event of a first state is written by core.announce_first_state.';

create function core.announce_first_state() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_state text := new.status::text;
  v_event text;
begin
  select r.emits_event into v_event
  from core.transition_rules r
  where r.machine = tg_argv[0] and r.from_state = '' and r.to_state = v_state;
  if v_event is not null then
    perform core.enqueue(
      pg_catalog.split_part(v_event, '.', 1), new.id, v_event,
      pg_catalog.jsonb_build_object('id', new.id, 'from', '', 'to', v_state)
    );
  end if;
  return null;
end
$$;

comment on function core.announce_first_state() is 'about=Argument (machine). After insert: writes the event of the first state of column status to the outbox, where the rule names one.';
