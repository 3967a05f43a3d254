import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { IllegalTransitionError, NotFoundError, StaleVersionError } from '@imhotep/postgres'
import { contextOf, moveToAnotherDay } from '../../../../tests/support/tenants.ts'
import { digest, withHospital } from '../hospital.fixture.ts'
import { resourceHistory, storeVersion, type StoreVersionInput } from './resource-versions.ts'
import { activateValueSet, saveValueSet, searchConcepts, translateCode, valueSetContains } from './terminology.ts'

const snomed = 'http://snomed.info/sct'

test('load_concepts: a batch with a wrong check digit writes nothing, and one that is sent again changes nothing', () =>
  withHospital(async ({ admin }) => {
    const [system] = await admin.query<{ id: string }>(
      `select fhir.load_code_system($1, '2026-01', 'SNOMED CT', 'test') as id`,
      [snomed],
    )
    const load = async (codes: readonly string[]) => {
      const concepts = JSON.stringify(codes.map((code) => ({ code, display: `Concept ${code}` })))
      const [row] = await admin.query<{ loaded: number }>('select fhir.load_concepts($1, $2::jsonb) as loaded', [
        system?.id,
        concepts,
      ])
      return row?.loaded
    }

    await assert.rejects(load(['22298006', '22298007']), { sqlstate: '23514', constraint: 'concepts_check_digit' })
    const loaded = [await load(['22298006']), await load(['22298006', '371530004'])]
    const [counted] = await admin.query('select concept_count from fhir.code_systems where id = $1', [system?.id])

    assert.deepEqual(loaded, [1, 1])
    assert.deepEqual(counted, { concept_count: 2 })
    await assert.rejects(admin.query(`select fhir.load_concepts($1, '[]')`, [randomUUID()]), { sqlstate: 'IM005' })
  }))

test('search_concepts: the code, then displays that begin so, then words in any language, of the current version', () =>
  withHospital(async ({ admin, run }) => {
    const load = (version: string, concepts: readonly object[]) =>
      admin.query(
        `select fhir.load_concepts(fhir.load_code_system('urn:test:diagnoses', $1, 'Diagnoses', 'own'), $2::jsonb)`,
        [version, JSON.stringify(concepts)],
      )
    await load('1', [{ code: 'OLD', display: 'Fever of old' }])
    await load('2', [
      { code: 'F1', display: 'Fever' },
      { code: 'F2', display: 'Fever with chills' },
      { code: 'F3', display: 'Dengue fever', designations: { hi: ['डेंगू बुखार'] } },
      { code: 'F4', display: 'Fever, unspecified', status: 'inactive' },
      { code: 'P1', display: '100% recovery' },
    ])
    const search = async (query: string, version?: string) =>
      (
        await run((tx) =>
          searchConcepts(tx, { url: 'urn:test:diagnoses', query, ...(version === undefined ? {} : { version }) }),
        )
      ).map(({ code }) => code)

    assert.deepEqual(await search('fever'), ['F1', 'F2', 'F3'])
    assert.deepEqual(await search('chill fev'), ['F2'])
    assert.deepEqual(await search('F3'), ['F3'])
    assert.deepEqual(await search('बुखार'), ['F3'])
    assert.deepEqual(await search('100%'), ['P1'])
    assert.deepEqual(await search(`o'brien & (`), [])
    assert.deepEqual(await search('fever', '1'), ['OLD'])
    assert.deepEqual(await search('f'), [])
  }))

test('a tenant’s active value set hides the shared one, and its members no longer change', () =>
  withHospital(async ({ run }) => {
    const url = 'urn:abdm:hi-types'
    const own = {
      url,
      version: '4',
      name: 'HI types, with one more',
      members: [{ system: 'urn:abdm:hi-type', code: 'DentalRecord', display: 'Dental record' }],
    }
    const contains = (code: string) => run((tx) => valueSetContains(tx, url, code))
    const shared = [await contains('Prescription'), await contains('DentalRecord')]

    await run((tx) => saveValueSet(tx, { ...own, members: [] }))
    const id = await run((tx) => saveValueSet(tx, own))
    const draft = await contains('DentalRecord')
    await run((tx) => activateValueSet(tx, id))
    await run((tx) => activateValueSet(tx, id))
    const active = [await contains('Prescription'), await contains('DentalRecord')]
    const next = await run((tx) => saveValueSet(tx, { ...own, version: '5' }))
    await run((tx) => activateValueSet(tx, next))

    assert.deepEqual(shared, [true, false])
    assert.equal(draft, false)
    assert.deepEqual(active, [false, true])
    await assert.rejects(
      run((tx) => saveValueSet(tx, own)),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => activateValueSet(tx, id)),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => activateValueSet(tx, randomUUID())),
      NotFoundError,
    )
  }))

