import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Transaction } from '@imhotep/postgres'
import { addPerson, openStores, type Person, type Stores } from '../../../../tests/inventory/stores.fixture.ts'
import { addPatients, at } from '../../../../tests/races/clinic.fixture.ts'
import { mergePatients, proposeMerge } from '../patient/merge.ts'
import {
  acceptAlert,
  acknowledgeAlert,
  checkMedication,
  countOpenHardStops,
  expireAlerts,
  overrideAlert,
  runRules,
  type CdsAlert,
  type CheckMedicationInput,
  type MedicationItem,
} from './alerts.ts'
import {
  activateRule,
  draftRule,
  retireRule,
  returnRuleToDraft,
  startRuleTest,
  suspendRule,
  testRule,
  type DraftRuleInput,
} from './rules.ts'

let stores: Stores // for its people
let doctor: Person
let reviewer: Person

before(async () => {
  stores = await openStores()
  doctor = stores.asker
  reviewer = await addPerson(stores)
  await stores.superuser.query(`
    insert into cds.drug_interactions (kind, subject_code, object_code, severity, evidence_level, effect, management, source)
    values
      ('drug_drug', 'alpha', 'beta', 'major', 'test', 'bleeding', 'Monitor.', 'test'),
      ('drug_drug', 'alpha', 'gamma', 'contraindicated', 'test', 'arrest', 'Avoid.', 'test'),
      ('duplicate_class', 'delta', 'epsilon', 'moderate', 'test', 'same class', 'Choose one.', 'test'),
      ('drug_allergy_class', 'alpha', 'class-a', 'contraindicated', 'test', 'anaphylaxis', 'Avoid.', 'test'),
      ('drug_disease', 'beta', 'N18.4', 'contraindicated', 'test', 'accumulates', 'Avoid.', 'test'),
      ('drug_food', 'zeta', 'grapefruit', 'minor', 'test', 'higher level', 'Tell the patient.', 'test')`)
  await stores.superuser.query(`
    insert into cds.dose_limits (ingredient_code, route, age_days, pregnancy, max_single, max_daily, unit, per_kg, source)
    values
      ('eta', 'oral', '[0,)', 'any', 1000, 4000, 'mg', false, 'test'),
      ('theta', 'oral', '[0,6570)', 'any', 10, 40, 'mg', true, 'test'),
      ('iota', 'oral', '[0,)', 'avoid', 100, null, 'mg', false, 'test')`)
  await stores.superuser.query(`
    insert into cds.dose_limits (ingredient_code, route, age_days, egfr, pregnancy, max_single, unit, per_kg, source)
    values
      ('kappa', 'oral', '[0,)', '[0,30)', 'any', 10, 'mg', false, 'test'),
      ('kappa', 'oral', '[0,)', '[30,60)', 'any', 20, 'mg', false, 'test')`)
})
after(() => stores.close())

const by = <T>(work: (tx: Transaction) => Promise<T>, person = doctor) => stores.by(work, person)

const refused = (work: (tx: Transaction) => Promise<unknown>, sqlstate: string, person = doctor) =>
  assert.rejects(stores.by(work, person), { sqlstate })

/** A patient with a birth date, an allergy to class-a, and a renal disease. */
async function addPatient(birthDate = '1980-01-01'): Promise<string> {
  const id = at(await addPatients(stores, 1), 0)
  await stores.asSuperuser('update patient.patients set birth_date = $2 where id = $1', [id, birthDate])
  return id
}

async function addAllergy(patientId: string, code: string, kind = 'allergy', criticality = 'low'): Promise<void> {
  await stores.asSuperuser(
    `insert into clinical.allergies (tenant_id, patient_id, kind, category, code_system, code, display, criticality,
       clinical_status, verification_status, recorded_by)
     values ($1, $2, $3, 'medication', 'urn:test', $4, $4, $5, 'active', 'confirmed', $6)`,
    [stores.tenant, patientId, kind, code, criticality, doctor.staff],
  )
}

function order(patientId: string, ...items: (string | MedicationItem)[]): CheckMedicationInput {
  return {
    patientId,
    subjectType: 'prescription',
    subjectId: randomUUID(),
    items: items.map((item) => (typeof item === 'string' ? { ingredientCode: item } : item)),
  }
}

const risks = (alerts: readonly CdsAlert[]) => alerts.map(({ category, severity }) => `${category} ${severity}`)

