-- Trigger functions of this module's tables. Those that call private helpers or read other services' tables run as the
-- owner; row level security holds for the owner as well.

create function clinical.check_stg_criterion() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from clinical.stg_guidelines g
    where g.id = new.guideline_id and g.status <> 'draft'
  ) then
    raise exception 'guideline % is in force and its criteria are frozen', new.guideline_id
      using errcode = 'IM006', hint = 'add a new version of the guideline';
  end if;
  if new.expression is not null then
    perform clinical.check_stg_expression(new.expression);
  end if;
  if new.applies_when is not null then
    perform clinical.check_stg_expression(new.applies_when);
  end if;
  return new;
end
$$;

comment on function clinical.check_stg_criterion() is 'about=Before insert or update of clinical.stg_criteria: only while the guideline is a draft (IM006), and with expressions that can be evaluated (22023).';
