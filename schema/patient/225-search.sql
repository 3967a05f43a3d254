-- Find patients by any part of their name.

create function patient.search(p_text text, p_limit int default 20)
  returns table (patient_id uuid, mrn text, full_name text, sex text, birth_date date, status text)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_text text := btrim(patient.searchable_name(p_text));
  v_hash bigint;
  v_count bigint;
  v_rarest bigint;
  v_fewest bigint;
begin
  if length(v_text) < 3 then
    raise exception 'three letters are needed to search for a name'
      using errcode = '22023', hint = 'type more of the name, or search by MRN';
  end if;
  -- the three letters that the fewest names have; beyond a few hundred it no longer matters which
  foreach v_hash in array patient.hashed_trigrams(v_tenant, v_text) loop
    select count(*) into v_count
    from (
      select from patient.name_trigrams n where n.tenant_id = v_tenant and n.trigram = v_hash limit 300
    ) as holders;
    if v_fewest is null or v_count < v_fewest then
      v_fewest := v_count;
      v_rarest := v_hash;
    end if;
    exit when v_fewest = 0;
  end loop;

  return query
    select p.id, p.mrn, concat_ws(' ', p.given_name, p.middle_name, p.family_name), p.sex, p.birth_date, p.status
    from patient.name_trigrams n
    join patient.patients p on p.tenant_id = n.tenant_id and p.id = n.patient_id
    where
      n.tenant_id = v_tenant
      and n.trigram = v_rarest
      and p.tenant_id = v_tenant
      and p.deleted_at is null
      and p.status <> 'merged'
      and strpos(patient.searchable_name(concat_ws(' ', p.given_name, p.middle_name, p.family_name)), v_text) > 0
    order by p.family_name_lc, p.given_name_lc, p.id
    limit p_limit;
end
$$;

comment on function patient.search(text, int) is 'about=Patients whose name holds the text, at least three letters, in the order of their names; merged and deleted records are left out. 22023 shorter text, IM003 no tenant.';