test('checkMedication: pairs that clash, by severity, and what the patient takes already warns only with something new', async () => {
  const patientId = await addPatient()

  const found = async (...items: (string | MedicationItem)[]) =>
    risks(await by((tx) => checkMedication(tx, order(patientId, ...items))))

  assert.deepEqual(await found('alpha', 'beta'), ['interaction warning'])
  assert.deepEqual(await found('gamma', 'alpha', 'beta'), ['interaction hard_stop', 'interaction warning'])
  assert.deepEqual(await found('epsilon', 'delta'), ['duplicate info'])
  assert.deepEqual(await found('zeta'), ['interaction info'])
  assert.deepEqual(await found('eta', 'eta'), ['duplicate warning'])
  const taken = (code: string) => ({ ingredientCode: code, current: true })
  assert.deepEqual(await found(taken('alpha'), taken('gamma'), taken('zeta')), [])
  assert.deepEqual(await found('alpha', taken('gamma')), ['interaction hard_stop'])
})

test('checkMedication: allergies, to the drug or to its class, and active diseases', async () => {
  const [patientId, other] = [await addPatient(), await addPatient()]
  await addAllergy(patientId, 'class-a')
  await addAllergy(patientId, 'eta')
  await addAllergy(other, 'eta', 'intolerance')
  await stores.asSuperuser(
    `insert into clinical.conditions (tenant_id, patient_id, category, code_system, code, display, icd10, clinical_status, asserted_by)
     values ($1, $2, 'problem', 'urn:test', 'ckd', 'Renal disease', 'N18.4', 'active', $3)`,
    [stores.tenant, patientId, doctor.staff],
  )

  const found = async (patient: string, ...items: string[]) =>
    risks(await by((tx) => checkMedication(tx, order(patient, ...items))))

  assert.deepEqual(await found(patientId, 'alpha'), ['allergy hard_stop'])
  assert.deepEqual(await found(patientId, 'eta'), ['allergy hard_stop'])
  assert.deepEqual(await found(patientId, 'beta'), ['interaction hard_stop'])
  assert.deepEqual(await found(other, 'alpha', 'eta'), ['allergy warning'])
})

test('checkMedication: doses against limits, in other units, per kilogram, and what cannot be checked says so', async () => {
  const [patientId, child] = [await addPatient(), await addPatient('2020-01-01')]
  const dose = (ingredientCode: string, doseValue: number, unit = 'mg', dosesPerDay = 3) => ({
    ingredientCode,
    doseValue,
    unit,
    route: 'oral',
    dosesPerDay,
  })
  const found = async (patient: string, item: MedicationItem) =>
    risks(await by((tx) => checkMedication(tx, order(patient, item))))

  assert.deepEqual(await found(patientId, dose('eta', 1000)), [])
  assert.deepEqual(await found(patientId, dose('eta', 1.5, 'g', 2)), ['dose warning'])
  assert.deepEqual(await found(patientId, dose('eta', 1000, 'mg', 6)), ['dose warning'])
  assert.deepEqual(await found(patientId, dose('eta', 3, 'g', 1)), ['dose hard_stop'])
  assert.deepEqual(await found(patientId, dose('eta', 1, 'tablet')), ['dose warning'])
  assert.deepEqual(await found(patientId, dose('theta', 500)), [], 'a limit for children')
  assert.deepEqual(await found(child, dose('theta', 100)), ['dose warning'], 'no weight')
  await stores.asSuperuser(
    `insert into clinical.vital_signs (tenant_id, measured_at, patient_id, weight_kg, recorded_by)
     values ($1, now(), $2, 12, $3)`,
    [stores.tenant, child, doctor.staff],
  )
  assert.deepEqual(await found(child, dose('theta', 100)), [])
  assert.deepEqual(await found(child, dose('theta', 300)), ['dose hard_stop'])
  assert.deepEqual(await found(patientId, dose('iota', 50)), [])
  await stores.asSuperuser(
    `insert into clinical.conditions (tenant_id, patient_id, category, code_system, code, display, icd10, clinical_status, asserted_by)
     values ($1, $2, 'problem', 'urn:test', 'preg', 'Pregnancy', 'Z34.0', 'active', $3)`,
    [stores.tenant, patientId, doctor.staff],
  )
  assert.deepEqual(await found(patientId, dose('iota', 50)), ['pregnancy hard_stop'])
})

