-- The hash that stands beside a text as proof of what it said.

create function compliance.text_hash(p_text text) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select sha256(convert_to(p_text, 'UTF8')) $$;

comment on function compliance.text_hash(text) is 'about=SHA-256 of a text in UTF-8.';
