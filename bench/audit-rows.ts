/**
 * SQL that fills a month of the audit log with what a clinic's day writes: observations, bookings, check-ins,
 * prescriptions, invoice lines, changed patients. Every row has its own request, user, session, client and (but for
 * patients) row id; nothing is repeated to make it small. `month` is a partition that exists, such as 2024-06.
 */
export function fillAuditMonth(month: string, tenants: readonly string[], rows: number): string {
  const start = `timestamptz '${month}-01 00:00Z'`
  return `
    create function pg_temp.uuid_at(p_at timestamptz) returns uuid language sql volatile as $$
      select encode(overlay(uuid_send(gen_random_uuid())
        placing substr(int8send((extract(epoch from p_at) * 1000)::bigint), 3) from 1 for 6), 'hex')::uuid $$;
    create function pg_temp.pick(p_list text[]) returns text language sql volatile as $$
      select p_list[1 + floor(random() * cardinality(p_list))] $$;
    create temp table tenants as select i, id from unnest('{${tenants.join()}}'::uuid[]) with ordinality as t (id, i);
    create temp table users as
      select t.i as tenant, n, gen_random_uuid() as id, ('10.' || t.i || '.' || n % 7 || '.' || n)::inet as ip,
        (array['doctor', 'nurse', 'receptionist', 'pharmacist', 'cashier'])[n % 5 + 1] as role,
        'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || 120 + n % 9 || '.0.0.0 Safari/537.36' as agent
      from tenants t, generate_series(0, 59) n;
    create temp table sessions as select u.tenant, u.n, d, gen_random_uuid() as id from users u, generate_series(0, 27) d;
    create temp table patients as
      select t.i as tenant, n, pg_temp.uuid_at(${start} - random() * interval '700 days') as id, gen_random_uuid() as encounter
      from tenants t, generate_series(0, 7999) n;
    -- most rows belong to the first tenant, and to the hours of the day
    create temp table events as
      select g, case when random() < 0.7 then 1 else 2 + floor(random() * ${tenants.length - 1})::int end as tenant,
        floor(random() * 60)::int as u, floor(random() * 8000)::int as p, random() as kind, d,
        ${start} + d * interval '1 day' + (1 + (random() + random() + random()) * 4) * interval '1 hour' as at
      from (select g, floor(random() * 28)::int as d from generate_series(1, ${rows}) g) g;
    analyze users; analyze sessions; analyze patients; analyze events;
    insert into audit.audit_logs (
      tenant_id, occurred_at, action, schema_name, table_name, row_id, patient_id, old_values, new_values,
      changed_columns, actor_user_id, actor_role, actor_service, purpose_of_use, ip, user_agent, session_id, request_id
    )
    select t.id, e.at, c.action, c.schema_name, c.table_name, c.row_id, p.id, c.before, c.after,
      c.changed, u.id, u.role, 'imhotep-api', 'TREAT', u.ip, u.agent, s.id, gen_random_uuid()
    from events e
    join tenants t on t.i = e.tenant
    join users u on u.tenant = e.tenant and u.n = e.u
    join sessions s on s.tenant = e.tenant and s.n = e.u and s.d = e.d
    join patients p on p.tenant = e.tenant and p.n = e.p
    cross join lateral (select pg_temp.uuid_at(e.at) as id, gen_random_uuid() as parent) as new
    cross join lateral (
      select 'insert' as action, 'clinical' as schema_name, 'observations' as table_name, new.id as row_id, null::jsonb as before,
        jsonb_build_object('id', new.id, 'patient_id', p.id, 'encounter_id', p.encounter, 'performer_id', u.id,
          'code', pg_temp.pick('{8867-4,8480-6,8462-4,8310-5,9279-1}'), 'value', round((random() * 140)::numeric, 1),
          'unit', pg_temp.pick('{/min,mm[Hg],Cel}'), 'effective_at', e.at - random() * interval '10 min', 'status', 'final') as after,
        null::text[] as changed
      where e.kind < 0.3
      union all
      select 'update', 'scheduling', 'appointments', new.parent, jsonb_build_object('status', 'booked', 'checked_in_at', null),
        jsonb_build_object('status', 'checked_in', 'checked_in_at', e.at), array['status', 'checked_in_at']
      where e.kind between 0.3 and 0.5
      union all
      select 'insert', 'scheduling', 'appointments', new.id, null,
        jsonb_build_object('id', new.id, 'patient_id', p.id, 'practitioner_id', u.id, 'slot_id', new.parent, 'status', 'booked',
          'starts_at', date_trunc('minute', e.at) + interval '3 days', 'number', 'APT-' || 1000000 + e.g, 'channel', 'front_desk',
          'reason', pg_temp.pick('{Follow-up visit,Fever since 3 days,Diabetes review,Chest pain,Vaccination,Antenatal check}')), null
      where e.kind between 0.5 and 0.65
      union all
      select 'insert', 'pharmacy', 'prescription_lines', new.id, null,
        jsonb_build_object('id', new.id, 'patient_id', p.id, 'prescription_id', new.parent, 'prescriber_id', u.id,
          'drug', pg_temp.pick('{Paracetamol 500 mg tablet,Amoxicillin 250 mg capsule,Metformin 500 mg tablet,Atorvastatin 10 mg tablet}'),
          'frequency', pg_temp.pick('{1-0-1,1-1-1,0-0-1}'), 'days', floor(random() * 30), 'quantity', floor(random() * 90),
          'instructions', 'after food', 'status', 'active'), null
      where e.kind between 0.65 and 0.8
      union all
      select 'update', 'patient', 'patients', p.id,
        jsonb_build_object('address_enc', '***', 'city', pg_temp.pick('{Pune,Mumbai,Nashik}'), 'notes', 'Call ' || floor(random() * 1e9)),
        jsonb_build_object('address_enc', '***', 'city', pg_temp.pick('{Delhi,Chennai,Kochi}'), 'notes', 'Call ' || floor(random() * 1e9)),
        array['address_enc', 'city', 'notes']
      where e.kind between 0.8 and 0.9
      union all
      select 'insert', 'billing', 'invoice_lines', new.id, null,
        jsonb_build_object('id', new.id, 'patient_id', p.id, 'invoice_id', new.parent, 'code', 'SRV-' || floor(random() * 400),
          'description', pg_temp.pick('{Consultation,Complete blood count,Chest X-ray,Dressing,ECG 12 lead,Room charges}'), 'quantity', 1,
          'unit_price', round((random() * 3000)::numeric, 2), 'tax_amount', round((random() * 500)::numeric, 2), 'status', 'posted'), null
      where e.kind > 0.9
    ) as c
    order by e.at`
}
