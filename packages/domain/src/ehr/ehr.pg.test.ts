import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  ReasonRequiredError,
  StaleVersionError,
} from '@imhotep/postgres'
import { moveToAnotherDay } from '../../../../tests/support/tenants.ts'
import { addPatient, digest, withHospital } from '../hospital.fixture.ts'
import { addDocument, type AddDocumentInput } from './add-document.ts'
import { discardDocument, finaliseDocument, markDocumentInError, recordVirusScan } from './move-document.ts'
import { signDocument, signRecord } from './sign.ts'
import { activateTemplate, withdrawTemplate } from './templates.ts'

function file(text: string, changes: Partial<AddDocumentInput> = {}): AddDocumentInput {
  return {
    title: 'Laboratory report',
    typeCode: 'lab_report',
    category: 'clinical',
    storageUri: `s3://records/${text}`,
    mime: 'application/pdf',
    sizeBytes: 1_000,
    sha256: digest(text),
    keyKid: 'document-1',
    ...changes,
  }
}

test('documents: registered once, current after a clean scan, superseded by the next version', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const patientId = await addPatient(hospital, 'Asha')
    const report = await run((tx) => addDocument(tx, file('one', { patientId })))
    const repeated = await run((tx) => addDocument(tx, file('one', { patientId })))
    await assert.rejects(
      run((tx) => addDocument(tx, file('one', { patientId, sha256: digest('other') }))),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => finaliseDocument(tx, report.id)),
      NotPermittedError,
    )
    await run((tx) => recordVirusScan(tx, report.id, 'clean'))
    const current = await run((tx) => finaliseDocument(tx, report.id))
    const again = await run((tx) => finaliseDocument(tx, report.id))

    const next = await run((tx) => addDocument(tx, file('two', { patientId, supersedesId: report.id })))
    await run((tx) => recordVirusScan(tx, next.id, 'clean'))
    const corrected = await run((tx) => finaliseDocument(tx, next.id))
    const old = await run((tx) => tx.query('select status from ehr.documents where id = $1', [report.id]))

    assert.deepEqual(repeated, report)
    assert.deepEqual([report.version, current.status, again.rowVersion], [1, 'current', current.rowVersion])
    assert.deepEqual(
      [corrected.documentNumber, corrected.version, corrected.status, corrected.supersedesId],
      [report.documentNumber, 2, 'current', report.id],
    )
    assert.deepEqual(old, [{ status: 'superseded' }])
    await assert.rejects(
      run((tx) => finaliseDocument(tx, report.id)),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => addDocument(tx, file('three', { supersedesId: next.id }))),
      NotPermittedError,
      'the paper of another patient replaces nothing',
    )
    await assert.rejects(
      run((tx) => addDocument(tx, file('four', { supersedesId: randomUUID() }))),
      NotFoundError,
    )
  }))

test('documents: two successors of one document: the later version wins, the earlier one cannot come back', () =>
  withHospital(async ({ run }) => {
    const add = async (text: string, supersedesId?: string) => {
      const { id } = await run((tx) => addDocument(tx, file(text, supersedesId === undefined ? {} : { supersedesId })))
      await run((tx) => recordVirusScan(tx, id, 'clean'))
      return id
    }
    const first = await add('one')
    await run((tx) => finaliseDocument(tx, first))
    const [second, third] = [await add('two', first), await add('three', first)]

    await run((tx) => finaliseDocument(tx, third))

    await assert.rejects(
      run((tx) => finaliseDocument(tx, second)),
      NotPermittedError,
    )
  }))