test('translate_code: the tenant’s own mapping first, the closest first, and only on days that it holds', () =>
  withHospital(async ({ admin, run, tenant }) => {
    const map = (owner: string | null, target: string, equivalence: string, valid: string) =>
      admin.query(
        `insert into fhir.concept_maps
           (tenant_id, source_system, source_code, target_system, target_code, equivalence, valid_during)
         values ($1, 'urn:test:local', 'HB', 'http://loinc.org', $2, $3, $4)`,
        [owner, target, equivalence, valid],
      )
    await map(null, '30313-1', 'wider', '[2020-01-01,)')
    await map(null, '718-7', 'equivalent', '[2020-01-01,)')
    await map(null, '59260-0', 'equivalent', '[2010-01-01,2020-01-01)')
    await map(tenant, '20509-6', 'inexact', '[2020-01-01,)')
    const translate = async (on: string) =>
      (
        await run((tx) =>
          translateCode(tx, { sourceSystem: 'urn:test:local', sourceCode: 'HB', targetSystem: 'http://loinc.org', on }),
        )
      ).map(({ targetCode }) => targetCode)

    assert.deepEqual(await translate('2026-01-01'), ['20509-6', '718-7', '30313-1'])
    assert.deepEqual(await translate('2015-01-01'), ['59260-0'])
    await moveToAnotherDay(admin, tenant)
    await withTenant(admin, contextOf(tenant), (tx) =>
      tx.query(
        `insert into fhir.concept_maps
           (tenant_id, source_system, source_code, target_system, target_code, equivalence, valid_during)
         values ($1, 'urn:test:local', 'K', 'http://loinc.org', '2823-3', 'equivalent',
           daterange(core.tenant_today(), core.tenant_today() + 1))`,
        [tenant],
      ),
    )
    await admin.query(
      `insert into fhir.concept_maps (tenant_id, source_system, source_code, target_system, target_code, equivalence)
       values ($1, 'urn:test:local', 'K', 'http://loinc.org', '6298-4', 'wider')`,
      [tenant],
    )
    const today = await run((tx) =>
      translateCode(tx, { sourceSystem: 'urn:test:local', sourceCode: 'K', targetSystem: 'http://loinc.org' }),
    )
    assert.deepEqual(
      today.map(({ targetCode }) => targetCode),
      ['2823-3', '6298-4'],
      'of today where the tenant is, and written just now',
    )
    await assert.rejects(map(null, '718-8', 'equivalent', '[2020-01-01,)'), {
      constraint: 'concept_maps_loinc_check_digit',
    })
  }))

test('store_version: versions count up without a gap, the same content is no new version, a stale one is refused', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const logicalId = randomUUID()
    const store = (content: string, changes: Partial<StoreVersionInput> = {}) =>
      run((tx) => storeVersion(tx, rendering(logicalId, content, changes)))

    const versions = [
      await store('a', { expectedVersion: 0 }),
      await store('a'),
      await store('b', { expectedVersion: 1 }),
      await store('a'),
      await store('a', { validator: 'HAPI 8', valid: true }),
    ]
    const history = await run((tx) => resourceHistory(tx, 'Encounter', logicalId))
    const other = await run((tx) => resourceHistory(tx, 'Patient', logicalId))

    assert.deepEqual(
      versions.map(({ version }) => version),
      [1, 1, 2, 3, 4],
    )
    assert.deepEqual(
      history.map(({ version, valid }) => [version, valid]),
      [
        [4, true],
        [3, null],
        [2, null],
        [1, null],
      ],
    )
    assert.deepEqual(other, [])
    await assert.rejects(store('c', { expectedVersion: 3 }), StaleVersionError)
    await assert.rejects(store('c', { validator: 'HAPI 8', valid: false }), {
      constraint: 'resource_versions_invalid_has_issues',
    })
    await assert.rejects(
      run((tx) => storeVersion(tx, { ...rendering(logicalId, 'c'), resourceType: 'Encounters' })),
      { constraint: 'resource_versions_type_of_r4' },
    )
  }))

test('store_version: twenty writers of one resource at once make twenty versions', () =>
  withHospital(async (hospital) => {
    const logicalId = randomUUID()

    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        hospital.run((tx) => storeVersion(tx, rendering(logicalId, `content ${index}`))),
      ),
    )
    const history = await hospital.run((tx) => resourceHistory(tx, 'Encounter', logicalId))

    assert.deepEqual(
      history.map(({ version }) => version).toReversed(),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  }))

function rendering(logicalId: string, content: string, changes: Partial<StoreVersionInput> = {}): StoreVersionInput {
  return {
    resourceType: 'Encounter',
    logicalId,
    contentEnc: Buffer.from(`encrypted ${content}`),
    contentHash: digest(content),
    source: 'clinical.encounters',
    sourceId: logicalId,
    ...changes,
  }
}
