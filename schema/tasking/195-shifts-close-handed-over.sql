-- A shift closes, or is cancelled, only when its work is in other hands: the rule of this module on a table of workforce.

create trigger shifts_handed_over before update of status on workforce.shifts
  for each row when (new.status in ('closed', 'cancelled') and old.status is distinct from new.status)
  execute function tasking.check_shift_is_handed_over();
