import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  CountryRestrictedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  ReasonRequiredError,
} from '@imhotep/postgres'
import { useOtherDate } from '../hospital.fixture.ts'
import { addDocument, asInstaller, openPrivacyOffice, type PrivacyOffice } from './compliance.fixture.ts'
import {
  activateProcessor,
  addProcessor,
  expireProcessors,
  reviewProcessor,
  terminateProcessor,
} from './data-processors.ts'
import {
  closeIncident,
  finishIncidentAction,
  planIncidentAction,
  rejectIncident,
  reopenIncident,
  reportIncident,
  reviewIncident,
} from './incidents.ts'
import { recordCheck } from './record-check.ts'

let office: PrivacyOffice

before(async () => {
  office = await openPrivacyOffice()
})
after(() => office.hospital.close())

const company = {
  name: 'Backup',
  service: 'backups',
  dataCategories: ['all'],
  country: 'IN',
  contractKind: 'DPA',
} as const

test('data processors: active under a signed contract, until it runs out', async () => {
  const { asOfficer, hospital } = office
  const draft = await asOfficer((tx) => addProcessor(tx, company))
  const contract = { processorId: draft.id, contractDocumentId: await addDocument(hospital), signedOn: '2024-01-01' }
  assert.deepEqual(await asOfficer((tx) => addProcessor(tx, company)), draft)

  const active = await asOfficer((tx) => activateProcessor(tx, { ...contract, expiresOn: '2024-12-31' }))
  assert.deepEqual([active.status, await asOfficer((tx) => activateProcessor(tx, contract))], ['active', active])
  assert.equal(await asOfficer((tx) => expireProcessors(tx)), 1)
  const renewed = await asOfficer((tx) => activateProcessor(tx, { ...contract, signedOn: '2025-01-01' }))
  assert.deepEqual([renewed.status, renewed.expiresOn], ['active', null])
  await asOfficer((tx) => reviewProcessor(tx, draft.id))
  await assert.rejects(
    asOfficer((tx) => terminateProcessor(tx, draft.id, '')),
    ReasonRequiredError,
  )
  const ended = await asOfficer((tx) => terminateProcessor(tx, draft.id, 'another one is cheaper'))
  assert.deepEqual(await asOfficer((tx) => terminateProcessor(tx, draft.id, 'x')), ended)
  await assert.rejects(
    asOfficer((tx) => activateProcessor(tx, contract)),
    IllegalTransitionError,
  )
})

test('data processors: no data goes to a restricted country, not by a subprocessor either', async () => {
  const { asOfficer, hospital } = office
  await asInstaller(hospital, (tx) =>
    tx.query(
      `insert into core.system_settings (tenant_id, key, value, value_type, description)
       values ($1, 'compliance.restricted_countries', '["ZZ"]', 'json', 'Test')`,
      [hospital.tenant],
    ),
  )

  await assert.rejects(
    asOfficer((tx) => addProcessor(tx, { ...company, service: 'a', country: 'ZZ' })),
    CountryRestrictedError,
  )
  await assert.rejects(
    asOfficer((tx) =>
      addProcessor(tx, { ...company, service: 'b', subprocessors: [{ name: 'Voice', country: 'ZZ' }] }),
    ),
    CountryRestrictedError,
  )
})

function report(changes: Partial<Parameters<typeof reportIncident>[1]> = {}) {
  const { hospital, asOfficer } = office
  return asOfficer((tx) =>
    reportIncident(tx, {
      kind: 'fall',
      departmentId: hospital.departmentId,
      severity: 'mild',
      descriptionEnc: Buffer.from('encrypted'),
      ...changes,
    }),
  )
}

test('incidents: reported, reviewed, put right, and closed when that helped', async () => {
  const { asOfficer, hospital } = office
  const input = { id: randomUUID() }
  const reported = await report(input)
  const { id } = reported
  const plan = { incidentId: id, correctiveAction: 'rails', ownerId: hospital.staff[1], dueOn: '2100-01-01' }

  assert.deepEqual(await report(input), reported)
  assert.equal(reported.reportedBy, hospital.staff[0])
  await assert.rejects(
    asOfficer((tx) => planIncidentAction(tx, plan)),
    IllegalTransitionError,
  )
  const review = await asOfficer((tx) => reviewIncident(tx, id))
  assert.deepEqual(await asOfficer((tx) => reviewIncident(tx, id, { method: 'whys', causes: ['wet'] })), review)
  await asOfficer((tx) => planIncidentAction(tx, plan))
  const done = await asOfficer((tx) => finishIncidentAction(tx, id))
  assert.deepEqual(await asOfficer((tx) => finishIncidentAction(tx, id)), done)
  await assert.rejects(
    asOfficer((tx) => reviewIncident(tx, id)),
    IllegalTransitionError,
  )
  await asOfficer((tx) => reopenIncident(tx, id, 'another fall'))
  await asOfficer((tx) => planIncidentAction(tx, { ...plan, correctiveAction: 'alarm' }))
  await asOfficer((tx) => finishIncidentAction(tx, id, '2026-01-01'))
  const closed = await asOfficer((tx) => closeIncident(tx, id, 'no fall in a month'))
  assert.deepEqual([closed.status, await asOfficer((tx) => closeIncident(tx, id, 'x'))], ['closed', closed])
  await assert.rejects(
    asOfficer((tx) => reopenIncident(tx, randomUUID(), 'x')),
    NotFoundError,
  )
})

