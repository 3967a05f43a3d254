import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import { EntityUnknownError } from '@imhotep/postgres'
import { runCli, type CliOptions } from '../support/run-cli.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'
import { addClinic, addDonor } from './rows.fixture.ts'
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

  const newClinic = () => withTenant(facility.db, context, (tx) => addClinic(tx))
  const newDonor = (patient: string) => withTenant(lab.db, context, (tx) => addDonor(tx, patient))
  const newPatient = (clinic: string) =>
    withTenant(clinical.db, context, async (tx) => {
      const [row] = await tx.query<{ id: string }>(
        `insert into patient.patients (tenant_id, mrn, given_name, sex, birth_date, registered_clinic_id)
         values (core.current_tenant_id(), $1, 'Asha', 'female', '1990-01-01', $2) returning id`,
        [`M-${randomUUID().slice(0, 8)}`, clinic],
      )
      return row?.id ?? ''
    })

  test('a row of one service can be referred to in the next one, and what that makes in the third', async () => {
    const clinic = await newClinic()
    await assert.rejects(newPatient(clinic), EntityUnknownError)
    const first = await relay(['--once', '--json'])
    const patient = await newPatient(clinic)
    await assert.rejects(newDonor(patient), EntityUnknownError)
    const second = await relay(['--once'])

    assert.equal((await newDonor(patient)).length, 1)
    const { command, ok, hearings } = JSON.parse(first.stdout)
    assert.deepEqual([first.code, command, ok], [0, 'relay', true], first.stdout)
    assert.deepEqual(
      hearings.filter(({ service }: { service: string }) => service === 'clinical'),
      [{ service: 'clinical', owner: 'facility', rows: 1, failure: null }],
    )
    assert.deepEqual([second.code, second.stdout.match(/^ *lab +clinical +1 *$/m) !== null], [0, true], second.stdout)
  })

  test('a database that is not there does not keep the others from hearing of each other', async () => {
    const clinic = await newClinic()
    const env = { IMHOTEP_SERVICES_URL_BILLING: facility.url.replace(/[^/]*$/, 'nobody') }
    const { code, stdout } = await relay(['--once'], { env })

    assert.equal(code, 1)
    assert.match(stdout, /billing +facility +0 +database "nobody" does not exist/)
    assert.notEqual(await newPatient(clinic), '')
  })

  test('it tells what comes until Ctrl-C', async () => {
    const isReferred = (async () => {
      const clinic = await newClinic()
      for (let left = 600; left > 0; left--) {
        const patient = await newPatient(clinic).catch((error: unknown) => error)
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
