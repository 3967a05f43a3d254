-- The state of a slot follows its counts; appointment_slots has the trigger.

create function scheduling.follow_slot_counts() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status in ('open', 'full') then
    new.status := case
      when new.booked_count + new.held_count >= new.capacity + new.overbook_limit then 'full'
      else 'open'
    end;
  end if;
  return new;
end
$$;

comment on function scheduling.follow_slot_counts() is 'about=Before insert or update: a slot is full exactly when no place is left, open otherwise; blocked, cancelled and past slots keep their state.';