test('documents: an infected file is discarded, a wrong one stays as evidence, the same content is pointed out', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const patientId = await addPatient(hospital, 'Asha')
    const infected = await run((tx) => addDocument(tx, file('virus')))
    const unused = await run((tx) => addDocument(tx, file('unused')))
    const wrong = await run((tx) => addDocument(tx, file('wrong', { patientId })))
    const copy = await run((tx) =>
      addDocument(tx, file('wrong', { patientId, storageUri: 's3://records/wrong-again' })),
    )

    const scanned = await run((tx) => recordVirusScan(tx, infected.id, 'infected'))
    await assert.rejects(
      run((tx) => recordVirusScan(tx, infected.id, 'clean')),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => discardDocument(tx, unused.id, ' ')),
      ReasonRequiredError,
    )
    const discarded = await run((tx) => discardDocument(tx, unused.id, 'scanned twice'))
    await run((tx) => recordVirusScan(tx, wrong.id, 'clean'))
    await run((tx) => finaliseDocument(tx, wrong.id))
    const marked = await run((tx) => markDocumentInError(tx, wrong.id, 'other patient'))
    const markedAgain = await run((tx) => markDocumentInError(tx, wrong.id, 'other patient'))

    assert.deepEqual([scanned.status, scanned.virusScan], ['discarded', 'infected'])
    assert.equal(discarded.status, 'discarded')
    assert.equal(copy.duplicateOfId, wrong.id)
    assert.equal(marked.status, 'entered_in_error')
    assert.deepEqual(markedAgain, marked)
  }))

test('signDocument: signs what was read, once for each meaning', () =>
  withHospital(async ({ run, users }) => {
    const { id: documentId } = await run((tx) => addDocument(tx, file('one')))

    const signed = await run((tx) => signDocument(tx, { documentId, digest: digest('one') }))
    const repeated = await run((tx) => signDocument(tx, { documentId, digest: digest('one') }))
    const approved = await run((tx) => signDocument(tx, { documentId, digest: digest('one'), meaning: 'approve' }), {
      user: users[1],
    })
    const row = await run((tx) =>
      signRecord(tx, { subjectType: 'clinical.procedures', subjectId: documentId, digest: digest('row') }),
    )

    assert.deepEqual(repeated, signed)
    assert.deepEqual([signed.signerUserId, approved.signerUserId, row.signerUserId], [users[0], users[1], users[0]])
    await assert.rejects(
      run((tx) => signDocument(tx, { documentId, digest: digest('something else') })),
      StaleVersionError,
    )
    await assert.rejects(
      run((tx) => signDocument(tx, { documentId: randomUUID(), digest: digest('one') })),
      NotFoundError,
    )
  }))

test('templates: approved by another than the author, and never changed afterwards', () =>
  withHospital(async ({ admin, run, users, tenant }) => {
    const draft = (version: number) =>
      run(async (tx) => {
        const [row] = await tx.query<{ id: string }>(
          `insert into ehr.document_templates (tenant_id, code, version, kind, name, locale, body)
           values ($1, 'leave_letter', $2, 'letter', 'Leave', 'en-IN', 'Dear {{name}}') returning id`,
          [tenant, version],
        )
        assert.ok(row)
        return row.id
      })
    const [one, two, unused] = [await draft(1), await draft(2), await draft(3)]

    await assert.rejects(
      run((tx) => activateTemplate(tx, one)),
      NotPermittedError,
    )
    await run((tx) => activateTemplate(tx, one), { user: users[1] })
    const active = await run((tx) => activateTemplate(tx, two, '2026-04-01'), { user: users[1] })
    const withdrawn = await run((tx) => withdrawTemplate(tx, unused, 'not needed'))
    const first = await run((tx) => tx.query('select status from ehr.document_templates where id = $1', [one]))

    await moveToAnotherDay(admin, tenant)
    const third = await draft(4)
    await run((tx) => activateTemplate(tx, third), { user: users[1] })
    const [since] = await run((tx) =>
      tx.query('select effective_from = core.tenant_today() as "isToday" from ehr.document_templates where id = $1', [
        third,
      ]),
    )
    assert.deepEqual(since, { isToday: true })

    assert.deepEqual([active.status, withdrawn.status, first], ['active', 'withdrawn', [{ status: 'retired' }]])
    await assert.rejects(
      run((tx) => tx.query(`update ehr.document_templates set body = 'other' where id = $1`, [two])),
      NotPermittedError,
    )
    await assert.rejects(
      run((tx) => activateTemplate(tx, randomUUID()), { user: users[1] }),
      NotFoundError,
    )
  }))
