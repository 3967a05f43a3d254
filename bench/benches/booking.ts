import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { connect, type Connection, type Transaction } from '@imhotep/postgres'
import { hospital, makeTenants, withConnection } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'

const slotCount = 20

/** Many clients at once on few slots: ours against a bare insert, a serializable transaction and check-then-insert. */
export async function booking({ server }: BenchOptions): Promise<BenchResult> {
  const { url, appUrl } = await hospital(server)
  return withConnection(url, async (admin) => {
    const [tenant = ''] = await makeTenants(admin, 1)
    const place = await makePlace(admin, tenant)
    await admin.script(`
      create schema bench;
      create table bench.bookings (tenant_id uuid, slot_id uuid, patient_id uuid, primary key (tenant_id, slot_id));
      create table bench.checked (tenant_id uuid, slot_id uuid, patient_id uuid);
      create index on bench.checked (tenant_id, slot_id);
      grant usage on schema bench to public; grant all on bench.bookings, bench.checked to public`)
    await admin.script(bareBooking)
    const measured = []
    const violations = { imhotep: 0, bare: 0, naive: 0, serializable: 0 }
    const toNothing: number[] = []
    const toSameRows: number[] = []
    let gaveUp = 0
    // the last: as applications run, a few connections that are always at work
    for (const { clients, connections } of [
      { clients: 40, connections: 40 },
      { clients: 200, connections: 200 },
      { clients: 200, connections: 16 },
    ]) {
      const db = connect(appUrl, { max: connections })
      await Promise.all(Array.from({ length: connections }, () => db.query('select pg_sleep(0.2)')))
      let slots: string[] = []
      const fresh = async () => {
        slots = await makeSlots(admin, tenant, place)
        // no truncate: it would make every session plan its statements anew
        await admin.script('delete from bench.bookings; delete from bench.checked')
      }
      await fresh()
      const all =
        (attempt: (tx: Transaction, slot: string, patient: string) => Promise<unknown>, isolation?: 'serializable') =>
        async () => {
          await Promise.all(
            Array.from({ length: clients }, (_, client) => {
              const slot = slots[client % slotCount] ?? ''
              const patient = place.patients[client] ?? ''
              return withTenant(
                db,
                { tenant, user: null, role: 'receptionist', purpose: 'HOPERAT' },
                (tx) => attempt(tx, slot, patient),
                {
                  retries: 50,
                  ...(isolation ? { isolation } : {}),
                },
              ).catch((error: unknown) => {
                // many serializable transactions at once exhaust the server's table of conflicts
                if (isolation === undefined) throw error
                gaveUp++
              })
            }),
          )
        }
      const count = async (table: string) => {
        const [row] = await admin.query<{ extra: number }>(
          `select coalesce(sum(n - 1), 0)::int as extra from (select count(*) as n from ${table} group by slot_id having count(*) > 1) as doubled`,
        )
        return row?.extra ?? 0
      }
      const cases: Case[] = [
        {
          name: `${clients} clients, ${connections} connections: booking.create_booking`,
          run: all((tx, slot, patient) =>
            tx.query(`select status from booking.create_booking($1, $2, $3)`, [randomUUID(), patient, slot]),
          ),
          after: async () => {
            violations.imhotep += await count('scheduling.appointments')
            await fresh()
          },
        },
        {
          name: `${clients} clients, ${connections} connections: bare insert on conflict do nothing`,
          run: all((tx, slot, patient) =>
            tx.query('insert into bench.bookings values ($1, $2, $3) on conflict do nothing', [tenant, slot, patient]),
          ),
          after: fresh,
        },
        {
          name: `${clients} clients, ${connections} connections: bare insert that stores the same rows`,
          run: all((tx, slot, patient) => tx.query('select bench.book($1, $2, $3)', [randomUUID(), patient, slot])),
          after: async () => {
            violations.bare += await count('scheduling.appointments')
            await fresh()
          },
        },
        {
          name: `${clients} clients, ${connections} connections: check, then insert (naive)`,
          run: all((tx, slot, patient) => checkThenInsert(tx, tenant, slot, patient)),
          after: async () => {
            violations.naive += await count('bench.checked')
            await fresh()
          },
        },
        {
          name: `${clients} clients, ${connections} connections: the same, serializable with retry`,
          run: all((tx, slot, patient) => checkThenInsert(tx, tenant, slot, patient), 'serializable'),
          after: async () => {
            violations.serializable += await count('bench.checked')
            await fresh()
          },
        },
      ]
      // sessions of a pool live long: most rounds find them warm, as a rush in a hospital does
      const figures = await measure(cases, 41)
      measured.push(...figures)
      toNothing.push((figures[0]?.wallMs ?? 0) / (figures[1]?.wallMs ?? 1))
      toSameRows.push((figures[0]?.wallMs ?? 0) / (figures[2]?.wallMs ?? 1))
      await db.close()
    }
    return {
      bench: 'booking',
      measured,
      figures: [
        { name: 'double bookings, booking.create_booking', value: violations.imhotep, unit: '', goal: '= 0' },
        { name: 'double bookings, bare insert with the same rows', value: violations.bare, unit: '' },
        { name: 'double bookings, naive (for comparison)', value: violations.naive, unit: '' },
        { name: 'double bookings, serializable', value: violations.serializable, unit: '' },
        { name: 'serializable attempts that ended in an error', value: gaveUp, unit: '' },
        { name: 'deadlocks, in all of it', value: await deadlocks(admin), unit: '', goal: '= 0' },
        {
          name: '200 connections: create_booking / bare insert with the same rows',
          value: toSameRows[1] ?? Number.NaN,
          unit: 'x',
          goal: '<= 1.4',
        },
        {
          name: '16 connections: create_booking / bare insert with the same rows',
          value: toSameRows[2] ?? Number.NaN,
          unit: 'x',
        },
        {
          name: '200 connections: create_booking / bare insert, losers store nothing',
          value: toNothing[1] ?? Number.NaN,
          unit: 'x',
        },
        {
          name: '16 connections: create_booking / bare insert, losers store nothing',
          value: toNothing[2] ?? Number.NaN,
          unit: 'x',
        },
      ],
      skipped: [],
      setting: { slots: slotCount, capacity: 1 },
    }
  })
}