test('incidents: a sentinel event goes on only with its root cause', async () => {
  const { asOfficer, hospital } = office
  const { id } = await report({ kind: 'sentinel', severity: 'severe' })
  const plan = { incidentId: id, correctiveAction: 'x', ownerId: hospital.staff[1], dueOn: '2100-01-01' }
  await asOfficer((tx) => reviewIncident(tx, id))

  await assert.rejects(
    asOfficer((tx) => planIncidentAction(tx, plan)),
    IllegalTransitionError,
  )
  await assert.rejects(
    asOfficer((tx) => closeIncident(tx, id, 'x', 'x')),
    /incidents_sentinel_has_root_cause/,
  )
  await asOfficer((tx) => reviewIncident(tx, id, { method: 'whys', causes: ['haste'] }))
  assert.equal((await asOfficer((tx) => planIncidentAction(tx, plan))).status, 'action_planned')
})

test('incidents: an anonymous report does not say who wrote it; others need a member of staff', async () => {
  const { asOfficer, hospital } = office
  const { id, reportedBy } = await report({ anonymous: true })
  const [row] = await asOfficer((tx) =>
    tx.query<{ by: string | null }>('select created_by as by from compliance.incidents where id = $1', [id]),
  )

  assert.deepEqual([reportedBy, row?.by], [null, null])
  const rejected = await asOfficer((tx) => rejectIncident(tx, id, 'reported twice'))
  assert.deepEqual(await asOfficer((tx) => rejectIncident(tx, id, 'x')), rejected)
  await assert.rejects(
    hospital.run(
      (tx) =>
        reportIncident(tx, {
          kind: 'fall',
          departmentId: hospital.departmentId,
          severity: 'mild',
          descriptionEnc: Buffer.from('x'),
        }),
      { user: null },
    ),
    NotPermittedError,
  )
})

test('recordCheck: evidence of a person for the tenant, of a run for the whole database', async () => {
  const { asOfficer, hospital } = office
  const input = {
    ruleId: 'HIP-25',
    outcome: 'pass',
    evidence: { sha256: 'ab' },
    runId: randomUUID(),
    target: 'backup',
    ranAt: new Date(),
  } as const
  const check = await asOfficer((tx) => recordCheck(tx, input))

  assert.deepEqual(await asOfficer((tx) => recordCheck(tx, input)), check)
  await assert.rejects(
    asOfficer((tx) => recordCheck(tx, { ...input, outcome: 'waived', runId: randomUUID() })),
    /compliance_checks_waived_by_decision/,
  )
  const [shared] = await hospital.admin.query<{ tenant: string | null }>(
    `select tenant_id as tenant from compliance.record_check('COR-11', 'pass', '{}', p_run_id => $1)`,
    [input.runId],
  )
  assert.equal(shared?.tenant, null)
  const seen = await asOfficer((tx) =>
    tx.query<{ rule: string }>(
      'select rule_id as rule from compliance.compliance_checks where run_id = $1 order by 1',
      [input.runId],
    ),
  )
  assert.deepEqual(
    seen.map(({ rule }) => rule),
    ['COR-11', 'HIP-25'],
  )
})

test('clocks_due: a day that is planned ends where the tenant is', async () => {
  const { asOfficer, hospital } = office
  const here = await useOtherDate(hospital)
  const [plan, contract] = await asOfficer((tx) =>
    tx.query<{ day: string }>(`select ($1::date + d)::text as day from unnest(array[-1, 0]) as d`, [here]),
  )
  assert.ok(plan && contract)
  const { id } = await report()
  await asOfficer((tx) => reviewIncident(tx, id))
  const action = { incidentId: id, correctiveAction: 'rails', ownerId: hospital.staff[1], dueOn: plan.day }
  await asOfficer((tx) => planIncidentAction(tx, action))
  const processor = await asOfficer((tx) => addProcessor(tx, { ...company, service: 'clock' }))
  const signed = { contractDocumentId: await addDocument(hospital), signedOn: '2024-01-01' }
  await asOfficer((tx) => activateProcessor(tx, { processorId: processor.id, ...signed, expiresOn: contract.day }))

  const clocks = await asOfficer((tx) =>
    tx.query<{ clock: string; overdue: boolean }>(
      'select clock, overdue from compliance.clocks_due where subject_id in ($1, $2) order by 1',
      [id, processor.id],
    ),
  )

  assert.deepEqual(clocks, [
    { clock: 'incident: action', overdue: true },
    { clock: 'processor: contract', overdue: false },
  ])
})
