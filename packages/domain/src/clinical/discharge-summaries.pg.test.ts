import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { useOtherDate } from '../hospital.fixture.ts'
import {
  addFinalSummary,
  addStay,
  asAdmin,
  openWardHospital,
  summaryContent,
  type WardHospital,
} from './clinical.fixture.ts'
import {
  amendDischargeSummary,
  approveDischargeSummary,
  handOverDischargeSummary,
  prepareDischargeSummary,
  returnDischargeSummary,
  submitDischargeSummary,
  type DischargeSummary,
} from './discharge-summaries.ts'
import { evaluateStg, waiveStgCriterion } from './guidelines.ts'

let hospital: WardHospital
let secondUser: string
before(async () => {
  hospital = await openWardHospital()
  secondUser = hospital.users[1]
})
after(() => hospital.close())

test('discharge summary: prepared by one, approved by another (IM006), given to the patient', async () => {
  const { admissionId } = await addStay(hospital)
  const draft = await twice((tx) => prepareDischargeSummary(tx, admissionId, 'normal', summaryContent))
  await assert.rejects(
    hospital.run((tx) => approveDischargeSummary(tx, draft.id), { user: secondUser }),
    { sqlstate: 'IM001' },
  )
  await twice((tx) => submitDischargeSummary(tx, draft.id))
  await assert.rejects(
    hospital.run((tx) => approveDischargeSummary(tx, draft.id)),
    { sqlstate: 'IM006' },
  )
  await assert.rejects(
    hospital.run((tx) => approveDischargeSummary(tx, draft.id), { user: randomUUID() }),
    { sqlstate: 'IM006' },
  )

  const final = await twice((tx) => approveDischargeSummary(tx, draft.id), secondUser)
  const given = await twice((tx) => handOverDischargeSummary(tx, draft.id))

  assert.equal(final.approvedBy, hospital.staff[1])
  assert.equal(final.stgStatus, 'not_applicable')
  assert.notEqual(given.handedOverAt, null)
  await assert.rejects(
    hospital.run((tx) =>
      tx.query(`update clinical.discharge_summaries set condition_at_discharge = 'other' where id = $1`, [draft.id]),
    ),
    { sqlstate: 'IM006' },
  )
})

test('returnDischargeSummary: back to its author for a reason (IM002)', async () => {
  const { admissionId } = await addStay(hospital)
  const { id } = await submitted(admissionId)

  await assert.rejects(
    hospital.run((tx) => returnDischargeSummary(tx, id, '')),
    { sqlstate: 'IM002' },
  )
  const back = await twice((tx) => returnDischargeSummary(tx, id, 'follow-up is missing'))

  assert.equal(back.status, 'draft')
})

test('amendDischargeSummary: what it does not say stays, and it replaces the final one when it is approved', async () => {
  const stay = await addStay(hospital)
  const final = await addFinalSummary(hospital, stay)

  const amendment = await twice((tx) =>
    amendDischargeSummary(tx, final.id, { conditionAtDischarge: 'improved' }, 'condition was wrong'),
  )
  await hospital.run((tx) => submitDischargeSummary(tx, amendment.id))
  await hospital.run((tx) => approveDischargeSummary(tx, amendment.id), { user: secondUser })

  const rows = await hospital.admin.query(
    `select status, condition_at_discharge as condition, course_enc from clinical.discharge_summaries
     where encounter_id = $1 order by status`,
    [stay.encounterId],
  )
  assert.deepEqual(rows, [
    { status: 'amended', condition: 'stable', course_enc: summaryContent.courseEnc },
    { status: 'final', condition: 'improved', course_enc: summaryContent.courseEnc },
  ])
})

test('evaluateStg: one row a criterion, the same stay gives the same rows, what fails blocks approval (IM610)', async () => {
  await addGuideline('K35')
  const { admissionId, encounterId } = await addStay(hospital)
  const { id } = await submitted(admissionId)

  const first = await twice((tx) => evaluateStg(tx, id))

  assert.equal(first.stgStatus, 'failed')
  assert.deepEqual(await findings(id), [
    { code: 'ADVICE', outcome: 'fail', blocks: false },
    { code: 'CONSENT', outcome: 'fail', blocks: true },
    { code: 'OPERATED', outcome: 'missing_data', blocks: true },
    { code: 'STABLE', outcome: 'pass', blocks: false },
    { code: 'CHILD', outcome: 'not_applicable', blocks: false },
  ])
  assert.equal(await resultRows(id), 5)
  await assert.rejects(
    hospital.run((tx) => approveDischargeSummary(tx, id), { user: secondUser }),
    { sqlstate: 'IM610' },
  )

  // the answer and the document arrive
  await addDocument(encounterId)
  await hospital.run((tx) =>
    tx.query(
      `update clinical.discharge_summaries set sections = '{"stg_answers": {"OPERATED": "yes"}}' where id = $1`,
      [id],
    ),
  )
  const final = await hospital.run((tx) => approveDischargeSummary(tx, id), { user: secondUser })

  assert.equal(final.stgStatus, 'passed')
})