/**
 * What somebody writes who trusts one unique key and nothing else, with the rows that have to be there afterwards: every
 * request with its outcome, and for the winner the appointment with its number. No check of patient, calendar, schedule,
 * counter or repeated key.
 */
const bareBooking = `
  create function bench.book(p_key text, p_patient uuid, p_slot uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
  as $$
  declare
    v_tenant uuid := core.require_tenant();
    v_request uuid;
    v_appointment uuid;
  begin
    insert into bench.bookings values (v_tenant, p_slot, p_patient) on conflict do nothing;
    if found then
      v_appointment := core.uuid_v7();
    end if;
    insert into booking.booking_requests (tenant_id, idempotency_key, request_hash, patient_id, slot_id, channel, status, failure_code,
      appointment_id)
    values (v_tenant, p_key, '\\x00', p_patient, p_slot, 'counter', case when v_appointment is null then 'rejected' else 'confirmed' end,
      case when v_appointment is null then 'IM101' end, v_appointment)
    returning id into v_request;
    if v_appointment is not null then
      insert into scheduling.appointments (tenant_id, id, appointment_number, patient_id, clinic_id, department_id, slot_id, starts_at,
        ends_at, booking_request_id, status)
      select v_tenant, v_appointment, scheduling.generate_appointment_number(s.clinic_id), p_patient, s.clinic_id, s.department_id, s.id,
        s.starts_at, s.ends_at, v_request, 'booked'
      from scheduling.appointment_slots s
      where s.tenant_id = v_tenant and s.id = p_slot;
    end if;
  end
  $$;
  alter function bench.book(text, uuid, uuid) owner to appointment_owner;
  grant execute on function bench.book(text, uuid, uuid) to imhotep_app`

/** Counted by the server: a deadlock that is retried is one too. */
async function deadlocks(admin: Connection): Promise<number> {
  const [row] = await admin.query<{ deadlocks: number }>(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  return row?.deadlocks ?? Number.NaN
}

async function checkThenInsert(tx: Transaction, tenant: string, slot: string, patient: string): Promise<void> {
  const taken = await tx.query('select from bench.checked where tenant_id = $1 and slot_id = $2', [tenant, slot])
  if (taken.length === 0) await tx.query('insert into bench.checked values ($1, $2, $3)', [tenant, slot, patient])
}

interface Place {
  readonly clinic: string
  readonly department: string
  readonly patients: readonly string[]
}

async function makePlace(admin: Connection, tenant: string): Promise<Place> {
  await admin.query(`set app.tenant_id = '${tenant}'`)
  const [clinic] = await admin.query<{ id: string }>(
    `insert into facility.clinics (tenant_id, code, name, kind, address, country, timezone, pin_code)
     values ($1, 'B1', 'Bench', 'clinic', '{}', 'IN', 'Asia/Kolkata', '110001') returning id`,
    [tenant],
  )
  await admin.query(`update facility.clinics set status = 'active'`)
  const [department] = await admin.query<{ id: string }>(
    `insert into facility.departments (tenant_id, clinic_id, code, name, kind)
     values ($1, $2, 'OPD', 'Out-patients', 'clinical') returning id`,
    [tenant, clinic?.id],
  )
  const patients = await admin.query<{ id: string }>(
    `insert into patient.patients (tenant_id, mrn, given_name, family_name, name_phonetic, sex, registered_clinic_id)
     select $1, 'B' || g, 'Given', 'Family', 'FML', 'female', $2 from generate_series(1, 200) g returning id`,
    [tenant, clinic?.id],
  )
  return { clinic: clinic?.id ?? '', department: department?.id ?? '', patients: patients.map((row) => row.id) }
}

let day = 1

/** Twenty slots of one place on a day of their own: nobody is busy from an earlier round. */
async function makeSlots(admin: Connection, tenant: string, place: Place): Promise<string[]> {
  day++
  const rows = await admin.query<{ id: string }>(
    `insert into scheduling.appointment_slots (tenant_id, department_id, clinic_id, starts_at, ends_at, capacity)
     select $1, $2, $3, now() + $4 * interval '1 day' + g * interval '10 minutes', now() + $4 * interval '1 day' + (g + 1) * interval '10 minutes', 1
     from generate_series(1, $5) g returning id`,
    [tenant, place.department, place.clinic, day, slotCount],
  )
  return rows.map((row) => row.id)
}
