import { randomUUID } from 'node:crypto'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { connect, type Connection, type Database, type Transaction } from '@imhotep/postgres'
import { hospital, makeTenants, withConnection } from '../databases.ts'
import { measure, type Case, type Measured } from '../measure.ts'
import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'

const slotCount = 20

type Attempt = (tx: Transaction, slot: string, patient: string) => Promise<unknown>

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
    const context = { tenant, user: null, role: 'receptionist', purpose: 'HOPERAT' } as const
    const ways = {
      imhotep: (tx, slot, patient) =>
        tx.query('select status from booking.create_booking($1, $2, $3)', [randomUUID(), patient, slot]),
      bare: (tx, slot, patient) =>
        tx.query('insert into bench.bookings values ($1, $2, $3) on conflict do nothing', [tenant, slot, patient]),
      sameRows: (tx, slot, patient) => tx.query('select bench.book($1, $2, $3)', [randomUUID(), patient, slot]),
      naive: (tx, slot, patient) => checkThenInsert(tx, tenant, slot, patient),
    } satisfies Record<string, Attempt>
    const violations = { imhotep: 0, sameRows: 0, naive: 0, serializable: 0 }
    let gaveUp = 0

    let slots: string[] = []
    const fresh = async () => {
      slots = await makeSlots(admin, tenant, place)
      // no truncate: it would make every session plan its statements anew
      await admin.script('delete from bench.bookings; delete from bench.checked')
    }
    const rush = (db: Database, clients: number, attempt: Attempt, isolation?: 'serializable') =>
      Promise.all(
        Array.from({ length: clients }, (_, client) =>
          withTenant(db, context, (tx) => attempt(tx, slots[client % slotCount] ?? '', place.patients[client] ?? ''), {
            retries: 50,
            ...(isolation ? { isolation } : {}),
          }).catch((error: unknown) => {
            // many serializable transactions at once exhaust the server's table of conflicts
            if (isolation === undefined) throw error
            gaveUp++
          }),
        ),
      )
    const countDoubled = async (who: keyof typeof violations, table: string) => {
      const [row] = await admin.query<{ extra: number }>(
        `select coalesce(sum(n - 1), 0)::int as extra from (select count(*) as n from ${table} group by slot_id having count(*) > 1) as doubled`,
      )
      violations[who] += row?.extra ?? 0
      await fresh()
    }

    /** Every session has booked before and the planner knows the tables, as in a hospital after its first hour. */
    const warm = async (clients: number, connections: number) => {
      const db = await openSessions(appUrl, connections)
      for (const way of [ways.imhotep, ways.sameRows]) {
        const own = await makeSlots(admin, tenant, place, connections)
        await inEverySession(db, connections, context, (tx, session) =>
          way(tx, own[session] ?? '', place.patients[session] ?? ''),
        )
      }
      await admin.script('analyze')
      await fresh()
      const name = `${clients} clients, ${connections} connections`
      const cases: Case[] = [
        {
          name: `${name}: booking.create_booking`,
          run: () => rush(db, clients, ways.imhotep),
          after: () => countDoubled('imhotep', 'scheduling.appointments'),
        },
        {
          name: `${name}: bare insert on conflict do nothing`,
          run: () => rush(db, clients, ways.bare),
          after: fresh,
        },
        {
          name: `${name}: bare insert that stores the same rows`,
          run: () => rush(db, clients, ways.sameRows),
          after: () => countDoubled('sameRows', 'scheduling.appointments'),
        },
        {
          name: `${name}: check, then insert (naive)`,
          run: () => rush(db, clients, ways.naive),
          after: () => countDoubled('naive', 'bench.checked'),
        },
        {
          name: `${name}: the same, serializable with retry`,
          run: () => rush(db, clients, ways.naive, 'serializable'),
          after: () => countDoubled('serializable', 'bench.checked'),
        },
      ]
      const figures = await measure(cases, 41)
      await db.close()
      return figures
    }

    /** The first rush of sessions that were opened a moment ago. */
    const cold = async (clients: number, connections: number) => {
      let db = await openSessions(appUrl, connections)
      const reopen = async () => {
        await db.close()
        db = await openSessions(appUrl, connections)
        await fresh()
      }
      await fresh()
      const figures = await measure(
        [
          {
            name: 'first rush of new sessions: booking.create_booking',
            run: () => rush(db, clients, ways.imhotep),
            after: reopen,
          },
          {
            name: 'first rush of new sessions: bare insert that stores the same rows',
            run: () => rush(db, clients, ways.sameRows),
            after: reopen,
          },
        ],
        5,
      )
      await db.close()
      return figures
    }

    const at40 = await warm(40, 40)
    const at200 = await warm(200, 200)
    // as applications run: a few connections that are always at work
    const at16 = await warm(200, 16)
    const first = await cold(200, 200)
    const ratio = (figures: readonly Measured[], to: number) =>
      (figures[0]?.wallMs ?? Number.NaN) / (figures[to]?.wallMs ?? Number.NaN)
    return {
      bench: 'booking',
      measured: [...at40, ...at200, ...at16, ...first],
      figures: [
        { name: 'double bookings, booking.create_booking', value: violations.imhotep, unit: '', goal: '= 0' },
        { name: 'double bookings, bare insert with the same rows', value: violations.sameRows, unit: '' },
        { name: 'double bookings, naive (for comparison)', value: violations.naive, unit: '' },
        { name: 'double bookings, serializable', value: violations.serializable, unit: '' },
        { name: 'serializable attempts that ended in an error', value: gaveUp, unit: '' },
        { name: 'deadlocks, in all of it', value: await deadlocks(admin), unit: '', goal: '= 0' },
        {
          name: '200 connections: create_booking / bare insert with the same rows',
          value: ratio(at200, 2),
          unit: 'x',
          goal: '<= 1.4',
        },
        { name: '16 connections: create_booking / bare insert with the same rows', value: ratio(at16, 2), unit: 'x' },
        { name: '200 new connections: the same', value: ratio(first, 1), unit: 'x' },
        {
          name: '200 connections: create_booking / bare insert, losers store nothing',
          value: ratio(at200, 1),
          unit: 'x',
        },
        {
          name: '16 connections: create_booking / bare insert, losers store nothing',
          value: ratio(at16, 1),
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

async function openSessions(url: string, count: number): Promise<Database> {
  const db = connect(url, { max: count })
  await Promise.all(Array.from({ length: count }, () => db.query('select pg_sleep(0.2)')))
  return db
}

/** Runs `work` once in each session of the pool: it begins when all have a transaction open. */
async function inEverySession(
  db: Database,
  sessions: number,
  context: RequestContext,
  work: (tx: Transaction, session: number) => Promise<unknown>,
): Promise<void> {
  let open = 0
  let begin = () => {}
  const allOpen = new Promise<void>((resolve) => (begin = resolve))
  await Promise.all(
    Array.from({ length: sessions }, (_, session) =>
      withTenant(db, context, async (tx) => {
        await tx.query('select')
        if (++open === sessions) begin()
        await allOpen
        await work(tx, session)
      }),
    ),
  )
}

let day = 1

/** Slots of one place on a day of their own: nobody is busy from an earlier round. */
async function makeSlots(admin: Connection, tenant: string, place: Place, count = slotCount): Promise<string[]> {
  day++
  const rows = await admin.query<{ id: string }>(
    `insert into scheduling.appointment_slots (tenant_id, department_id, clinic_id, starts_at, ends_at, capacity)
     select $1, $2, $3, now() + $4 * interval '1 day' + g * interval '10 minutes', now() + $4 * interval '1 day' + (g + 1) * interval '10 minutes', 1
     from generate_series(1, $5) g returning id`,
    [tenant, place.department, place.clinic, day, count],
  )
  return rows.map((row) => row.id)
}
