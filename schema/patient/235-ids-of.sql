-- Under which ids the rows of a person are: theirs, and those of the records that were merged with it.

create function patient.ids_of(variadic p_patients uuid[]) returns uuid[]
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select array(
    select unnest(p_patients)
    union
    select p.id
    from patient.patients k
    -- A merge redirects what was merged before: one step is enough. An index serves case, not coalesce, behind row security.
    join patient.patients p
      on p.tenant_id = k.tenant_id
      and (
        p.id = k.merged_into_id
        or p.merged_into_id = case when k.merged_into_id is null then k.id else k.merged_into_id end
      )
    where k.tenant_id = core.current_tenant_id() and k.id = any (p_patients)
  )
$$;

comment on function patient.ids_of(uuid[]) is 'about=The ids of the patients and of all records that are merged with them, survivor or duplicate: whoever reads the chart of a person asks for patient_id = any (patient.ids_of(..)).';