test('checkMedication: a repetition finds the same alerts, a changed order lets them expire, a return fires again', async () => {
  const input = order(await addPatient(), 'alpha', 'gamma')
  const open = () => by((tx) => countOpenHardStops(tx, 'prescription', input.subjectId))

  const first = await by((tx) => checkMedication(tx, input))
  const repeated = await by((tx) => checkMedication(tx, input))
  assert.deepEqual(repeated, first)
  assert.equal(await open(), 1)

  assert.deepEqual(await by((tx) => checkMedication(tx, { ...input, items: [{ ingredientCode: 'alpha' }] })), [])
  assert.equal(await open(), 0)
  const again = await by((tx) => checkMedication(tx, input))
  assert.notEqual(again[0]?.id, first[0]?.id)
  assert.equal(await open(), 1)

  const events = await stores.superuser.query(
    `select event_type from core.outbox_events where aggregate_id = any ($1::uuid[])`,
    [[first[0]?.id, again[0]?.id]],
  )
  assert.deepEqual(events, [{ event_type: 'alert.fired.v1' }, { event_type: 'alert.fired.v1' }])
  await refused((tx) => checkMedication(tx, { ...input, patientId: randomUUID() }), 'IM005')
  await refused((tx) => checkMedication(tx, { ...input, items: [{ ingredientCode: '' }] }), '22023')
})

test('checkMedication: what a tenant does not show is kept as suppressed', async () => {
  const input = order(await addPatient(), 'zeta')
  await stores.asSuperuser(
    `insert into core.system_settings (tenant_id, key, value, value_type, description)
     values ($1, 'cds.show_from', '"warning"', 'string', 'x')`,
    [stores.tenant],
  )

  const [alert] = await by((tx) => checkMedication(tx, input))
  await stores.asSuperuser(`delete from core.system_settings where tenant_id = $1 and key = 'cds.show_from'`, [
    stores.tenant,
  ])

  assert.equal(alert?.status, 'suppressed')
})

test('overrideAlert: a reason always, a second approver for a hard stop, the first answer for ever', async () => {
  const input = order(await addPatient(), 'alpha', 'beta', 'gamma')
  const [hardStop, warning] = await by((tx) => checkMedication(tx, input))
  const alertId = hardStop?.id ?? ''
  const reason = { alertId, reasonCode: 'benefit_outweighs_risk' } as const
  const secondApproverId = reviewer.user
  const nurse = await addPerson(stores)
  await stores.asSuperuser(`update auth.users set primary_role = 'nurse' where id = $1`, [nurse.user])

  await refused((tx) => overrideAlert(tx, { alertId, reasonCode: 'other', reasonText: 'because' }), 'IM002')
  await refused((tx) => overrideAlert(tx, reason), 'IM506')
  await refused((tx) => overrideAlert(tx, { ...reason, secondApproverId: doctor.user }), 'IM506')
  await refused((tx) => overrideAlert(tx, { ...reason, secondApproverId: nurse.user }), 'IM506')
  await refused((tx) => acceptAlert(tx, alertId), 'IM401')
  const override = await by((tx) => overrideAlert(tx, { ...reason, secondApproverId }))

  assert.deepEqual(await by((tx) => overrideAlert(tx, { ...reason, secondApproverId })), override)
  assert.equal(await by((tx) => countOpenHardStops(tx, 'prescription', input.subjectId)), 0)
  const statuses = (await by((tx) => checkMedication(tx, input))).map(({ status }) => status)
  assert.deepEqual(statuses, ['overridden', 'fired'], 'what was overridden does not nag again')
  await by((tx) => overrideAlert(tx, { alertId: warning?.id ?? '', reasonCode: 'will_monitor' }))
  await refused((tx) => overrideAlert(tx, { ...reason, alertId: randomUUID() }), 'IM005')
})

test('alerts: acknowledged, followed, and old ones expire but for hard stops', async () => {
  const input = order(await addPatient(), 'alpha', 'beta', 'gamma')
  const [hardStop, warning] = await by((tx) => checkMedication(tx, input))

  assert.equal((await by((tx) => acknowledgeAlert(tx, warning?.id ?? ''))).status, 'acknowledged')
  await stores.asSuperuser(`update cds.alerts set fired_at = now() - interval '80 hours' where subject_id = $1`, [
    input.subjectId,
  ])
  assert.equal(await by((tx) => expireAlerts(tx)), 1)
  assert.equal((await by((tx) => acknowledgeAlert(tx, warning?.id ?? ''))).status, 'expired')
  await refused((tx) => acceptAlert(tx, warning?.id ?? ''), 'IM001')
  assert.equal((await by((tx) => acknowledgeAlert(tx, hardStop?.id ?? ''))).status, 'acknowledged')

  const [next] = await by((tx) => checkMedication(tx, order(input.patientId, 'alpha', 'beta')))
  assert.equal((await by((tx) => acceptAlert(tx, next?.id ?? ''))).status, 'accepted')
  assert.equal((await by((tx) => acceptAlert(tx, next?.id ?? ''))).status, 'accepted')
  await refused((tx) => overrideAlert(tx, { alertId: next?.id ?? '', reasonCode: 'will_monitor' }), 'IM001')
})

