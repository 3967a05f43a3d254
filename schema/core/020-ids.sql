-- Identifiers: UUID version 7 (RFC 9562), so that new rows land at the end of every index.

create function core.uuid_v7() returns uuid
  language sql
  volatile
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  -- 48 bits of Unix milliseconds over a random UUID; version bits 0100 become 0111
  select pg_catalog.encode(
    pg_catalog.set_bit(
      pg_catalog.set_bit(
        overlay(
          pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
          placing pg_catalog.substr(
            pg_catalog.int8send((extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint), 3
          )
          from 1 for 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$;

comment on function core.uuid_v7() is 'about=A new UUID version 7: ordered by time, random in its last 74 bits. Native from PostgreSQL 18.';

do $$
begin
  if pg_catalog.current_setting('server_version_num')::int >= 180000 then
    create or replace function core.uuid_v7() returns uuid
      language sql
      volatile
      parallel safe
    as 'select pg_catalog.uuidv7()';
  end if;
end
$$;

create function core.zero_uuid() returns uuid
  language sql
  immutable
  parallel safe
return '00000000-0000-0000-0000-000000000000'::uuid;

comment on function core.zero_uuid() is 'about=The nil UUID; stands for null in exclusion constraints.';
