-- core.context_keys: what signatures of contexts are checked with. Nobody but the owner of the kernel reads it.

create table core.context_keys (
  kid text not null,
  secret bytea not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  constraint context_keys_pkey primary key (kid),
  constraint context_keys_kid_form check (kid ~ '^[A-Za-z0-9_-]{1,64}$'),
  constraint context_keys_secret_is_long check (octet_length(secret) >= 32)
);

comment on table core.context_keys is 'class=operational;scope=global;owner=kernel;fhir=none;retention=operational;about=Keys that contexts are signed with.';
comment on column core.context_keys.kid is 'class=operational;about=Name of the key, the first part of a signature.';
comment on column core.context_keys.secret is 'class=operational;about=The HMAC-SHA-256 key, at least 32 bytes.';
comment on column core.context_keys.created_at is 'class=operational;about=Since when signatures with it are accepted.';
comment on column core.context_keys.retired_at is 'class=operational;about=Since when they are not any more.';

create function core.add_context_key(p_kid text, p_secret bytea) returns void
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  insert into core.context_keys (kid, secret) values (p_kid, p_secret)
$$;

comment on function core.add_context_key(text, bytea) is 'about=Accepts contexts that are signed with this key, beside those of other keys. 23505 the name is taken, 23514 a secret of fewer than 32 bytes.';

create function core.retire_context_key(p_kid text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.context_is_signed()
    and not exists (select from core.context_keys k where k.kid <> p_kid and k.retired_at is null)
  then
    raise exception 'key "%" is the last one, without it nobody could work', p_kid
      using errcode = 'IM006', hint = 'add the next key with core.add_context_key first';
  end if;
  update core.context_keys k
  set retired_at = now()
  where k.kid = p_kid and k.retired_at is null;
  if not found then
    raise exception 'no key "%" that is in use', p_kid
      using errcode = 'IM005', hint = 'core.context_keys lists them';
  end if;
end
$$;

comment on function core.retire_context_key(text) is 'about=Accepts no more contexts that are signed with this key. IM005 no such key in use, IM006 the last one while signatures are required.';

create function core.require_signed_context() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from core.context_keys k where k.retired_at is null) then
    raise exception 'there is no key to check signatures with'
      using errcode = 'IM005', hint = 'add one with core.add_context_key';
  end if;
  create or replace function core.context_is_signed() returns boolean language sql stable parallel safe return true;
end
$$;

comment on function core.require_signed_context() is 'about=From now on, in sessions that are open as well, only signed contexts see and write rows. For the role that installed the schema. IM005 no key.';

create function core.accept_unsigned_context() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  create or replace function core.context_is_signed() returns boolean language sql stable parallel safe return false;
end
$$;

comment on function core.accept_unsigned_context() is 'about=Takes core.require_signed_context back.';