const feverRule: DraftRuleInput = {
  code: 'fever.elderly',
  name: 'Fever in an old patient',
  hook: 'vitals_in',
  logic: {
    all: [
      { fact: 'temperature_c', op: '>=', value: 38.5 },
      {
        any: [
          { fact: 'age_years', op: '>=', value: 70 },
          { fact: 'conditions', op: 'has', value: 'D70' },
        ],
      },
    ],
  },
  severity: 'warning',
  category: 'sepsis',
  testCases: [
    { name: 'old with fever', facts: { temperature_c: 39, age_years: 80 }, fires: true },
    { name: 'young with fever', facts: { temperature_c: 39, age_years: 20, conditions: [] }, fires: false },
    { name: 'no temperature', facts: { age_years: 80 }, fires: false },
  ],
}

test('rules: drafted, tested, activated by another, replaced by the next version, silenced', async () => {
  const draft = await by((tx) => draftRule(tx, feverRule))
  assert.deepEqual((await by((tx) => draftRule(tx, feverRule))).id, draft.id, 'a draft is worked on')
  await refused((tx) => activateRule(tx, draft.id), 'IM001')
  await by((tx) => startRuleTest(tx, draft.id))
  const results = await by((tx) => testRule(tx, draft.id))
  assert.ok(results.every(({ passed }) => passed))
  assert.equal(results.length, 3)
  await refused((tx) => activateRule(tx, draft.id), 'IM506')
  await by((tx) => activateRule(tx, draft.id), reviewer)
  assert.equal((await by((tx) => activateRule(tx, draft.id))).status, 'active')

  const patientId = await addPatient('1940-01-01')
  const question = { hook: 'vitals_in', patientId, subjectType: 'vital_signs', subjectId: randomUUID() } as const
  assert.deepEqual(await by((tx) => runRules(tx, { ...question, facts: { temperature_c: 37 } })), [])
  const fired = await by((tx) => runRules(tx, { ...question, facts: { temperature_c: 39 } }))
  assert.deepEqual(risks(fired), ['sepsis warning'])
  assert.deepEqual(await by((tx) => runRules(tx, { ...question, facts: { temperature_c: 39 } })), fired)

  const next = await by((tx) => draftRule(tx, { ...feverRule, name: 'Fever, version 2' }))
  assert.deepEqual([next.version, next.status], [2, 'draft'])
  await by((tx) => startRuleTest(tx, next.id))
  await by((tx) => activateRule(tx, next.id), reviewer)
  const states = await by((tx) =>
    tx.query(`select version, status from cds.rules where code = 'fever.elderly' order by version`),
  )
  assert.deepEqual(states, [
    { version: 1, status: 'retired' },
    { version: 2, status: 'active' },
  ])

  await refused((tx) => suspendRule(tx, next.id, ''), 'IM002')
  assert.equal((await by((tx) => suspendRule(tx, next.id, 'too loud'))).status, 'suspended')
  assert.deepEqual(
    await by((tx) => runRules(tx, { ...question, subjectId: randomUUID(), facts: { temperature_c: 39 } })),
    [],
  )
  assert.equal((await by((tx) => retireRule(tx, next.id))).status, 'retired')
  await refused((tx) => retireRule(tx, randomUUID()), 'IM005')
})

test('rules: failing test cases, no test cases, unreadable logic and a change after testing are refused', async () => {
  const wrong = await by((tx) =>
    draftRule(tx, { ...feverRule, code: 'wrong', testCases: [{ name: 'x', facts: {}, fires: true }] }),
  )
  await by((tx) => startRuleTest(tx, wrong.id))
  await refused((tx) => activateRule(tx, wrong.id), 'IM410', reviewer)
  assert.equal((await by((tx) => returnRuleToDraft(tx, wrong.id))).status, 'draft')
  const empty = await by((tx) => draftRule(tx, { ...feverRule, code: 'wrong', testCases: [] }))
  assert.equal(empty.id, wrong.id)
  await by((tx) => startRuleTest(tx, wrong.id))
  await refused((tx) => activateRule(tx, wrong.id), 'IM410', reviewer)
  await assert.rejects(
    stores.asSuperuser(`update cds.rules set logic = '{"fact": "x", "op": "known"}' where id = $1`, [wrong.id]),
    { sqlstate: 'IM006' },
  )
  const unreadable = { fact: 'age', op: '~', value: 1 } as unknown as DraftRuleInput['logic']
  await refused((tx) => draftRule(tx, { ...feverRule, code: 'unreadable', logic: unreadable }), '22023')
})

