import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  ConsentErasedError,
  ConsentFrequencyError,
  ConsentNotGrantedError,
  ConsentSignatureError,
  ConsentWindowError,
  ContextNotConsentedError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
} from '@imhotep/postgres'
import { placeLegalHold, releaseLegalHold } from '../compliance/legal-holds.ts'
import { digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import {
  artefactOf,
  asSuperuser,
  grant,
  ingest,
  linkedContexts,
  linkedPatient,
  newSession,
  registerFacility,
  withoutLegalHolds,
} from './abdm.fixture.ts'
import { expireConsents, recordConsentRequest, requestConsent, type RequestConsentInput } from './consent.ts'
import {
  authoriseTransfer,
  eraseDue,
  finishTransfer,
  markSessionNotified,
  recordTransfer,
  rejectSession,
} from './data-flow.ts'

const day = 86_400_000

test('as information user: a consent is asked for, granted by message, revoked, and what was received is erased', () =>
  withHospital(async (hospital) => {
    const { run, admin } = hospital
    await withoutLegalHolds(admin)
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    const requestId = randomUUID()
    const consentRequestId = randomUUID()
    const input = ask(patientId, requestId)
    const asked = await run((tx) => requestConsent(tx, input))
    const again = await run((tx) => requestConsent(tx, input))
    const taken = await run((tx) => recordConsentRequest(tx, { requestId, consentRequestId }))
    const artefact = artefactOf(account.abhaAddress ?? '', [], {
      careContexts: [{ patientReference: 'theirs', careContextReference: 'visit-1' }],
    })
    const granted = await ingest(hospital, { role: 'HIU', status: 'GRANTED', consentRequestId, artefact })
    const session = await newSession(hospital, artefact.artefactId, { role: 'HIU' })
    const open = await run((tx) => authoriseTransfer(tx, session.id))
    const documentId = await storeDocument(hospital, patientId)
    const page = await run((tx) =>
      recordTransfer(tx, session.id, {
        careContextReference: 'visit-1',
        pageNo: 1,
        checksum: digest('content'),
        hiStatus: 'OK',
        bundleDocumentId: documentId,
      }),
    )
    const early = await run((tx) => eraseDue(tx))
    const revoked = await ingest(hospital, { role: 'HIU', status: 'REVOKED', artefactId: artefact.artefactId })
    const scope = { schema: 'ehr', table: 'documents', row_ids: [documentId] }
    const hold = await run((tx) => placeLegalHold(tx, { reason: 'dispute', scope }))
    const held = await run((tx) => eraseDue(tx))
    await run((tx) => releaseLegalHold(tx, hold.id, 'settled'), { user: hospital.users[1] })
    const erased = [await run((tx) => eraseDue(tx)), await run((tx) => eraseDue(tx))]

    assert.equal(held, 0)
    assert.deepEqual([asked.status, again.id, taken.status], ['draft', asked.id, 'requested'])
    assert.deepEqual([granted.outcome, granted.consentRowId], ['granted', asked.id])
    assert.deepEqual(open.careContextReferences, ['visit-1'])
    assert.deepEqual(page.eraseAt, artefact.dataEraseAt)
    assert.equal(revoked.outcome, 'revoked')
    assert.deepEqual([early, ...erased], [0, 1, 0])
    assert.deepEqual(
      await asSuperuser(
        hospital,
        `select
           r.status as request, a.status as artefact, h.status as session, h.own_private_key_enc as key,
           t.bundle_document_id as content, t.erased_at is not null as erased, d.deleted_at is not null as deleted
         from abdm.consent_requests r
         join abdm.consent_artefacts a on a.consent_request_id = r.id
         join abdm.health_info_requests h on h.artefact_row_id = a.id
         join abdm.health_info_transfers t on t.request_row_id = h.id
         cross join ehr.documents d
         where r.tenant_id = core.current_tenant_id() and d.tenant_id = core.current_tenant_id()`,
      ),
      [
        {
          request: 'revoked',
          artefact: 'revoked',
          session: 'failed',
          key: null,
          content: null,
          erased: true,
          deleted: true,
        },
      ],
    )
    assert.deepEqual(
      (
        await asSuperuser<{ event_type: string }>(
          hospital,
          `select event_type from core.outbox_events where tenant_id = core.current_tenant_id() and event_type ~ '^(consent|health)' order by occurred_at, event_type`,
        )
      ).map(({ event_type }) => event_type),
      ['consent.granted.v1', 'consent.revoked.v1', 'health_info_transfer.erased.v1'],
    )
  }))

test('request_consent: only past data, some HI type, an erasure to come, and emergency access for purpose BTG', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { patientId } = await linkedPatient(hospital, 'Meera Nair')
    const request = (changes: Partial<RequestConsentInput>) =>
      run((tx) => requestConsent(tx, { ...ask(patientId, randomUUID()), ...changes }))

    await assert.rejects(request({ dataTo: new Date(Date.now() + day) }), {
      constraint: 'consent_requests_past_data_only',
    })
    await assert.rejects(request({ hiTypes: [] }), { constraint: 'consent_requests_some_hi_type' })
    await assert.rejects(request({ hiTypes: ['Horoscope'] }), { sqlstate: '23514' })
    await assert.rejects(request({ dataEraseAt: new Date(Date.now() - day) }), {
      constraint: 'consent_requests_erase_in_future',
    })
    await assert.rejects(request({ purpose: 'BTG' }), NotPermittedError)
    await run((tx) =>
      tx.query(`select audit.open_break_glass($1, 'emergency', 'unconscious in the emergency room')`, [patientId]),
    )
    assert.equal((await request({ purpose: 'BTG' })).status, 'draft')
    const requestId = randomUUID()
    await request({ requestId })
    await assert.rejects(request({ requestId, purpose: 'DSRCH' }), IdempotencyKeyReusedError)
    const refused = await run((tx) => recordConsentRequest(tx, { requestId, errorCode: 'ABDM-1511' }))
    assert.equal(refused.status, 'failed')
  }))

