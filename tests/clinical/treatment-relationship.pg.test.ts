import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { verifyDatabase } from '@imhotep/engine'
import { signContext, withTenant, type ContextKey, type RequestContext } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../support/database.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
/** Of the demo: a doctor who has appointments only, a ward nurse, a patient with a portal account. */
const visiting = 'da000000-0005-7000-8000-000000000007'
const nurse = 'da000000-0005-7000-8000-000000000008'
const portalUser = 'da000000-0005-7000-8000-000000000014'
const nurseOnStaff = 'da000000-0006-7000-8000-000000000008'
const stay = 'da000000-0017-7000-8000-000000000012'
const otherStay = 'da000000-0017-7000-8000-000000000015'

let database: TestDatabase
let superuser: Database
let app: Database
let patientOfStay: string
let patientOfOtherStay: string
let tables: number

before(async () => {
  database = await demoDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 2 })
  patientOfStay = await patientOf(stay)
  patientOfOtherStay = await patientOf(otherStay)
  // the nurse is in the team of the first stay and on no shift
  await asOwner(`delete from workforce.shift_assignments where staff_id = '${nurseOnStaff}'`)
  tables = await requireTreatment()
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

async function patientOf(encounter: string): Promise<string> {
  const [row] = await superuser.query<{ patient_id: string }>(
    'select patient_id from clinical.encounters where id = $1',
    [encounter],
  )
  return row?.patient_id ?? ''
}

async function requireTreatment(): Promise<number> {
  const [row] = await superuser.query<{ tables: number }>('select core.require_treatment_relationship() as tables')
  return row?.tables ?? 0
}

/** Changes the demo as the superuser, who may delete, with a context that the triggers need. */
async function asOwner(...statements: string[]): Promise<void> {
  await superuser.transaction(async (tx) => {
    await tx.query('select core.begin_request($1, null, $2, $3, null)', [tenant, 'system', 'HOPERAT'])
    await tx.query('select core.set_reason($1)', ['test'])
    for (const statement of statements) await tx.query(statement)
  })
}

function as<T>(user: string | null, role: string, work: (tx: Transaction) => Promise<T>, purpose = 'TREAT' as const) {
  return withTenant(app, { tenant, user, role, purpose }, work)
}

const ids = async (tx: Transaction, sql: string): Promise<string[]> =>
  (await tx.query<{ id: string }>(sql)).map(({ id }) => id)

const seenPatients = (user: string | null, role: string): Promise<string[]> =>
  as(user, role, (tx) => ids(tx, 'select distinct patient_id as id from clinical.encounters order by id'))

const everybody = (): Promise<string[]> => seenPatients(null, 'system')

/** Runs `work` while the statement holds, and takes it back. */
async function during(change: string, takeBack: string, work: () => Promise<void>): Promise<void> {
  await asOwner(change)
  try {
    await work()
  } finally {
    await asOwner(takeBack)
  }
}

async function withSignedContexts(work: (signed: () => RequestContext) => Promise<void>): Promise<void> {
  const key: ContextKey = { kid: `k${randomBytes(4).toString('hex')}`, secret: randomBytes(32) }
  await superuser.query('select core.add_context_key($1, $2)', [key.kid, key.secret])
  await superuser.query('select core.require_signed_context()')
  try {
    await work(() => signContext({ tenant, user: nurse, role: 'nurse', purpose: 'TREAT' }, key))
  } finally {
    await superuser.query('select core.accept_unsigned_context()')
  }
}

test('treatment: every table that names a patient has the policy, and a second call adds none', async () => {
  const [uncovered] = await superuser.query<{ n: number; covered: number }>(`
    select
      count(*) filter (where p.policyname is null)::int as n, count(p.policyname)::int as covered
    from core.v_tables t
    join core.v_columns c using (schema_name, table_name)
    left join pg_policies p
      on p.schemaname = t.schema_name and p.tablename = t.table_name and p.policyname = 'treatment_relationship'
      and p.permissive = 'RESTRICTIVE'
    where c.column_name = 'patient_id' and t.class in ('phi', 'pii', 'financial') and t.schema_name not in ('core', 'audit')`)

  assert.equal(uncovered?.n, 0)
  assert.equal(tables, (uncovered?.covered ?? 0) + 1) // and patient.patients
  assert.equal(await requireTreatment(), 0)
})

