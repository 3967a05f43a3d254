import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { EntityUnknownError, type Database } from '@imhotep/postgres'
import { runCli, type CliOptions } from '../support/run-cli.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'
import { serviceDatabase, type ServiceDatabase } from './service-databases.fixture.ts'

describe('imhotep relay, between the databases of three services', () => {
  let facility: ServiceDatabase
  let clinical: ServiceDatabase
  let lab: ServiceDatabase
  let context: RequestContext

  before(async () => {
    ;[facility, clinical, lab] = (await Promise.all(
      ['facility', 'clinical', 'lab'].map((name) => serviceDatabase(name)),
    )) as [ServiceDatabase, ServiceDatabase, ServiceDatabase]
    context = contextOf(await makeTenant(facility.db))
    for (const { db } of [clinical, lab]) await makeTenant(db, context.tenant)
  })
  after(async () => {
    for (const database of [facility, clinical, lab]) await database[Symbol.asyncDispose]()
  })

  const urls = () => ({
    IMHOTEP_SERVICES_URL_FACILITY: facility.url,
    IMHOTEP_SERVICES_URL_CLINICAL: clinical.url,
    IMHOTEP_SERVICES_URL_LAB: lab.url,
  })
  const relay = (args: readonly string[], options: CliOptions = {}) =>
    runCli(['relay', ...args], { ...options, env: { ...urls(), ...options.env } })

  const add = async (db: Database, insert: string, params: unknown[]) => {
    const [row] = await withTenant(db, context, (tx) => tx.query<{ id: string }>(`${insert} returning id`, params))
    return row?.id ?? ''
  }
  const addClinic = () =>
    add(
      facility.db,
      `insert into facility.clinics (tenant_id, code, name, kind, country, timezone)
       values (core.current_tenant_id(), $1, 'A clinic', 'clinic', 'IN', 'Asia/Kolkata')`,
      [`C${randomUUID().slice(0, 8)}`],
    )
  const addPatient = (clinic: string) =>
    add(
      clinical.db,
      `insert into patient.patients (tenant_id, mrn, given_name, sex, birth_date, registered_clinic_id)
       values (core.current_tenant_id(), $1, 'Asha', 'female', '1990-01-01', $2)`,
      [`M-${randomUUID().slice(0, 8)}`, clinic],
    )
  const addDonor = (patient: string) => {
    const mobile = Buffer.from(randomUUID())
    return add(
      lab.db,
      `insert into blood_bank.donors (tenant_id, donor_number, patient_id, name, sex, birth_date, mobile_enc, mobile_bidx, donor_type)
       values (core.current_tenant_id(), $1, $2, 'A donor', 'female', '1990-01-01', $3, $3, 'voluntary')`,
      [`D-${randomUUID().slice(0, 8)}`, patient, mobile],
    )
  }

  test('a row of one service can be referred to in the next one, and what that makes in the third', async () => {
    const clinic = await addClinic()
    await assert.rejects(addPatient(clinic), EntityUnknownError)
    const first = await relay(['--once', '--json'])
    const patient = await addPatient(clinic)
    await assert.rejects(addDonor(patient), EntityUnknownError)
    const second = await relay(['--once'])

    assert.notEqual(await addDonor(patient), '')
    const { command, ok, hearings } = JSON.parse(first.stdout)
    assert.deepEqual([first.code, command, ok], [0, 'relay', true], first.stdout)
    assert.deepEqual(
      hearings.filter(({ service }: { service: string }) => service === 'clinical'),
      [{ service: 'clinical', owner: 'facility', rows: 1, failure: null }],
    )
    assert.deepEqual([second.code, second.stdout.match(/^ *lab +clinical +1 *$/m) !== null], [0, true], second.stdout)
  })

  test('a database that is not there does not keep the others from hearing of each other', async () => {
    const clinic = await addClinic()
    const env = { IMHOTEP_SERVICES_URL_BILLING: facility.url.replace(/[^/]*$/, 'nobody') }
    const { code, stdout } = await relay(['--once'], { env })

    assert.equal(code, 1)
    assert.match(stdout, /billing +facility +0 +database "nobody" does not exist/)
    assert.notEqual(await addPatient(clinic), '')
  })

  test('it tells what comes until Ctrl-C', async () => {
    const isReferred = (async () => {
      const clinic = await addClinic()
      for (let left = 600; left > 0; left--) {
        const patient = await addPatient(clinic).catch((error: unknown) => error)
        if (!(patient instanceof EntityUnknownError)) return patient
        await sleep(100)
      }
      return null
    })()
    const { code, stdout } = await relay([], { signal: { name: 'SIGINT', when: isReferred } })

    assert.equal(typeof (await isReferred), 'string')
    assert.equal(code, 0)
    assert.match(stdout, /clinical +facility +1 *\n/)
  })

  for (const [what, env, args, says] of [
    ['a service that is none', {}, ['--services', 'lab,labour'], /'labour' names no service/],
    [
      'a variable of no service',
      { IMHOTEP_SERVICES_URL_LABOUR: 'x' },
      [],
      /'IMHOTEP_SERVICES_URL_LABOUR' names no service/,
    ],
    ['a pattern without a place', { IMHOTEP_SERVICES_URL: 'postgres://h/hims' }, [], /\{service\}/],
    ['a text that is no URL', { IMHOTEP_SERVICES_URL_LAB: 'lab' }, [], /postgres:\/\//],
  ] as const) {
    test(`${what} is refused with the way out`, async () => {
      const { code, stderr } = await relay(args, { env })

      assert.equal(code, 2)
      assert.match(stderr, says)
    })
  }

  test('without any database it says how to name them', async () => {
    const { code, stderr } = await runCli(['relay'])

    assert.equal(code, 2)
    assert.match(stderr, /set IMHOTEP_SERVICES_URL to postgres:/)
  })
})