test('ingest_consent: once a REQUEST-ID, never granted without a checked and right signature', () =>
  withHospital(async (hospital) => {
    const { account } = await linkedPatient(hospital, 'Meera Nair')
    const artefact = artefactOf(account.abhaAddress ?? '', [])
    const forged = artefactOf(account.abhaAddress ?? '', [], { signatureValid: false })
    const { signatureValid, ...unchecked } = artefactOf(account.abhaAddress ?? '', [])
    const requestId = randomUUID()
    const message = { role: 'HIP', status: 'GRANTED', artefact } as const

    const first = await ingest(hospital, message, requestId)
    const again = await ingest(hospital, message, requestId)
    const otherId = await ingest(hospital, message)
    await assert.rejects(ingest(hospital, { ...message, artefact: forged }, requestId), IdempotencyKeyReusedError)
    const kept = await ingest(hospital, { ...message, artefact: forged })
    await assert.rejects(
      ingest(hospital, { ...message, artefact: unchecked as typeof artefact }),
      ConsentSignatureError,
    )
    const session = await newSession(hospital, forged.artefactId)

    assert.ok(signatureValid)
    assert.equal(first.outcome, 'granted')
    assert.deepEqual([again, otherId], [first, first])
    assert.deepEqual([kept.outcome, kept.failureCode], ['invalid', 'IM714'])
    await assert.rejects(
      hospital.run((tx) => authoriseTransfer(tx, session.id)),
      ConsentSignatureError,
    )
    await assert.rejects(ingest(hospital, { role: 'HIP', status: 'REVOKED', artefactId: randomUUID() }), NotFoundError)
    await assert.rejects(ingest(hospital, { role: 'HIP', status: 'REVOKED' }), { sqlstate: '22023' })
    await assert.rejects(
      ingest(hospital, { role: 'HIU', status: 'DENIED', consentRequestId: randomUUID() }),
      NotFoundError,
    )
  }))

test('authorise_transfer: only inside the window, with listed contexts and HI types, as often as the consent says', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    const contexts = await linkedContexts(hospital, patientId, ['Prescription', 'Invoice', 'DischargeSummary'])
    const [prescription, invoice, unlisted] = contexts.map(({ reference }) => reference)
    const unknown = { patientReference: patientId, careContextReference: 'not ours' }
    const artefact = artefactOf(account.abhaAddress ?? '', contexts.slice(0, 2), { frequencyRepeats: 1 })
    await grant(hospital, { ...artefact, careContexts: [...artefact.careContexts, unknown] })
    const open = (changes = {}) => newSession(hospital, artefact.artefactId, changes)
    const authorise = async (changes = {}, references: string[] | null = null) => {
      const { id } = await open(changes)
      return run((tx) => authoriseTransfer(tx, id, references))
    }

    await assert.rejects(authorise({ dataFrom: new Date('2025-12-31') }), ConsentWindowError)
    await assert.rejects(authorise({ dataTo: new Date('2027-01-01') }), ConsentWindowError)
    await assert.rejects(authorise({}, [invoice ?? '']), ContextNotConsentedError)
    await assert.rejects(authorise({}, [unlisted ?? '']), ContextNotConsentedError)
    await assert.rejects(authorise({}, ['not ours']), ContextNotConsentedError)
    await assert.rejects(
      authorise({ dataFrom: new Date('2026-01-16') }, [prescription ?? '']),
      ContextNotConsentedError,
    )
    const first = await authorise()
    const again = await run((tx) => authoriseTransfer(tx, first.id))
    const second = await authorise()
    await assert.rejects(authorise(), ConsentFrequencyError)
    await asSuperuser(
      hospital,
      `update abdm.health_info_requests set authorised_at = now() - interval '61 minutes' where id = $1`,
      [first.id],
    )
    const nextHour = await authorise()

    assert.deepEqual(first.careContextReferences, [prescription])
    assert.deepEqual(again, first)
    assert.deepEqual([second.status, nextHour.status], ['acknowledged', 'acknowledged'])
    await assert.rejects(
      run((tx) => authoriseTransfer(tx, randomUUID())),
      NotFoundError,
    )
  }))

