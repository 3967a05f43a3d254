-- Implants, so that a recall finds the patients.

create function clinical.record_implant(
  p_procedure_id uuid,
  p_item_id uuid,
  p_body_site text,
  p_batch_id uuid default null,
  p_udi text default null,
  p_serial_number text default null,
  p_sticker_document_id uuid default null,
  p_id uuid default null
) returns clinical.implants
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
  v_implant clinical.implants;
begin
  select i.* into v_implant
  from clinical.implants i
  where i.tenant_id = v_procedure.tenant_id and i.id = p_id;
  if found then
    if v_implant.procedure_id <> p_procedure_id then
      raise exception 'implant % belongs to another procedure', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new implant';
    end if;
    return v_implant; -- sent again
  end if;
  if v_procedure.status not in ('in_progress', 'completed') then
    raise exception 'procedure % is %', p_procedure_id, v_procedure.status
      using errcode = 'IM001', hint = 'an implant is recorded during a procedure or after it';
  end if;
  insert into clinical.implants (
    tenant_id, id, patient_id, procedure_id, item_id, batch_id, udi, serial_number, body_site, sticker_document_id
  )
  values (
    v_procedure.tenant_id, coalesce(p_id, core.uuid_v7()), v_procedure.patient_id, p_procedure_id, p_item_id,
    p_batch_id, p_udi, p_serial_number, p_body_site, p_sticker_document_id
  )
  returning * into v_implant;
  return v_implant;
end
$$;

comment on function clinical.record_implant(uuid, uuid, text, uuid, text, text, uuid, uuid) is 'about=Records an implant of a procedure, with its batch, UDI or serial number. An id that the caller chose is recorded once. IM001 the procedure has not begun or was abandoned, IM005 no such procedure, IM011 the id is of another procedure''s implant, 23505 the serial number is in a patient already, 23514 not traceable.';