test('treatment: who is in the care team sees that patient, by list, id, join, count and view', async () => {
  assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
  await as(nurse, 'nurse', async (tx) => {
    assert.deepEqual(await tx.query('select id from clinical.encounters where id = $1', [otherStay]), [])
    assert.deepEqual(
      await ids(
        tx,
        'select distinct v.patient_id as id from clinical.vital_signs v join clinical.encounters e using (tenant_id)',
      ),
      [patientOfStay],
    )
    assert.deepEqual(await ids(tx, 'select distinct patient_id as id from clinical.vital_signs_chart'), [patientOfStay])
    const [other] = await tx.query<{ n: number }>(
      'select count(*)::int as n from clinical.conditions where patient_id = $1',
      [patientOfOtherStay],
    )
    assert.equal(other?.n, 0)
  })
  assert.ok((await everybody()).length > 5)
})

test('treatment: identity and money stay visible to staff', async () => {
  const count = (tx: Transaction) =>
    tx.query(
      'select (select count(*) from patient.patients) as patients, (select count(*) from billing.invoices) as invoices',
    )
  assert.deepEqual(await as(nurse, 'nurse', count), await as(null, 'system', count))
})

test('treatment: roles of access.roles_of_all_patients and tasks without a user see all; an unknown role does not', async () => {
  const all = await everybody()
  assert.deepEqual(await seenPatients(nurse, 'receptionist'), all)
  assert.deepEqual(await seenPatients(randomUUID(), 'lab_tech'), all)
  for (const role of ['', 'doctor', 'System', 'something else'])
    assert.deepEqual(await seenPatients(randomUUID(), role), [], `role "${role}"`)
})

test('treatment: a doctor sees who has an appointment with them, until it is cancelled', async () => {
  const [next] = await superuser.query<{ id: string; patient_id: string }>(
    `select a.id, a.patient_id from scheduling.appointments a
     join workforce.doctors d on d.id = a.doctor_id join workforce.staff s on s.id = d.staff_id
     where s.user_id = $1 and a.status in ('booked', 'confirmed') and a.ends_at > now()`,
    [visiting],
  )
  assert.ok(next)
  const mine = () => as(visiting, 'doctor', (tx) => ids(tx, 'select patient_id as id from scheduling.appointments'))
  assert.ok((await mine()).includes(next.patient_id))

  await asOwner(`select scheduling.cancel_appointment('${next.id}', 'test')`)

  assert.ok(!(await mine()).includes(next.patient_id))
})

test('treatment: who is on a shift sees the patients present in its department, and no longer afterwards', async () => {
  const [shift] = await superuser.query<{ id: string }>(
    `select f.id from workforce.shifts f join clinical.encounters e on e.department_id = f.department_id
     where e.id = $1 and f.tenant_id = e.tenant_id limit 1`,
    [otherStay],
  )
  assert.ok(shift)
  const onShift = (period: string) =>
    `insert into workforce.shift_assignments (tenant_id, shift_id, staff_id, role, period)
     values ('${tenant}', '${shift.id}', '${nurseOnStaff}', 'nurse', ${period})`
  const off = `delete from workforce.shift_assignments where staff_id = '${nurseOnStaff}'`

  await during(onShift(`tstzrange(now() - interval '1 hour', now() + interval '1 hour')`), off, async () => {
    assert.ok((await seenPatients(nurse, 'nurse')).includes(patientOfOtherStay))
  })
  await during(onShift(`tstzrange(now() - interval '9 hours', now() - interval '1 hour')`), off, async () => {
    assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
  })
})

test('treatment: it goes on for access.days_after_care days', async () => {
  const member = `update clinical.care_team_members set period =`
  const whose = `where encounter_id = '${stay}' and staff_id = '${nurseOnStaff}'`
  const takeBack = `${member} tstzrange(now() - interval '3 days', null) ${whose}`
  const ended = (days: number) =>
    `${member} tstzrange(now() - interval '90 days', now() - interval '${days} days') ${whose}`

  await during(ended(29), takeBack, async () => {
    assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
    const setting = `insert into core.system_settings (tenant_id, key, value, value_type, description)
      values ('${tenant}', 'access.days_after_care', '7', 'int', 'test')`
    await during(
      setting,
      `delete from core.system_settings where tenant_id = '${tenant}' and key = 'access.days_after_care'`,
      async () => {
        assert.deepEqual(await seenPatients(nurse, 'nurse'), [])
      },
    )
  })
  await during(ended(31), takeBack, async () => {
    assert.deepEqual(await seenPatients(nurse, 'nurse'), [])
  })
})