test('a session as provider: pages, an end without a key, the notice; and none after revoking or dataEraseAt', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await registerFacility(hospital)
    const { patientId, account } = await linkedPatient(hospital, 'Meera Nair')
    const contexts = await linkedContexts(hospital, patientId, ['Prescription', 'DischargeSummary'])
    const abhaAddress = account.abhaAddress ?? ''
    const artefact = artefactOf(abhaAddress, contexts, { frequencyRepeats: 9 })
    await grant(hospital, artefact)
    const session = await newSession(hospital, artefact.artefactId)
    const second = await newSession(hospital, artefact.artefactId)
    const rejected = await newSession(hospital, artefact.artefactId)
    const page = (id: string, careContextReference = contexts[0]?.reference ?? '', pageNo = 1) =>
      run((tx) =>
        recordTransfer(tx, id, { careContextReference, pageNo, checksum: digest('page'), hiStatus: 'DELIVERED' }),
      )

    await assert.rejects(page(session.id), ContextNotConsentedError)
    await run((tx) => authoriseTransfer(tx, session.id, [contexts[0]?.reference ?? '']))
    await run((tx) => authoriseTransfer(tx, second.id))
    const pages = [await page(session.id), await page(session.id)]
    await assert.rejects(page(session.id, contexts[1]?.reference), ContextNotConsentedError)
    await run((tx) => finishTransfer(tx, session.id, 'PARTIAL'))
    await page(session.id, contexts[0]?.reference, 2)
    const finished = await run((tx) => finishTransfer(tx, session.id, 'TRANSFERRED'))
    const notified = await run((tx) => markSessionNotified(tx, session.id))
    await assert.rejects(page(session.id, contexts[0]?.reference, 3), IllegalTransitionError)
    await run((tx) => rejectSession(tx, rejected.id, 'IM712'))
    await ingest(hospital, { role: 'HIP', status: 'REVOKED', artefactId: artefact.artefactId })
    const late = await newSession(hospital, artefact.artefactId)

    assert.deepEqual(pages[1], pages[0])
    assert.deepEqual([pages[0]?.direction, pages[0]?.eraseAt], ['out', null])
    assert.deepEqual([finished.status, finished.pagesReceived, notified.status], ['transferred', 2, 'notified'])
    await assert.rejects(page(second.id), ConsentNotGrantedError)
    await assert.rejects(
      run((tx) => authoriseTransfer(tx, late.id)),
      ConsentNotGrantedError,
    )
    assert.deepEqual(
      await asSuperuser(
        hospital,
        'select count(*)::int as keys from abdm.health_info_requests where tenant_id = core.current_tenant_id() and own_private_key_enc is not null',
      ),
      [{ keys: 1 }],
      'of the session that is only received',
    )

    const short = artefactOf(abhaAddress, contexts, { dataEraseAt: new Date(Date.now() + 1500), frequencyRepeats: 9 })
    await grant(hospital, short)
    const [running, waiting] = [
      await newSession(hospital, short.artefactId),
      await newSession(hospital, short.artefactId),
    ]
    await run((tx) => authoriseTransfer(tx, running.id))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await assert.rejects(page(running.id), ConsentErasedError)
    await assert.rejects(
      run((tx) => authoriseTransfer(tx, waiting.id)),
      ConsentErasedError,
    )
    assert.equal(await run((tx) => expireConsents(tx)), 1)
    await assert.rejects(
      run((tx) => authoriseTransfer(tx, waiting.id)),
      ConsentNotGrantedError,
    )
  }))

function ask(patientId: string, requestId: string): RequestConsentInput {
  return {
    requestId,
    patientId,
    hiuId: 'IN2910000001',
    requesterRegistration: 'KMC 12345',
    purpose: 'CAREMGT',
    hiTypes: ['Prescription'],
    dataFrom: new Date('2026-01-01'),
    dataTo: new Date(Date.now() - day),
    dataEraseAt: new Date(Date.now() + 30 * day),
  }
}

async function storeDocument(hospital: Hospital, patientId: string): Promise<string> {
  const id = randomUUID()
  await asSuperuser(
    hospital,
    `insert into ehr.documents (
       tenant_id, id, document_number, patient_id, type_code, title, category, storage_uri, mime, size_bytes, sha256,
       key_kid, confidentiality, source
     )
     values ($1, $2, 'D-1', $3, '371530004', 'Received', 'clinical', 's3://bundles/1', 'application/fhir+json', 10, $4,
       'key-1', 'N', 'hie')`,
    [hospital.tenant, id, patientId, digest('content')],
  )
  return id
}
