-- Demo: the papers of patient 11's stay: consent, health card, a laboratory report with a corrected version; one scan that
-- waits for the virus scanner and one that did not pass it. Each hospital has a letter of its own.
-- imhotep:after clinical/250-encounters

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_patient uuid;
  v_stay uuid;
  v_file record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_stay := (v_id || '-0017-7000-8000-000000000012')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000005')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from ehr.documents d where d.tenant_id = v_tenant);
    select e.patient_id into strict v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = v_stay;

    for v_file in
      select *
      from (
        values
          (1, null::int, 'Consent to the operation, signed', 'consent_form', 'consent', 'scanned', 'clean', true),
          (2, null, 'Health card, front', 'id_proof', 'identity', 'scanned', 'clean', true),
          (3, null, 'Blood count before the operation', 'lab_report', 'clinical', 'generated', 'clean', true),
          (4, 3, 'Blood count before the operation, corrected', 'lab_report', 'clinical', 'generated', 'clean', true),
          (5, null, 'Referral letter', 'referral', 'clinical', 'scanned', null, false),
          (6, null, 'Old reports on a memory stick', 'outside_record', 'clinical', 'uploaded', 'infected', false)
      ) as f (n, replaces, title, type_code, category, source, scan, final)
      order by f.n
    loop
      insert into ehr.documents (
        tenant_id, id, document_number, version, supersedes_id, patient_id, encounter_id, type_code, title, category,
        storage_uri, mime, size_bytes, sha256, key_kid, source, template_id
      )
      values (
        v_tenant, (v_id || '-0301-7000-8000-' || lpad(v_file.n::text, 12, '0'))::uuid,
        case
          when v_file.replaces is null then core.next_default_number('document', '', 'DOC-{YYYY}-')
          else (
            select d.document_number
            from ehr.documents d
            where d.tenant_id = v_tenant and d.id = (v_id || '-0301-7000-8000-' || lpad(v_file.replaces::text, 12, '0'))::uuid
          )
        end,
        case when v_file.replaces is null then 1 else 2 end,
        (v_id || '-0301-7000-8000-' || lpad(v_file.replaces::text, 12, '0'))::uuid,
        v_patient, v_stay, v_file.type_code, v_file.title, v_file.category,
        's3://demo-documents/' || v_id || '/' || v_file.n, 'application/pdf', 40960 + v_file.n,
        sha256(('demo file ' || v_id || v_file.n)::bytea), 'demo-document-key', v_file.source,
        (
          select t.id
          from ehr.document_templates t
          where t.tenant_id is null and t.code = 'consent.procedure' and v_file.type_code = 'consent_form'
        )
      );
      if v_file.scan is not null then
        perform ehr.record_virus_scan((v_id || '-0301-7000-8000-' || lpad(v_file.n::text, 12, '0'))::uuid, v_file.scan);
      end if;
      if v_file.final then
        perform ehr.finalise_document((v_id || '-0301-7000-8000-' || lpad(v_file.n::text, 12, '0'))::uuid);
      end if;
    end loop;

    perform ehr.sign_document(d.id, d.sha256, 'witness', 'drawn', '\x0102')
    from ehr.documents d
    where d.tenant_id = v_tenant and d.id = (v_id || '-0301-7000-8000-000000000001')::uuid;
    perform ehr.sign_document(d.id, d.sha256, 'approve', 'totp')
    from ehr.documents d
    where d.tenant_id = v_tenant and d.id = (v_id || '-0301-7000-8000-000000000004')::uuid;

    insert into ehr.document_templates (tenant_id, id, code, version, kind, name, locale, body, created_by)
    values (
      v_tenant, (v_id || '-0303-7000-8000-000000000001')::uuid, 'letter.sick_leave', 1, 'letter', 'Sick leave', 'en-IN',
      '{{patient}} is unfit for work from {{from}} to {{to}}.', (v_id || '-0005-7000-8000-000000000008')::uuid
    );
    perform ehr.activate_template((v_id || '-0303-7000-8000-000000000001')::uuid, current_date - 30);
  end loop;
end
$$;