test('treatment: suspended staff treat nobody', async () => {
  await during(
    `update workforce.staff set status = 'suspended' where id = '${nurseOnStaff}'`,
    `update workforce.staff set status = 'active' where id = '${nurseOnStaff}'`,
    async () => assert.deepEqual(await seenPatients(nurse, 'nurse'), []),
  )
})

test('treatment: emergency access opens one record from the next request on, until it is closed', async () => {
  const session = await as(nurse, 'nurse', async (tx) => {
    const [opened] = await tx.query<{ id: string }>(
      `select audit.open_break_glass($1, 'emergency', 'unconscious in the corridor') as id`,
      [patientOfOtherStay],
    )
    return opened?.id ?? ''
  })
  assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay, patientOfOtherStay].toSorted())

  await as(nurse, 'nurse', (tx) => tx.query('select audit.close_break_glass($1)', [session]))

  assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
})

test('treatment: a user of the portal sees their own rows, identity and money included', async () => {
  const [self] = await superuser.query<{ id: string }>('select id from patient.patients where portal_user_id = $1', [
    portalUser,
  ])
  await as(portalUser, 'patient', async (tx) => {
    assert.deepEqual(await ids(tx, 'select id from patient.patients'), [self?.id])
    for (const table of [
      'scheduling.appointments',
      'clinical.encounters',
      'billing.invoices',
      'booking.booking_requests',
    ])
      assert.deepEqual(
        (await ids(tx, `select distinct patient_id as id from ${table}`)).filter((id) => id !== self?.id),
        [],
        table,
      )
  })
  assert.deepEqual(await seenPatients(nurse, 'patient'), [], 'a user who is no patient')
})

test('treatment: what is not visible is not written either', async () => {
  const insert = (patient: string) => (tx: Transaction) =>
    tx.query(
      `insert into clinical.conditions (tenant_id, patient_id, category, code_system, code, display, rank, clinical_status, asserted_by)
       values ($1, $2, 'final', 'http://hl7.org/fhir/sid/icd-10', 'A00', 'Test', 9, 'active', $3)`,
      [tenant, patient, nurseOnStaff],
    )
  await as(nurse, 'nurse', insert(patientOfStay))
  await assert.rejects(as(nurse, 'nurse', insert(patientOfOtherStay)), { sqlstate: '42501' })
  const move = (from: string, to: string) => (tx: Transaction) =>
    tx.query('update clinical.conditions set patient_id = $2 where patient_id = $1 returning id', [from, to])
  assert.deepEqual(await as(nurse, 'nurse', move(patientOfOtherStay, patientOfStay)), [])
})

test('treatment: a transaction that began no request sees nobody', async () => {
  const rows = await app.transaction(async (tx) => {
    await tx.query(`select set_config('app.tenant_id', $1, true), set_config('app.role', 'system', true)`, [tenant])
    return tx.query('select id from clinical.encounters')
  })
  assert.deepEqual(rows, [])
})

test('treatment: operations decide on what the caller does not see', async () => {
  // a patient who has a visit at that time is busy, also for a doctor who may not read it
  const [taken] = await superuser.query<{ patient_id: string; slot_id: string }>(
    `select a.patient_id, other.id as slot_id
     from scheduling.appointments a
     join scheduling.appointment_slots other
       on other.tenant_id = a.tenant_id and other.id <> a.slot_id and other.status = 'open'
       and other.starts_at < a.ends_at and other.ends_at > a.starts_at and other.starts_at > now()
     where a.tenant_id = $1 and a.status in ('booked', 'confirmed') limit 1`,
    [tenant],
  )
  assert.ok(taken)
  await as(nurse, 'nurse', async (tx) => {
    assert.deepEqual(
      await tx.query('select id from scheduling.appointments where patient_id = $1', [taken.patient_id]),
      [],
    )
    const [answer] = await tx.query<{ failure_code: string }>(
      'select failure_code from booking.create_booking($1, $2, $3)',
      [randomUUID(), taken.patient_id, taken.slot_id],
    )
    assert.equal(answer?.failure_code, 'IM103')
  })
})

