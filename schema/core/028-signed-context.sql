-- A context that cannot be made up in SQL: whoever signs in people signs tenant, user, role and purpose with a key that
-- applications have and SQL has not. An injected set_config then changes nothing but the answer to an error.
-- Off until core.require_signed_context is called.

-- core.require_signed_context replaces it. Inlined, so that the planner drops what is not in use; not immutable, so that
-- plans that are there are made anew.
create function core.context_is_signed() returns boolean
  language sql
  stable
  parallel safe
return false;

comment on function core.context_is_signed() is 'about=Whether this database works only for signed contexts.';

create function core.signed_tenant_id() returns uuid
  language plpgsql
  stable
  parallel safe
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant text := nullif(pg_catalog.current_setting('app.tenant_id', true), '');
  v_role text := coalesce(pg_catalog.current_setting('app.role', true), '');
  v_purpose text := coalesce(pg_catalog.current_setting('app.purpose', true), '');
  v_signature text[] := pg_catalog.string_to_array(pg_catalog.current_setting('app.signature', true), '.');
  v_secret bytea;
  v_expected text;
begin
  if v_tenant is null then
    return null;
  end if;
  select k.secret into v_secret
  from core.context_keys k
  where k.kid = v_signature[1] and k.retired_at is null;
  v_expected := pg_catalog.encode(
    public.hmac(
      pg_catalog.convert_to(
        pg_catalog.concat_ws(
          E'\n', v_signature[1], v_signature[2], coalesce(pg_catalog.current_setting('app.request_id', true), ''),
          v_tenant, coalesce(pg_catalog.current_setting('app.user_id', true), ''), v_purpose, v_role
        ),
        'UTF8'
      ),
      v_secret, 'sha256'
    ),
    'hex'
  );
  if
    pg_catalog.cardinality(v_signature) = 3
    and v_signature[2] ~ '^[0-9]{1,12}$'
    and v_signature[2]::bigint >= extract(epoch from now())
    and pg_catalog.strpos(v_purpose || v_role, E'\n') = 0 -- what one holds cannot be moved into the other
    -- hashes are compared: how long it takes tells nothing about the signature that is expected
    and pg_catalog.sha256(pg_catalog.convert_to(v_signature[3], 'UTF8'))
      = pg_catalog.sha256(pg_catalog.convert_to(v_expected, 'UTF8'))
  then
    return v_tenant::uuid;
  end if;
  raise exception 'the context of this transaction is not signed, was signed too long ago, or was changed since'
    using errcode = 'IM014', hint = 'sign it with signContext and a key of core.context_keys';
end
$$;

comment on function core.signed_tenant_id() is 'about=The tenant of this transaction when core.begin_request brought a signature over tenant, user, role, purpose and request that was valid when the transaction began; null without a tenant. IM014 otherwise.';
