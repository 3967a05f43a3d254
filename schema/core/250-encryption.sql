-- Encryption inside the database, for tools that cannot do it outside. Applications encrypt with AES-256-GCM before
-- they write. Off unless the session sets app.field_key and app.index_key; no application role may call these.

create function core.session_key(p_setting text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := nullif(pg_catalog.current_setting(p_setting, true), '');
begin
  if v_key is null then
    raise exception 'encryption inside the database is off'
      using errcode = 'IM006', hint = 'encrypt in the application, or set ' || p_setting || ' for this session';
  end if;
  return v_key;
end
$$;

comment on function core.session_key(text) is 'about=The key that a session setting holds; IM006 when there is none.';

create function core.encrypt_text(p_plain text) returns bytea
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select public.pgp_sym_encrypt(
    p_plain, core.session_key('app.field_key'), 'cipher-algo=aes256, compress-algo=0, s2k-mode=1'
  )
$$;

comment on function core.encrypt_text(text) is 'about=Ciphertext of a text under the session''s app.field_key; IM006 when encryption in the database is off.';

create function core.decrypt_text(p_cipher bytea) returns text
  language plpgsql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plain text := public.pgp_sym_decrypt(p_cipher, core.session_key('app.field_key'));
begin
  perform audit.log_event('export', 'core', 'decrypt_text', null, 'text decrypted inside the database');
  return v_plain;
end
$$;

comment on function core.decrypt_text(bytea) is 'about=Plain text of core.encrypt_text under the session''s app.field_key, written to the audit log. IM006 when encryption in the database is off.';

create function core.blind_index(p_plain text) returns bytea
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select public.hmac(
    pg_catalog.convert_to(pg_catalog.lower(pg_catalog.btrim(p_plain)), 'UTF8'),
    pg_catalog.convert_to(core.session_key('app.index_key') || coalesce(core.current_tenant_id()::text, ''), 'UTF8'),
    'sha256'
  )
$$;

comment on function core.blind_index(text) is 'about=HMAC-SHA-256 of a text in lower case without outer blanks, per tenant: finds an encrypted value by equality.';

create function core.rewrap_key(p_kid text, p_wrapped_key bytea, p_kms_ref text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.encryption_keys k
  set wrapped_key = p_wrapped_key, kms_ref = p_kms_ref
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status <> 'destroyed';
  if not found then
    raise exception 'no key "%" that still exists', p_kid
      using errcode = 'IM005', hint = 'core.encryption_keys lists the keys of the tenant';
  end if;
end
$$;

comment on function core.rewrap_key(text, bytea, text) is 'about=The same data key, wrapped by another master key. IM003 no tenant, IM005 no such key.';

create function core.replace_key(
  p_kid text,
  p_new_kid text,
  p_wrapped_key bytea,
  p_kms_ref text,
  p_rotate_after timestamptz
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old core.encryption_keys;
begin
  update core.encryption_keys k
  set status = 'retiring'
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status = 'active'
  returning k.* into v_old;
  if not found then
    raise exception 'no active key "%"', p_kid
      using errcode = 'IM005', hint = 'core.encryption_keys lists the keys of the tenant';
  end if;
  insert into core.encryption_keys (
    tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id
  )
  values (
    v_old.tenant_id, p_new_kid, v_old.purpose, v_old.algorithm, p_wrapped_key, p_kms_ref, p_rotate_after,
    v_old.subject_type, v_old.subject_id
  );
end
$$;

comment on function core.replace_key(text, text, bytea, text, timestamptz) is 'about=A new key encrypts from now on; the old one only decrypts until everything is encrypted anew (retiring), and is then retired with core.retire_key. IM003 no tenant, IM005 no such active key, 23505 the new name is taken.';

create function core.retire_key(p_kid text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.encryption_keys k
  set status = 'retired'
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status = 'retiring';
  if not found then
    raise exception 'no key "%" that is retiring', p_kid
      using errcode = 'IM005', hint = 'replace it first with core.replace_key';
  end if;
end
$$;

comment on function core.retire_key(text) is 'about=Nothing is encrypted with a retiring key any more: it may be destroyed. IM003 no tenant, IM005 no such retiring key.';

create function core.shred_key(p_kid text, p_reason text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'destroying a key needs a reason' using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  update core.encryption_keys k
  set status = 'destroyed', wrapped_key = null, destroyed_at = now(), destroy_reason = p_reason
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status in ('active', 'retired');
  if not found then
    raise exception 'no key "%" that may be destroyed', p_kid
      using errcode = 'IM005', hint = 'a retiring key must be retired first';
  end if;
end
$$;

comment on function core.shred_key(text, text) is 'about=Destroys a wrapped key: what it encrypted can never be read again. IM002 no reason, IM005 no such active or retired key, IM910 a legal hold covers the person whose key it is.';