test('treatment: verify and its attack find nothing in a database that has it', async () => {
  const report = await verifyDatabase(superuser, { attack: 'quick' })
  const untestedViews = report.attack?.untested.filter(({ reason }) => reason === 'no rows to attack')

  assert.deepEqual(report.findings, [])
  assert.equal(report.attack?.through.length, 0)
  assert.ok((report.attack?.attempts ?? 0) > 1000)
  assert.ok(
    !untestedViews?.some(({ object }) => object === 'clinical.vital_signs_chart'),
    'the attack sees all patients',
  )
})

for (const [what, injected, error] of [
  ['another scope', `set_config('app.care_scope', 'all', true)`, 'IM014'],
  ['another list', `set_config('app.patients', '{%}', true)`, 'IM014'],
  ['no proof', `set_config('app.patients_proof', '', true)`, 'IM014'],
  ['no scope', `set_config('app.care_scope', '', true), set_config('app.patients', '{%}', true)`, null],
  ['the list of no user', `set_config('app.user_id', '', true), core.look_up_patients()`, 'IM014'],
  ['the list of another role', `set_config('app.role', 'system', true), core.look_up_patients()`, 'IM014'],
] as const) {
  test(`treatment: with signed contexts injected SQL sees nobody with ${what}`, async () => {
    await withSignedContexts(async (signed) => {
      const own = await withTenant(app, signed(), (tx) =>
        ids(tx, 'select distinct patient_id as id from clinical.encounters'),
      )
      assert.deepEqual(own, [patientOfStay])
      const attempt = withTenant(app, signed(), async (tx) => {
        await tx.query(`select ${injected.replace('%', patientOfOtherStay)}`)
        return tx.query('select id from clinical.encounters')
      })
      if (error) await assert.rejects(attempt, { sqlstate: error })
      else assert.deepEqual(await attempt, [])
    })
  })
}

test('treatment: with signed contexts a list is of no use in the next transaction', async () => {
  await withSignedContexts(async (signed) => {
    const settings = ['app.care_scope', 'app.patients', 'app.patients_proof']
    const [kept] = await withTenant(app, signed(), (tx) =>
      tx.query<Record<string, string>>(
        `select ${settings.map((name, n) => `current_setting('${name}') as s${n}`).join(', ')}`,
      ),
    )
    const attempt = withTenant(app, signed(), async (tx) => {
      await tx.query('select set_config($1, $2, true)', [settings[2], kept?.['s2']])
      return tx.query('select id from clinical.encounters')
    })
    await assert.rejects(attempt, { sqlstate: 'IM014' })
  })
})

test('treatment: without signed contexts the scope is as safe as the tenant is', async () => {
  // what docs/guides/isolation.md says: SQL that can be injected can change both
  const seen = await as(nurse, 'nurse', async (tx) => {
    await tx.query(`select set_config('app.care_scope', 'all', true)`)
    return ids(tx, 'select distinct patient_id as id from clinical.encounters order by id')
  })
  assert.deepEqual(seen, await everybody())
})

test('treatment: an application that owns a schema of its own is limited like any other', async () => {
  await superuser.query('create schema reports authorization imhotep_app')
  assert.equal(await requireTreatment(), 0)
  assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
})

test('treatment: taken back, everybody of the tenant sees what they saw before', async () => {
  await superuser.query('select core.waive_treatment_relationship()')
  const [left] = await superuser.query<{ n: number }>(
    `select count(*)::int as n from pg_policies where policyname = 'treatment_relationship'`,
  )
  assert.equal(left?.n, 0)
  assert.deepEqual(await seenPatients(nurse, 'nurse'), await everybody())
  assert.equal(await requireTreatment(), tables)
})

test('treatment: who treats a person sees all records that were merged into one', async () => {
  const [other] = await superuser.query<{ id: string }>(
    `select p.id from patient.patients p join clinical.encounters e on e.patient_id = p.id
     where p.tenant_id = $1 and p.status = 'active' and p.id <> $2 limit 1`,
    [tenant, patientOfStay],
  )
  assert.ok(other)
  const merge = `update patient.patients set status = 'merged', merged_into_id = '${patientOfStay}' where id = '${other.id}'`
  const takeBack = `update patient.patients set status = 'active', merged_into_id = null where id = '${other.id}'`

  await during(merge, takeBack, async () => {
    assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay, other.id].toSorted())
  })
  assert.deepEqual(await seenPatients(nurse, 'nurse'), [patientOfStay])
})
