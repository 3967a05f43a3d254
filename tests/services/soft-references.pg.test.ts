import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { connect, EntityNotActiveError, EntityUnknownError, type Database, type Transaction } from '@imhotep/postgres'
import { contextOf, makeTenant } from '../support/tenants.ts'
import { addDonor } from './rows.fixture.ts'
import { serviceDatabase, type ServiceDatabase } from './service-databases.fixture.ts'

describe('two services, each on a database of its own', () => {
  let lab: ServiceDatabase
  let clinical: ServiceDatabase
  let context: RequestContext
  let other: RequestContext

  before(async () => {
    lab = await serviceDatabase('lab')
    clinical = await serviceDatabase('clinical')
    context = contextOf(await makeTenant(lab.db))
    other = contextOf(await makeTenant(lab.db))
    await clinical.db.query(
      `select core.provision_tenant($1, 'same', 'The same', 'clinic', 'IN', 'Asia/Kolkata', 'INR')`,
      [context.tenant],
    )
  })

  after(async () => {
    await lab[Symbol.asyncDispose]()
    await clinical[Symbol.asyncDispose]()
  })

  const inLab = <T>(work: (tx: Transaction) => Promise<T>, who = context) => withTenant(lab.db, who, work)

  /** What the relay of the other service does with an event. */
  async function tell(
    id: string,
    version: number,
    lifecycle = 'active',
    attrs: object = { status: 'active' },
    who = context,
  ) {
    const [row] = await inLab(
      (tx) =>
        tx.query<{ news: boolean }>(
          `select core.apply_entity_event('clinical', 'patient.patients', $1, $2, $3) as news`,
          [id, version, { id, lifecycle, attrs }],
        ),
      who,
    )
    return row?.news
  }

  test('a reference to a row that no event told of is refused with IM012 and the name of the key', async () => {
    await assert.rejects(
      inLab((tx) => addDonor(tx, randomUUID())),
      (error) => error instanceof EntityUnknownError && error.constraint === 'donors_patient_fkey',
    )
  })

  test('no reference needs no row', async () => {
    assert.equal((await inLab((tx) => addDonor(tx, null))).length, 1)
  })

  test('after the event the reference holds; after the last one no new row may refer, and what refers stays', async () => {
    const patient = randomUUID()
    await tell(patient, 1)
    const [donor] = await inLab((tx) => addDonor(tx, patient))

    await tell(patient, 2, 'deleted', {})

    await assert.rejects(
      inLab((tx) => addDonor(tx, patient)),
      EntityNotActiveError,
    )
    await inLab((tx) => tx.query(`update blood_bank.donors set name = 'Another name' where id = $1`, [donor?.id]))
    const [{ n } = { n: 0 }] = await inLab((tx) =>
      tx.query<{ n: number }>('select count(*)::int as n from blood_bank.donors where patient_id = $1', [patient]),
    )
    assert.equal(n, 1)
  })

  test('an update is checked when it changes the reference', async () => {
    const patient = randomUUID()
    await tell(patient, 1)
    const [donor] = await inLab((tx) => addDonor(tx, null))
    const refer = (to: string) =>
      inLab((tx) => tx.query('update blood_bank.donors set patient_id = $1 where id = $2', [to, donor?.id]))

    await assert.rejects(refer(randomUUID()), EntityUnknownError)
    await refer(patient)
  })

  test('the same event twice, or an older one behind a newer, changes nothing', async () => {
    const patient = randomUUID()

    assert.equal(await tell(patient, 5, 'deleted', {}), true)
    assert.equal(await tell(patient, 5, 'active'), false)
    assert.equal(await tell(patient, 4, 'active'), false)
    await assert.rejects(
      inLab((tx) => addDonor(tx, patient)),
      EntityNotActiveError,
    )
  })

  test('what another tenant knows is unknown here', async () => {
    const patient = randomUUID()
    await tell(patient, 1, 'active', {}, other)

    await assert.rejects(
      inLab((tx) => addDonor(tx, patient)),
      EntityUnknownError,
    )
  })

  test('an event that ends a row waits for the transaction that refers to it', async () => {
    const patient = randomUUID()
    await tell(patient, 1)
    let ended: Promise<unknown> = Promise.resolve()
    let isTold = false

    await inLab(async (tx) => {
      await addDonor(tx, patient)
      ended = tell(patient, 2, 'deleted', {}).then(() => (isTold = true))
      await untilWaiting(lab)
      assert.equal(isTold, false)
    })
    await ended

    assert.equal(isTold, true)
    await assert.rejects(
      inLab((tx) => addDonor(tx, patient)),
      EntityNotActiveError,
    )
  })

  test('the owner tells of a row, of a change in what it publishes, and of nothing else', async () => {
    const inClinical = <T>(work: (tx: Transaction) => Promise<T>) => withTenant(clinical.db, context, work)
    const patient = randomUUID()
    const said = async () => {
      const rows = await clinical.db.query<{ event_type: string; payload: { lifecycle: string; attrs: object } }>(
        `select event_type, payload from core.outbox_events
         where aggregate_type = 'patient.patients' and aggregate_id = $1 order by aggregate_seq`,
        [patient],
      )
      return rows.map(({ event_type: type, payload }) => [type, payload.lifecycle, Object.keys(payload.attrs)])
    }

    const clinic = randomUUID()
    await inClinical((tx) =>
      tx.query(`select core.apply_entity_event('facility', 'facility.clinics', $1, 1, $2)`, [
        clinic,
        { lifecycle: 'active', attrs: {} },
      ]),
    )
    await inClinical((tx) =>
      tx.query(
        `insert into patient.patients (tenant_id, id, mrn, given_name, sex, birth_date, registered_clinic_id)
         select core.current_tenant_id(), $1, 'M-1', 'Asha', 'female', '1990-01-01', $2`,
        [patient, clinic],
      ),
    )
    await inClinical((tx) => tx.query(`update patient.patients set given_name = 'Usha' where id = $1`, [patient]))
    await inClinical((tx) =>
      tx.query(`update patient.patients set deleted_at = now(), delete_reason = 'twice' where id = $1`, [patient]),
    )

    assert.deepEqual(await said(), [
      ['patients.created.v1', 'active', ['status']],
      ['patients.updated.v1', 'deleted', ['status', 'deleted_at']],
    ])
  })

  test('a result has its day by the clock of its clinic, and one whose clinic is not known has one too', async () => {
    const [patient, clinic] = [randomUUID(), randomUUID()]
    const hear = (version: number, lifecycle: string) =>
      inLab((tx) =>
        tx.query(`select core.apply_entity_event('facility', 'facility.clinics', $1, $2, $3)`, [
          clinic,
          version,
          { lifecycle, attrs: { code: 'C2', name: 'A clinic', timezone: 'Asia/Kolkata' } },
        ]),
      )
    await tell(patient, 1)
    await hear(1, 'active')
    const at = { tenant_id: context.tenant, due_at: '2026-05-02T00:00:00Z' }
    const order = await addUnchecked(lab.db, 'laboratory.lab_orders', {
      ...at,
      order_number: 'L-1',
      patient_id: patient,
      clinic_id: clinic,
      source: 'opd',
      external_doctor: 'From outside',
      priority: 'routine',
      ordered_at: '2026-05-01T00:00:00Z',
    })
    const item = await addUnchecked(lab.db, 'laboratory.lab_order_items', {
      ...at,
      order_id: order,
      test_id: randomUUID(),
      position: 1,
    })
    const day = async () => {
      const [row] = await inLab((tx) =>
        tx.query(
          `select laboratory.day_of(r)::text as day
           from jsonb_populate_record(null::laboratory.lab_results, $1) r`,
          [{ tenant_id: context.tenant, order_item_id: item, resulted_at: '2026-05-01T20:00:00Z' }],
        ),
      )
      return row
    }
    const known = await day()
    await hear(2, 'deleted')

    assert.deepEqual([known, await day()], [{ day: '2026-05-02' }, { day: '2026-05-01' }])
  })

  test('ageing: a bill whose clinic is not known is owed all the same, by the days of UTC', async () => {
    await using billing = await serviceDatabase('billing')
    const { tenant } = contextOf(await makeTenant(billing.db))
    await addUnchecked(billing.db, 'billing.invoices', {
      tenant_id: tenant,
      kind: 'bill_of_supply',
      series: '',
      invoice_number: 'B-1',
      fiscal_year: '2026',
      account_id: randomUUID(),
      patient_id: randomUUID(),
      clinic_id: randomUUID(),
      issued_at: new Date(Date.now() - 40 * 86_400_000).toISOString(),
      subtotal: 70,
      total: 70,
      currency: 'INR',
      status: 'issued',
    })

    const owed = await billing.db.query('select open, days_overdue, bucket from billing.ageing')

    assert.deepEqual(owed, [{ open: '70.00', days_overdue: 40, bucket: '31-60' }])
  })

  test('a month of the log is kept while a hold is heard of, of a tenant that has rows in it', async () => {
    const hold = randomUUID()
    const hear = (version: number, status: string) =>
      inLab((tx) =>
        tx.query(`select core.apply_entity_event('business', 'compliance.legal_holds', $1, $2, $3)`, [
          hold,
          version,
          { id: hold, lifecycle: 'active', attrs: { scope: { all: true }, status } },
        ]),
      )
    const drop = async () =>
      (await lab.db.query<{ names: string[] }>('select audit.drop_expired_partitions() as names'))[0]?.names
    await lab.db.query(`create table audit.audit_logs_y2014m01 partition of audit.audit_logs
      for values from ('2014-01-01Z') to ('2014-02-01Z')`)
    await lab.db.query(`select core.protect_partition('audit.audit_logs_y2014m01', 'audit.audit_logs')`)
    await inLab((tx) =>
      tx.query(
        `insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
         values (core.current_tenant_id(), '2014-01-05Z', 'update', 'blood_bank', 'donors')`,
      ),
    )
    await hear(1, 'active')

    assert.deepEqual(await drop(), [])
    await hear(2, 'released')
    assert.deepEqual(await drop(), ['audit.audit_logs_y2014m01'])
  })

  test('an operation that needs no more than what others publish works, and asks for the rest by an event', async () => {
    const patient = randomUUID()
    const encounter = randomUUID()
    const clinic = randomUUID()
    await tell(patient, 1)
    await inLab(async (tx) => {
      const note = `select core.apply_entity_event($1, $2, $3, 1, $4)`
      await tx.query(note, [
        'facility',
        'facility.clinics',
        clinic,
        { lifecycle: 'active', attrs: { code: 'C1', name: 'A clinic', timezone: 'Asia/Kolkata' } },
      ])
      await tx.query(note, [
        'clinical',
        'clinical.encounters',
        encounter,
        { lifecycle: 'active', attrs: { patient_id: patient, clinic_id: clinic } },
      ])
      await tx.query(
        `insert into laboratory.lab_tests (tenant_id, code, name, kind, department_code, specimen_type, container, result_type, tat_minutes, active)
         values (core.current_tenant_id(), 'T1', 'A test', 'test', 'biochemistry', 'serum', 'plain', 'text', 60, true)`,
      )
    })

    const [order] = await inLab((tx) =>
      tx.query<{ id: string; clinic_id: string }>(
        `select * from laboratory.place_order($1, array['T1'], $2, p_external_doctor => 'From outside')`,
        [patient, encounter],
      ),
    )

    const events = await lab.db.query<{ payload: { encounter_id: string; code: string } }>(
      `select payload from core.outbox_events where event_type = 'charge.requested.v1'`,
    )
    await inLab((tx) => tx.query(`select laboratory.cancel_order($1, 'ordered twice')`, [order?.id]))
    const [cancelled] = await lab.db.query<{ payload: Record<string, string> }>(
      `select payload from core.outbox_events where event_type = 'charge.cancel_requested.v1'`,
    )

    assert.equal(order?.clinic_id, clinic)
    assert.deepEqual(
      [cancelled?.payload['code'], cancelled?.payload['source_type']],
      ['T1', 'laboratory.lab_order_items'],
    )
    assert.deepEqual(
      events.map(({ payload }) => [payload.encounter_id, payload.code]),
      [[encounter, 'T1']],
    )
  })

  test('a login of one service connects to its own database only', async () => {
    const login = `lab_login_${randomUUID().slice(0, 8)}`
    await lab.db.query(`create role ${login} login password 'imhotep-test' in role lab_app`)
    try {
      const connectTo = async ({ url }: ServiceDatabase) => {
        const own = new URL(url)
        own.username = login
        own.password = 'imhotep-test'
        const db = connect(own.href, { max: 1 })
        try {
          return await db.query('select 1')
        } finally {
          await db.close()
        }
      }

      assert.equal((await connectTo(lab)).length, 1)
      await assert.rejects(connectTo(clinical), { sqlstate: '42501' })
    } finally {
      await lab.db.query(`drop role ${login}`)
    }
  })
})

/** Until a session of the database waits for a lock. */
async function untilWaiting({ db }: ServiceDatabase): Promise<void> {
  for (;;) {
    const [row] = await db.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if ((row?.n ?? 0) > 0) return
  }
}

/** Writes a row past triggers and references, and returns its id: what came when more was known. */
async function addUnchecked(db: Database, table: string, values: Record<string, unknown>): Promise<string> {
  const row = { id: randomUUID(), ...values }
  const columns = Object.keys(row).join(', ')
  await db.transaction(async (tx) => {
    await tx.query('set local session_replication_role = replica')
    await tx.query(
      `insert into ${table} (${columns}) select ${columns} from jsonb_populate_record(null::${table}, $1)`,
      [row],
    )
  })
  return row.id
}
