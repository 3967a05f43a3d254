-- Who acts. Work is given, done and handed over in the name of the person who is signed in.

create function tasking.acting_user_id() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in'
      using errcode = 'IM006', hint = 'pass the user of the session to core.begin_request';
  end if;
  return core.current_user_id();
end
$$;

comment on function tasking.acting_user_id() is 'about=The user who is signed in. IM006 nobody.';

create function tasking.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(p_reason), '') = '' then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function tasking.require_reason(text, text) is 'about=Sets the reason of the change. IM002 there is none.';
