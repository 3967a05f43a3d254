-- Names as they are searched: lower case, one space between words and around them.

create function patient.searchable_name(p_name text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select ' ' || btrim(regexp_replace(lower(coalesce(p_name, '')), '[^[:alnum:]]+', ' ', 'g')) || ' ' $$;

comment on function patient.searchable_name(text) is 'about=A name as it is searched: lower case letters and digits, one space between words and around them.';

create function patient.hash_trigram(p_tenant_id uuid, p_trigram text) returns bigint
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select ('x' || left(md5(p_tenant_id::text || p_trigram), 16))::bit(64)::bigint $$;

comment on function patient.hash_trigram(uuid, text) is 'about=Number that stands for three letters in patient.name_trigrams; another one in every tenant.';

create function patient.trigrams_of(p_text text) returns text[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct substr(p_text, i, 3)), '{}')
  from generate_series(1, length(p_text) - 2) as i
$$;

comment on function patient.trigrams_of(text) is 'about=Every three letters that stand together in a text, each once.';

create function patient.keep_name_trigrams() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_trigram text;
  v_trigrams text[] := patient.trigrams_of(
    patient.searchable_name(concat_ws(' ', new.given_name, new.middle_name, new.family_name))
  );
begin
  if tg_op = 'UPDATE' then
    delete from patient.name_trigrams n where n.tenant_id = new.tenant_id and n.patient_id = new.id;
  end if;
  foreach v_trigram in array v_trigrams loop
    insert into patient.name_trigrams (tenant_id, trigram, patient_id)
    values (new.tenant_id, patient.hash_trigram(new.tenant_id, v_trigram), new.id);
  end loop;
  return null;
end
$$;

comment on function patient.keep_name_trigrams() is 'about=After the name of a patient was written: keeps patient.name_trigrams.';