const dose = (ingredientCode: string, doseValue: number) => ({
  ingredientCode,
  doseValue,
  unit: 'mg',
  route: 'oral',
  dosesPerDay: 1,
})

test('checkMedication: what was recorded of a patient before two records were merged counts for both', async () => {
  const [survivorId, duplicateId] = [await addPatient('2020-01-01'), await addPatient('2020-01-01')]
  await addAllergy(duplicateId, 'eta')
  await stores.asSuperuser(
    `insert into clinical.conditions (tenant_id, patient_id, category, code_system, code, display, icd10, clinical_status, asserted_by)
     values ($1, $2, 'problem', 'urn:test', 'ckd', 'Renal disease', 'N18.4', 'active', $3)`,
    [stores.tenant, duplicateId, doctor.staff],
  )
  await stores.asSuperuser(
    `insert into clinical.vital_signs (tenant_id, measured_at, patient_id, weight_kg, recorded_by)
     values ($1, now(), $2, 12, $3)`,
    [stores.tenant, duplicateId, doctor.staff],
  )
  await by((tx) => proposeMerge(tx, { survivorId, duplicateId, reason: 'same person' }))
  await by((tx) => mergePatients(tx, survivorId, duplicateId), reviewer)

  for (const patientId of [survivorId, duplicateId]) {
    const found = async (item: string | MedicationItem) =>
      risks(await by((tx) => checkMedication(tx, order(patientId, item))))
    assert.deepEqual(await found('eta'), ['allergy hard_stop'])
    assert.deepEqual(await found('beta'), ['interaction hard_stop'])
    assert.deepEqual(await found(dose('theta', 300)), ['dose hard_stop'])
  }
})

test('checkMedication: what was corrected counts no longer, be it weight or renal function', async () => {
  const child = await addPatient('2020-01-01')
  const weigh = (kg: number, ago: string, id: string, replaces: string | null = null, isError = false) =>
    stores.asSuperuser(
      `insert into clinical.vital_signs (tenant_id, id, measured_at, patient_id, weight_kg, recorded_by, replaces_id, is_error)
       values ($1, $2, now() - $3::interval, $4, $5, $6, $7, $8)`,
      [stores.tenant, id, ago, child, kg, doctor.staff, replaces, isError],
    )
  const measure = async (egfr: number, status: string) => {
    const id = randomUUID()
    await stores.asSuperuser(
      `insert into clinical.observations (
         tenant_id, id, effective_at, patient_id, category, code_system, code, display, value_num, unit_ucum, performer_id
       )
       values ($1, $2, current_date - 1, $3, 'other', 'http://loinc.org', '62238-1', 'eGFR', $4, 'mL/min', $5)`,
      [stores.tenant, id, child, egfr, doctor.staff],
    )
    for (const next of ['final', status])
      await stores.asSuperuser(
        `update clinical.observations o set status = $2 from (select core.set_reason('typed wrong')) r where o.id = $1`,
        [id, next],
      )
  }
  const found = async (item: MedicationItem) => risks(await by((tx) => checkMedication(tx, order(child, item))))
  const [typedWrong, ofAnotherChild] = [randomUUID(), randomUUID()]
  await weigh(120, '1 minute', typedWrong)
  await weigh(12, '2 hours', randomUUID(), typedWrong)
  assert.deepEqual(await found(dose('theta', 300)), ['dose hard_stop'])
  await weigh(120, '1 minute', ofAnotherChild)
  await weigh(120, '1 minute', randomUUID(), ofAnotherChild, true)
  assert.deepEqual(await found(dose('theta', 300)), ['dose hard_stop'])

  await measure(20, 'final')
  await measure(90, 'amended')
  assert.deepEqual(await found(dose('kappa', 50)), ['dose hard_stop'])
})

test('checkMedication: a limit for an age or a renal function that nobody knows says that it was not applied', async () => {
  const [adult, ageless] = [await addPatient(), at(await addPatients(stores, 1), 0)]
  const found = async (patientId: string, item: MedicationItem) =>
    (await by((tx) => checkMedication(tx, order(patientId, item)))).map(({ message }) => message)

  assert.deepEqual(await found(adult, dose('kappa', 50)), [
    'kappa: the dose cannot be checked, the renal function is not known',
  ])
  assert.deepEqual(await found(ageless, dose('theta', 50)), ['theta: the dose cannot be checked, the age is not known'])
  assert.deepEqual(await found(ageless, dose('eta', 1000)), [])
  assert.deepEqual(await found(adult, { ...dose('kappa', 5), egfr: 90 } as MedicationItem), [])
})
