-- Names as they are searched: lower case, one space between words and around them.

create function patient.searchable_name(p_name text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select ' ' || btrim(regexp_replace(lower(coalesce(p_name, '')), '[^[:alnum:]]+', ' ', 'g')) || ' ' $$;

comment on function patient.searchable_name(text) is 'about=A name as it is searched: lower case letters and digits, one space between words and around them.';

create function patient.hashed_trigrams(p_tenant_id uuid, p_text text) returns bigint[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    array_agg(distinct ('x' || left(md5(p_tenant_id::text || substr(p_text, i, 3)), 16))::bit(64)::bigint), '{}'
  )
  from generate_series(1, length(p_text) - 2) as i
$$;

comment on function patient.hashed_trigrams(uuid, text) is 'about=Numbers that stand for every three letters that stand together in a text, each once; others in every tenant.';

create function patient.keep_name_trigrams() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    -- many programs write all columns back
    if (new.given_name, new.middle_name, new.family_name)
      is not distinct from (old.given_name, old.middle_name, old.family_name)
    then
      return null;
    end if;
    delete from patient.name_trigrams n where n.tenant_id = new.tenant_id and n.patient_id = new.id;
  end if;
  insert into patient.name_trigrams (tenant_id, trigram, patient_id)
  select new.tenant_id, t.trigram, new.id
  from
    unnest(
      patient.hashed_trigrams(
        new.tenant_id, patient.searchable_name(concat_ws(' ', new.given_name, new.middle_name, new.family_name))
      )
    ) as t (trigram);
  return null;
end
$$;

comment on function patient.keep_name_trigrams() is 'about=After the name of a patient was written: keeps patient.name_trigrams.';