test('waiveStgCriterion: a doctor waives with a reason (IM002); it holds until the summary changes', async () => {
  const { admissionId } = await addStay(hospital)
  const { id } = await submitted(admissionId)
  await hospital.run((tx) => evaluateStg(tx, id))
  const open = await hospital.run((tx) =>
    tx.query<{ result_id: string }>(
      'select result_id from clinical.stg_findings where discharge_summary_id = $1 and blocks order by seq',
      [id],
    ),
  )

  await assert.rejects(
    hospital.run((tx) => waiveStgCriterion(tx, open[0]?.result_id ?? '', ' ')),
    { sqlstate: 'IM002' },
  )
  for (const { result_id } of open) {
    await twice((tx) => waiveStgCriterion(tx, result_id, 'emergency operation'), secondUser)
  }
  const waived = await hospital.run((tx) => evaluateStg(tx, id))
  await hospital.run((tx) =>
    tx.query(`update clinical.discharge_summaries set condition_at_discharge = 'improved' where id = $1`, [id]),
  )
  const changed = await hospital.run((tx) => evaluateStg(tx, id))

  assert.equal(open.length, 2)
  assert.equal(`${waived.stgStatus} ${changed.stgStatus}`, 'waived failed')
})

test('evaluate_stg_claim: is for the service of claims, not for applications', async () => {
  await assert.rejects(
    hospital.run((tx) => tx.query(`select clinical.evaluate_stg_claim($1, $1, 'claim', '{}', '{}')`, [randomUUID()])),
    { sqlstate: '42501' },
  )
})

test('evaluateStg: a patient is as old as on the day of admission where the clinic is', async () => {
  const here = await useOtherDate(hospital)
  const { admissionId, patientId } = await addStay(hospital)
  const { id } = await submitted(admissionId)
  const judgeChild = async (daysToBirthday: number) => {
    await asAdmin(hospital, (query) =>
      query(`update patient.patients set birth_date = $2::date + $3::int - interval '18 years' where id = $1`, [
        patientId,
        here,
        daysToBirthday,
      ]),
    )
    await hospital.run((tx) => evaluateStg(tx, id))
    return (await findings(id)).find(({ code }) => code === 'CHILD')?.outcome
  }

  assert.deepEqual([await judgeChild(0), await judgeChild(1)], ['not_applicable', 'missing_data'])
})

/** Runs an operation in two transactions, checks that both give the same answer, and returns it. */
async function twice<T>(work: Parameters<typeof hospital.run<T>>[0], user = hospital.users[0]): Promise<T> {
  const first = await hospital.run(work, { user })
  assert.deepEqual(await hospital.run(work, { user }), first)
  return first
}

async function submitted(admissionId: string): Promise<DischargeSummary> {
  return hospital.run(async (tx) => {
    const { id } = await prepareDischargeSummary(tx, admissionId, 'normal', summaryContent)
    return submitDischargeSummary(tx, id)
  })
}

/** A guideline with a criterion of each kind for a diagnosis. */
async function addGuideline(icd10: string): Promise<void> {
  const id = randomUUID()
  const criteria: [code: string, kind: string, columns: object][] = [
    ['ADVICE', 'rule', { expression: { fact: 'has_advice', op: '=', value: true }, mandatory: false }],
    ['CONSENT', 'document', { document_type: 'consent' }],
    ['OPERATED', 'question', { expected: ['yes', 'no'] }],
    ['STABLE', 'rule', { expression: { fact: 'condition_at_discharge', op: 'known' } }],
    [
      'CHILD',
      'rule',
      {
        applies_when: { fact: 'age_years', op: '<', value: 18 },
        expression: { fact: 'answers.GUARDIAN', op: '=', value: 'yes' },
      },
    ],
  ]
  await asAdmin(hospital, async (query) => {
    await query(
      `insert into clinical.stg_guidelines (tenant_id, id, code, title, specialty, icd10_codes, source_uri, effective)
       values ($1, $2, 'TEST', 'Test', 'surgery', array[$3], 'https://example.org', '[2020-01-01,)')`,
      [hospital.tenant, id, icd10],
    )
    for (const [index, [code, kind, columns]] of criteria.entries()) {
      await query(
        `insert into clinical.stg_criteria (
           tenant_id, guideline_id, seq, stage, kind, code, text, document_type, expression, expected, mandatory,
           applies_when
         )
         select $1, $2, $3, 'discharge', $4, $5, 'Test', c ->> 'document_type', c -> 'expression', c -> 'expected',
           coalesce((c ->> 'mandatory')::boolean, true), c -> 'applies_when'
         from (select $6::jsonb) as x (c)`,
        [hospital.tenant, id, index, kind, code, columns],
      )
    }
    await query(`update clinical.stg_guidelines set status = 'active' where id = $1`, [id])
  })
}

async function addDocument(encounterId: string): Promise<void> {
  const id = randomUUID()
  await asAdmin(hospital, async (query) => {
    await query(
      `insert into ehr.documents (
         tenant_id, id, document_number, patient_id, encounter_id, type_code, title, category, storage_uri, mime,
         size_bytes, sha256, key_kid, confidentiality, source, virus_scan, scanned_at
       )
       select $1, $2, $4, patient_id, id, 'consent', 'Consent', 'consent', 's3://bucket/' || $2::uuid, 'application/pdf', 1,
         sha256('\\x01'), 'k1', 'N', 'scanned', 'clean', now()
       from clinical.encounters where id = $3`,
      [hospital.tenant, id, encounterId, id],
    )
    await query(`update ehr.documents set status = 'current' where id = $1`, [id])
  })
}

interface Finding {
  readonly code: string
  readonly outcome: string
  readonly blocks: boolean
}

async function findings(summaryId: string): Promise<Finding[]> {
  return hospital.run((tx) =>
    tx.query<Finding>(
      `select criterion_code as code, outcome, blocks from clinical.stg_findings
       where discharge_summary_id = $1 order by seq`,
      [summaryId],
    ),
  )
}

async function resultRows(summaryId: string): Promise<number | undefined> {
  const [row] = await hospital.admin.query<{ rows: number }>(
    'select count(*)::int as rows from clinical.stg_compliance_results where discharge_summary_id = $1',
    [summaryId],
  )
  return row?.rows
}
