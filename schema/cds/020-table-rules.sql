-- Rules that look at another table or at the old row; their triggers stand with the tables.

create function cds.check_second_approver() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.second_approver_id is null and exists (
    select
    from cds.alerts a
    where a.tenant_id = new.tenant_id and a.id = new.alert_id and a.severity = 'hard_stop'
  ) then
    raise exception 'alert % is a hard stop: overriding it needs a second approver', new.alert_id
      using errcode = 'IM506', hint = 'ask another person and name them in second_approver_id';
  end if;
  return new;
end
$$;

comment on function cds.check_second_approver() is 'about=Before insert of an override: a hard stop needs a second approver. IM506 none given.';

create function cds.keep_tested_logic() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status <> 'draft' and (
    new.code, new.version, new.hook, new.logic, new.severity, new.category, new.test_cases
  ) is distinct from (
    old.code, old.version, old.hook, old.logic, old.severity, old.category, old.test_cases
  ) then
    raise exception 'rule % is % and stays as it was tested', new.id, old.status
      using errcode = 'IM006', hint = 'draft a new version with cds.draft_rule';
  end if;
  return new;
end
$$;

comment on function cds.keep_tested_logic() is 'about=Before update of a rule: once it left draft, its logic and test cases stay. IM006 a change of them.';
