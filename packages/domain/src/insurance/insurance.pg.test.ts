import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  BackdatingError,
  BeneficiaryNotAuthenticatedError,
  ClaimExistsError,
  CoverageBalanceError,
  CoverageNotInForceError,
  DuplicateCaseError,
  IllegalTransitionError,
  NoApprovedPreauthError,
  NotFoundError,
  NotPermittedError,
  PackageLimitError,
  PackageMixError,
  PaperMissingError,
  PayerAnswerError,
  ReasonRequiredError,
  StgFailedError,
  SubmissionKindError,
  UnknownCorrelationError,
} from '@imhotep/postgres'
import { openAccount } from '../billing/accounts.ts'
import { addChargeCode, charge as chargeAccount } from '../billing/billing.fixture.ts'
import { issueInvoice } from '../billing/invoices.ts'
import { digest, useOtherDate, withHospital } from '../hospital.fixture.ts'
import { approveAuthenticationException, beginAuthentication, failAuthentication } from './authentication.ts'
import { cancelCase, closeCase, dischargeCase, registerCase, startTreatment } from './case.ts'
import { endCoverage } from './coverage.ts'
import { attachDocument, reviewDocument } from './documents.ts'
import { draftClaim, draftFollowUp, markReady, setClaimItems } from './draft-claim.ts'
import { applyEligibilityAnswer, askEligibility } from './eligibility.ts'
import { announceOverdue, answerQuery, lapseQueries, requestCancellation, requestReprocess } from './follow-up.ts'
import {
  addBeneficiary,
  addPaper,
  addStoredDocument,
  answer,
  approval,
  approveSummary,
  asAdmin,
  authenticate,
  caseInput,
  envelope,
  finishStay,
  linesOf,
  openCase,
  openScheme,
  queue,
  sharedScheme,
  submitted,
  type Beneficiary,
  type Scheme,
} from './insurance.fixture.ts'
import { markMessageFailed, markMessageSent, receiveMessage } from './messages.ts'
import { applyPayerResponse, recordPayerDecision } from './payer-response.ts'
import { disputeClaimPayment, recordPaymentNotice, settleClaimPayment } from './settlement.ts'
import { submitClaim, submitPreauth } from './submit.ts'

const scheme = sharedScheme()

async function rows<T>(sql: string, params: unknown[] = []): Promise<T[]> {
  return scheme().hospital.run((tx) => tx.query<T>(sql, params))
}

async function caseState(caseId: string): Promise<string> {
  const [row] = await rows<{ state: string }>(
    `select status || ' ' || wallet_blocked || ' ' || wallet_used as state from insurance.pmjay_cases where id = $1`,
    [caseId],
  )
  return row?.state ?? ''
}

async function claimState(claimId: string): Promise<string> {
  const [row] = await rows<{ state: string }>(
    `select status || ' ' || wallet_hold as state from insurance.insurance_claims where id = $1`,
    [claimId],
  )
  return row?.state ?? ''
}

/** A claim after an approved pre-authorisation and discharge, not submitted yet. */
async function claimDraft(
  place: Scheme,
): Promise<{ who: Beneficiary; caseId: string; preauthId: string; claimId: string }> {
  const { run } = place.hospital
  const who = await addBeneficiary(place)
  const { id: caseId } = await openCase(place, who)
  const preauth = await submitted(place, caseId, 'SG001')
  await answer(place, preauth.correlationId, approval())
  await run((tx) => startTreatment(tx, caseId))
  await finishStay(place, who)
  await run((tx) => dischargeCase(tx, caseId))
  const { id: claimId } = await run((tx) => draftFollowUp(tx, preauth.id, 'prior'))
  return { who, caseId, preauthId: preauth.id, claimId }
}

/** The same, submitted. */
async function claimSubmitted(place: Scheme) {
  const drafted = await claimDraft(place)
  await approveSummary(place, drafted.who)
  await authenticate(place, drafted.who, 'discharge')
  await addPaper(place, drafted.claimId, 'ot_note')
  const claim = await place.hospital.run((tx) => submitClaim(tx, drafted.claimId))
  return { ...drafted, claim }
}

test('the story: approved with a query and an enhancement, claimed, approved in part, paid', async () => {
  const place = scheme()
  const { run } = place.hospital
  const who = await addBeneficiary(place, { balance: 20_000 })
  const { id: caseId } = await openCase(place, who)
  const preauth = await submitted(place, caseId, 'SG001')
  assert.deepEqual([preauth.status, preauth.workflowCode, preauth.walletHold], ['submitted', '12', '10000.00'])
  assert.equal(await caseState(caseId), 'preauth_initiated 10000.00 0.00')

  const text = { textEnc: digest('why?'), raisedByRole: 'PPD' } as const
  await answer(place, preauth.correlationId, { adjudication: 'queried', query: text })
  const [query] = await rows<{ id: string; hours: number }>(
    `select id, round(extract(epoch from due_at - raised_at) / 3600)::int as hours
     from insurance.payer_queries where claim_id = $1 and status = 'open'`,
    [preauth.id],
  )
  assert.equal(query?.hours, 24)
  const replied = await run((tx) => answerQuery(tx, { queryId: query.id, answerEnc: digest('because') }))
  const repliedAgain = await run((tx) => answerQuery(tx, { queryId: query.id, answerEnc: digest('because') }))
  assert.deepEqual([replied.status, replied.workflowCode], ['submitted', '19'])
  assert.notEqual(replied.correlationId, preauth.correlationId)
  assert.deepEqual(repliedAgain, replied)

  await answer(place, replied.correlationId, approval({ totalApproved: 9000, adjudication: 'partially_approved' }))
  assert.equal(await caseState(caseId), 'preauth_approved 9000.00 0.00')

  const enhancement = await run((tx) => draftFollowUp(tx, preauth.id, 'enhancement', linesOf(place, 'SG001', 'IM001')))
  const enhanced = await run((tx) => submitPreauth(tx, enhancement.id))
  assert.deepEqual([enhanced.workflowCode, enhanced.walletHold], ['13', '4000.00'])
  assert.equal(await caseState(caseId), 'preauth_approved 13000.00 0.00')
  await answer(place, enhanced.correlationId, approval())
  assert.equal(await claimState(preauth.id), 'superseded 0.00')
  assert.equal(await caseState(caseId), 'preauth_approved 13000.00 0.00')

  await run((tx) => startTreatment(tx, caseId))
  await finishStay(place, who)
  await approveSummary(place, who)
  await run((tx) => dischargeCase(tx, caseId))
  await authenticate(place, who, 'discharge')
  const draft = await run((tx) => draftFollowUp(tx, enhancement.id, 'prior'))
  await addPaper(place, draft.id, 'ot_note')
  const claim = await run((tx) => submitClaim(tx, draft.id))
  assert.deepEqual([claim.status, claim.workflowCode, claim.stgStatus], ['submitted', '15', 'passed'])
  assert.equal(await claimState(enhancement.id), 'utilised 13000.00')
  assert.equal(await caseState(caseId), 'claim_initiated 13000.00 0.00')

  await answer(place, claim.correlationId, {
    adjudication: 'partially_approved',
    items: [
      { seq: 1, decision: 'approved' },
      { seq: 2, decision: 'partial', approvedAmount: 2000, reason: 'one implant' },
    ],
  })
  const notice = {
    payerId: place.payerId,
    utr: 'UTR1',
    paidOn: '2026-01-01',
    amount: 12_000,
    tds: 1200,
    claimId: claim.id,
  }
  const payment = await run((tx) => recordPaymentNotice(tx, notice))
  const paid = await run((tx) => settleClaimPayment(tx, payment.id))
  const paidAgain = await run((tx) => settleClaimPayment(tx, payment.id))

  assert.deepEqual([payment.status, paid.status, paid.net], ['notified', 'acknowledged', '10800.00'])
  assert.deepEqual(paidAgain, paid)
  assert.equal(await caseState(caseId), 'paid 13000.00 12000.00')
  assert.equal(await claimState(claim.id), 'paid 0.00')
  assert.equal(await claimState(enhancement.id), 'closed 0.00')
  const [coverage] = await rows<{ balance: string }>('select balance from insurance.coverages where id = $1', [
    who.coverageId,
  ])
  assert.equal(coverage?.balance, '8000.00')
  assert.equal((await run((tx) => closeCase(tx, caseId))).status, 'closed')
})

test('registerCase: the encounter once (IM609 another), a newborn on its mother’s case, back-dating as the payer allows (IM621)', async () => {
  const place = scheme()
  const { run } = place.hospital
  const [mother, other] = [await addBeneficiary(place), await addBeneficiary(place)]
  const input = { ...caseInput, encounterId: mother.encounterId, coverageId: mother.coverageId }
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

  await assert.rejects(
    run((tx) => registerCase(tx, { ...input, backdatedTo: daysAgo(6) })),
    BackdatingError,
  )
  const opened = await run((tx) => registerCase(tx, { ...input, backdatedTo: daysAgo(4) }))
  const again = await run((tx) => registerCase(tx, input))
  assert.deepEqual(again, opened)
  await assert.rejects(
    run((tx) => registerCase(tx, { ...input, encounterId: other.encounterId })),
    CoverageNotInForceError,
    'a coverage of somebody else',
  )
  const newborn = await run((tx) =>
    registerCase(tx, { ...input, encounterId: other.encounterId, homeState: 'MH', motherCaseId: opened.id }),
  )
  assert.deepEqual([newborn.isNewborn, newborn.isPortability, newborn.patientId], [true, true, other.patientId])
  const secondStay = randomUUID()
  await asAdmin(place.hospital, (tx) =>
    tx.query(
      `insert into clinical.encounters (tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, payer_class, period)
      select tenant_id, $2::uuid, 'E-' || $2::uuid, patient_id, clinic_id, department_id, 'AMB', 'pmjay', period
      from clinical.encounters where id = $1`,
      [mother.encounterId, secondStay],
    ),
  )
  await assert.rejects(
    run((tx) => registerCase(tx, { ...input, encounterId: secondStay })),
    DuplicateCaseError,
  )
  await assert.rejects(
    run((tx) => startTreatment(tx, opened.id)),
    NoApprovedPreauthError,
  )
  await assert.rejects(
    run((tx) => cancelCase(tx, opened.id, '')),
    ReasonRequiredError,
  )
  assert.equal((await run((tx) => cancelCase(tx, opened.id, 'left'))).status, 'cancelled')
})

test('startTreatment: an emergency that was registered by telephone does not wait', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { encounterId, coverageId } = await addBeneficiary(place)

  const opened = await run((tx) =>
    registerCase(tx, { ...caseInput, encounterId, coverageId, admissionType: 'emergency', telephonic: true }),
  )

  assert.equal((await run((tx) => startTreatment(tx, opened.id))).status, 'under_treatment')
})

test('authentication: failed, then an exception that another person approves', async () => {
  const place = scheme()
  const { run, users } = place.hospital
  const { encounterId, coverageId } = await addBeneficiary(place)
  const { id: caseId } = await run((tx) => registerCase(tx, { ...caseInput, encounterId, coverageId }))
  const input = { encounterId, payerId: place.payerId, stage: 'preauthorization', method: 'iris', txnId: 'T1' } as const

  const begun = await run((tx) => beginAuthentication(tx, input))
  assert.deepEqual(await run((tx) => beginAuthentication(tx, input)), begun)
  await run((tx) => failAuthentication(tx, begun.id))
  await assert.rejects(
    run((tx) => approveAuthenticationException(tx, begun.id, 'no hands')),
    NotPermittedError,
  )
  const approved = await run((tx) => approveAuthenticationException(tx, begun.id, 'no hands'), { user: users[1] })

  assert.deepEqual([approved.status, approved.method], ['authenticated', 'exception'])
  assert.match(await caseState(caseId), /^identity_verified/)
})

test('submitPreauth: asks for eligibility (IM600), authentication (IM602), papers (IM603) and balance (IM601)', async () => {
  const place = scheme()
  const { run, tenant } = place.hospital
  const who = await addBeneficiary(place, { balance: 9_999 })
  const { encounterId, coverageId } = who
  const opened = await run((tx) => registerCase(tx, { ...caseInput, encounterId, coverageId }))
  const draft = await run((tx) => draftClaim(tx, { caseId: opened.id }, linesOf(place, 'SG001'), `key-${opened.id}`))
  const sameDraft = await run((tx) =>
    draftClaim(tx, { caseId: opened.id }, linesOf(place, 'SG001'), `key-${opened.id}`),
  )
  const submit = () => run((tx) => submitPreauth(tx, draft.id))
  const age = (hours: number) =>
    asAdmin(place.hospital, (tx) =>
      tx.query(
        'update insurance.eligibility_checks set responded_at = now() - make_interval(hours => $3) where tenant_id = $1 and coverage_id = $2',
        [tenant, coverageId, hours],
      ),
    )

  assert.equal(sameDraft.id, draft.id)
  await age(100)
  await assert.rejects(submit(), CoverageNotInForceError)
  await age(1)
  await assert.rejects(submit(), BeneficiaryNotAuthenticatedError)
  await authenticate(place, who, 'preauthorization')
  await assert.rejects(
    submit(),
    (error: unknown) => error instanceof PaperMissingError && /ULTRASOUND/.test(error.message),
  )
  await addPaper(place, draft.id, 'ultrasound')
  await assert.rejects(submit(), CoverageBalanceError)
  const { correlationId } = await run((tx) =>
    askEligibility(tx, { payerId: place.payerId, patientId: who.patientId, coverageId }),
  )
  await run((tx) => applyEligibilityAnswer(tx, correlationId, { outcome: 'complete', inforce: true, balance: 10_000 }))
  const sent = await submit()
  const sentAgain = await submit()

  assert.equal(sent.status, 'submitted')
  assert.deepEqual(sentAgain, sent)
  await run((tx) => endCoverage(tx, { coverageId, status: 'suspended', reason: 'asked' }))
  await assert.rejects(
    run((tx) => applyEligibilityAnswer(tx, randomUUID(), { outcome: 'complete' })),
    UnknownCorrelationError,
  )
})

test('drafts: one live root of a case and use (IM608), lines within their packages (IM607), no mix (IM620)', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const { packages } = place
  const draft = await run((tx) => draftClaim(tx, { caseId }, linesOf(place, 'SG001')))
  const set = (...items: object[]) => run((tx) => setClaimItems(tx, draft.id, items))

  await assert.rejects(
    run((tx) => draftClaim(tx, { caseId })),
    ClaimExistsError,
  )
  await assert.rejects(set({ packageId: packages.SG001, quantity: 2 }), PackageLimitError)
  await assert.rejects(set({ packageId: packages.SG001, implantCode: 'X', implantCount: 1 }), PackageLimitError)
  await assert.rejects(set({ packageId: packages.IM001, implantCode: 'X', implantCount: 3 }), PackageLimitError)
  await assert.rejects(set({ packageId: packages.SG001, stratificationCode: 'W' }), PackageLimitError)
  await assert.rejects(
    set({ packageId: packages.IM001, stratificationCode: 'W' }, { packageId: packages.IM001, stratificationCode: 'V' }),
    PackageLimitError,
  )
  await assert.rejects(set({ packageId: packages.CY001, cycleNo: 4 }), PackageLimitError)
  await assert.rejects(set({ packageId: packages.SG001 }, { packageId: packages.MG001 }), PackageMixError)
  await assert.rejects(set({ packageId: randomUUID() }), NotFoundError)
  const changed = await set(
    { packageId: packages.CY001, cycleNo: 3, quantity: 2, factor: 0.5 },
    { packageId: packages.IM001 },
  )
  assert.equal(changed.totalClaimed, '4000.00')
  await run((tx) => markReady(tx, draft.id))
  await assert.rejects(set({ packageId: packages.SG001 }), IllegalTransitionError)
  await run((tx) => markReady(tx, draft.id, false))
  assert.equal((await run((tx) => requestCancellation(tx, draft.id, 'wrong patient'))).status, 'cancelled')
  assert.equal((await run((tx) => draftClaim(tx, { caseId }))).status, 'draft')
})

test('attachDocument: the same content once, a file name once in a case, a refusal with its reason', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const { id: claimId } = await run((tx) => draftClaim(tx, { caseId }, linesOf(place, 'SG002')))
  const documentId = await addStoredDocument(place.hospital)
  const input = {
    claimId,
    categoryCode: 'attachment',
    code: 'xray',
    filename: 'a.pdf',
    sha256: digest('a'),
    documentId,
  }

  const paper = await run((tx) => attachDocument(tx, { ...input, place: { latitude: 12.9, longitude: 77.6 } }))
  assert.deepEqual(await run((tx) => attachDocument(tx, input)), paper)
  await assert.rejects(
    run((tx) => attachDocument(tx, { ...input, sha256: digest('b') })),
    { sqlstate: '23505' },
  )
  await assert.rejects(
    run((tx) => attachDocument(tx, { ...input, filename: '2341 2341 2346.pdf', sha256: digest('c') })),
    NotPermittedError,
  )
  await assert.rejects(
    run((tx) => reviewDocument(tx, { claimDocumentId: paper.id, accepted: false })),
    ReasonRequiredError,
  )
  const refused = await run((tx) =>
    reviewDocument(tx, { claimDocumentId: paper.id, accepted: false, reason: 'blurred' }),
  )
  assert.equal(refused.accepted, false)
})

test('follow-ups: enhancements change the item codes of packages that allow it, resubmissions do not (IM606)', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const follow = (relation: 'enhancement' | 'resubmission', ...codes: Parameters<typeof linesOf>[1][]) =>
    run((tx) => draftFollowUp(tx, preauth.id, relation, linesOf(place, ...codes)))

  await assert.rejects(follow('enhancement', 'IM001'), SubmissionKindError, 'not decided')
  await answer(place, preauth.correlationId, approval())
  await assert.rejects(follow('enhancement', 'SG001'), SubmissionKindError, 'the same codes')
  await assert.rejects(follow('enhancement', 'SG001', 'SG002'), SubmissionKindError, 'a package that allows none')
  await assert.rejects(follow('resubmission', 'IM001'), SubmissionKindError, 'other codes')
  const draft = await follow('enhancement', 'SG001', 'IM001')
  assert.equal((await follow('enhancement', 'SG001', 'IM001')).id, draft.id)
  await assert.rejects(follow('resubmission', 'SG001'), ClaimExistsError)
})

test('an enhancement that is approved after the claim of its approval, or its payment, holds only what it adds', async () => {
  const place = scheme()
  const { run } = place.hospital
  for (const isPaid of [false, true]) {
    const who = await addBeneficiary(place, { balance: 50_000 })
    const { id: caseId } = await openCase(place, who)
    const preauth = await submitted(place, caseId, 'SG001')
    await answer(place, preauth.correlationId, approval())
    const { id } = await run((tx) => draftFollowUp(tx, preauth.id, 'enhancement', linesOf(place, 'SG001', 'IM001')))
    const enhancement = await run((tx) => submitPreauth(tx, id))
    await run((tx) => startTreatment(tx, caseId))
    await finishStay(place, who)
    await approveSummary(place, who)
    await run((tx) => dischargeCase(tx, caseId))
    await authenticate(place, who, 'discharge')
    const draft = await run((tx) => draftFollowUp(tx, preauth.id, 'prior'))
    await addPaper(place, draft.id, 'ot_note')
    const claim = await run((tx) => submitClaim(tx, draft.id))
    if (isPaid) {
      await answer(place, claim.correlationId, { adjudication: 'approved' })
      const notice = { payerId: place.payerId, utr: randomUUID(), paidOn: '2026-01-01', amount: 10_000, tds: 0 }
      const payment = await run((tx) => recordPaymentNotice(tx, { ...notice, claimId: claim.id }))
      await run((tx) => settleClaimPayment(tx, payment.id))
    }

    await answer(place, enhancement.correlationId, approval({ preAuthRef: `ENHANCED-${caseId}` }))

    assert.equal(await claimState(preauth.id), isPaid ? 'closed 0.00' : 'utilised 10000.00')
    assert.equal(await claimState(enhancement.id), 'approved 3000.00')
    assert.equal(await caseState(caseId), isPaid ? 'paid 13000.00 10000.00' : 'claim_initiated 13000.00 0.00')
  }
})

test('a rejection gives the wallet back, and any items may be resubmitted', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')

  await answer(place, preauth.correlationId, { adjudication: 'rejected', rejectReason: [{ code: 'R1' }] })
  assert.equal(await caseState(caseId), 'preauth_rejected 0.00 0.00')
  const draft = await run((tx) => draftFollowUp(tx, preauth.id, 'resubmission', linesOf(place, 'MG001')))
  const sent = await run((tx) => submitPreauth(tx, draft.id))

  assert.deepEqual([sent.workflowCode, sent.walletHold], ['121', '2000.00'])
  assert.equal(await claimState(preauth.id), 'resubmitted 0.00')
  assert.equal(await caseState(caseId), 'preauth_initiated 2000.00 0.00')
})

test('cancellation: the payer is asked, and the hold lasts until the answer', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const cancel = () => run((tx) => requestCancellation(tx, preauth.id, 'not needed'))

  await assert.rejects(cancel(), SubmissionKindError, 'not decided yet')
  await answer(place, preauth.correlationId, approval())
  await assert.rejects(
    run((tx) => cancelCase(tx, caseId, 'left')),
    ClaimExistsError,
  )
  const asked = await cancel()
  assert.deepEqual([asked.status, asked.workflowCode, asked.walletHold], ['cancel_requested', '122', '10000.00'])
  assert.deepEqual(await cancel(), asked)
  const answered = await answer(place, asked.correlationId, { cancelled: true })

  assert.equal(answered.claimStatus, 'cancelled')
  assert.equal(await caseState(caseId), 'identity_verified 0.00 0.00')
})

test('submitClaim: after discharge, with its summary (IM610), authentication (IM602), papers (IM603), in time or with a reason (IM002)', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { who, claimId, preauthId } = await claimDraft(place)
  const submit = (reason?: string) => run((tx) => submitClaim(tx, claimId, reason ?? null))

  await assert.rejects(
    run((tx) => submitPreauth(tx, claimId)),
    SubmissionKindError,
  )
  await assert.rejects(submit(), BeneficiaryNotAuthenticatedError)
  await authenticate(place, who, 'discharge')
  await assert.rejects(submit(), StgFailedError)
  await approveSummary(place, who)
  await assert.rejects(submit(), PaperMissingError)
  await addPaper(place, claimId, 'ot_note')
  await run((tx) => setClaimItems(tx, claimId, linesOf(place, 'SG001', 'IM001')))
  await assert.rejects(submit(), NoApprovedPreauthError)
  await run((tx) => setClaimItems(tx, claimId, linesOf(place, 'SG001', 'LB001')))
  await asAdmin(place.hospital, (tx) =>
    tx.query(
      `update clinical.encounters set period = tstzrange(now() - interval '20 days', now() - interval '8 days') where id = $1`,
      [who.encounterId],
    ),
  )
  await assert.rejects(submit(), ReasonRequiredError)
  const sent = await submit('the exchange was down')
  const sentAgain = await submit()

  assert.deepEqual([sent.status, sent.walletHold], ['submitted', '500.00'])
  assert.deepEqual(sentAgain, sent)
  await assert.rejects(
    run((tx) => draftFollowUp(tx, preauthId, 'enhancement', linesOf(place, 'IM001'))),
    ClaimExistsError,
  )
})

test('a rejected claim: reprocessed by request, and resubmitted with the same lines', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { caseId, claim } = await claimSubmitted(place)

  await answer(place, claim.correlationId, { adjudication: 'rejected' })
  assert.match(await caseState(caseId), /^claim_rejected/)
  const asked = await run((tx) => requestReprocess(tx, claim.id, 'paper was there'))
  assert.deepEqual([asked.status, asked.workflowCode], ['reprocess_requested', '18'])
  await answer(place, asked.correlationId, { adjudication: 'rejected' })
  const draft = await run((tx) => draftFollowUp(tx, claim.id, 'resubmission'))
  const sent = await run((tx) => submitClaim(tx, draft.id))

  assert.deepEqual([sent.workflowCode, sent.preAuthRef, sent.walletHold], ['16', claim.preAuthRef, '0.00'])
  assert.match(await caseState(caseId), /^claim_initiated 10000.00/)
})

test('applyPayerResponse: a repeat is no-op, an older submission is only noted, unknown and ill-fitting answers are kept', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const envelopeIn = envelope(preauth.correlationId)
  const tooMuch = approval({ totalApproved: 10_001 })

  const stored = await run((tx) => receiveMessage(tx, envelopeIn))
  assert.equal((await run((tx) => receiveMessage(tx, envelopeIn))).id, stored.id)
  assert.equal((await run((tx) => receiveMessage(tx, { ...envelopeIn, apiCallId: randomUUID() }))).id, stored.id)
  await assert.rejects(
    run((tx) => receiveMessage(tx, { ...envelopeIn, payloadHash: digest('other') })),
    { sqlstate: 'IM011' },
  )
  const refused = await run((tx) => applyPayerResponse(tx, stored.id, tooMuch))
  assert.deepEqual([refused.messageStatus, refused.failureCode, refused.claimStatus], ['failed', 'IM611', 'submitted'])
  const applied = await run((tx) => applyPayerResponse(tx, stored.id, approval()))
  const appliedAgain = await run((tx) => applyPayerResponse(tx, stored.id, tooMuch))
  assert.deepEqual([applied.messageStatus, applied.failureCode, applied.claimStatus], ['completed', null, 'approved'])
  assert.deepEqual(appliedAgain, applied)

  const unknown = await answer(place, randomUUID(), approval())
  assert.deepEqual([unknown.messageStatus, unknown.failureCode, unknown.claimId], ['failed', 'IM604', null])
  const late = await answer(place, preauth.correlationId, { adjudication: 'rejected' })
  assert.deepEqual([late.messageStatus, late.failureCode], ['failed', 'IM001'])
  const repeated = await answer(place, preauth.correlationId, approval())
  assert.deepEqual([repeated.messageStatus, repeated.claimStatus], ['completed', 'approved'])

  const draft = await run((tx) => draftFollowUp(tx, preauth.id, 'enhancement', linesOf(place, 'SG001', 'IM001')))
  await addPaper(place, draft.id, 'ultrasound')
  await run((tx) => submitPreauth(tx, draft.id))
  const older = await answer(place, preauth.correlationId, { adjudication: 'rejected', remarks: 'too late' })
  assert.deepEqual([older.messageStatus, older.claimStatus], ['completed', 'approved'])
  const [noted] = await rows<{ n: number }>(
    `select count(*)::int as n from insurance.adjudication_events where claim_id = $1 and remarks = 'too late'`,
    [preauth.id],
  )
  assert.equal(noted?.n, 1)
})

test('recordPayerDecision: payers outside the exchange; the exchange’s own claims are refused', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const draft = await run((tx) => draftClaim(tx, { caseId, channel: 'tms' }, linesOf(place, 'SG002')))
  await assert.rejects(
    run((tx) => recordPayerDecision(tx, draft.id, approval())),
    IllegalTransitionError,
  )
  await run((tx) => submitPreauth(tx, draft.id))

  await assert.rejects(
    run((tx) => recordPayerDecision(tx, draft.id, { adjudication: 'approved' })),
    PayerAnswerError,
  )
  const decided = await run((tx) => recordPayerDecision(tx, draft.id, approval({ autoApproved: true })))
  assert.equal(decided.status, 'approved')
  assert.deepEqual(await run((tx) => recordPayerDecision(tx, draft.id, approval())), decided)
  const other = await submitted(place, (await openCase(place, await addBeneficiary(place))).id, 'SG002')
  await assert.rejects(
    run((tx) => recordPayerDecision(tx, other.id, approval())),
    NotPermittedError,
  )
})

test('lapseQueries: what was not answered in time gives the wallet back', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  await answer(place, preauth.correlationId, { adjudication: 'queried', query: { textEnc: digest('q') } })
  await asAdmin(place.hospital, (tx) =>
    tx.query(
      `update insurance.payer_queries set raised_at = now() - interval '3 days', due_at = now() - interval '1 day' where claim_id = $1`,
      [preauth.id],
    ),
  )

  assert.equal(await run((tx) => lapseQueries(tx)), 1)
  assert.equal(await run((tx) => lapseQueries(tx)), 0)
  assert.equal(await claimState(preauth.id), 'lapsed 0.00')
  assert.match(await caseState(caseId), /^identity_verified 0.00/)
})

test('announceOverdue: what the payer did not decide in time is announced once, and again after a new clock', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const passes = () =>
    asAdmin(place.hospital, (tx) =>
      tx.query(
        `update insurance.insurance_claims
         set submitted_at = now() - interval '2 days', decision_due_at = now(), overdue_announced_at = now() - interval '1 day'
         where id = $1`,
        [preauth.id],
      ),
    )
  assert.equal(await run((tx) => announceOverdue(tx)), 0)

  await passes()
  assert.equal(await run((tx) => announceOverdue(tx)), 1)
  assert.equal(await run((tx) => announceOverdue(tx)), 0)
  const [event] = await asAdmin(place.hospital, (tx) =>
    tx.query<{ n: number }>(
      `select count(*)::int as n from core.outbox_events where aggregate_id = $1 and event_type = 'claim.overdue.v1'`,
      [preauth.id],
    ),
  )
  assert.equal(event?.n, 1)
})

test('messages: sent, failed for good and sent after all, and the answer completes them', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const messageId = await queue(place, preauth)

  await run((tx) =>
    markMessageFailed(tx, { messageId, errorCode: 'ERR_TIMEOUT', httpStatus: 504, retryAt: new Date() }),
  )
  assert.match(await claimState(preauth.id), /^submitted/)
  await run((tx) => markMessageSent(tx, messageId, 202))
  const sent = await run((tx) => markMessageSent(tx, messageId, 202))
  assert.deepEqual([sent.status, sent.attempts], ['sent', 2])
  await answer(place, preauth.correlationId, approval())
  const [message] = await rows<{ status: string }>('select status from insurance.nhcx_messages where id = $1', [
    messageId,
  ])
  assert.equal(message?.status, 'completed')

  const other = await submitted(place, (await openCase(place, await addBeneficiary(place))).id, 'SG002')
  const lost = await queue(place, other)
  await run((tx) => markMessageFailed(tx, { messageId: lost, errorCode: 'ERR_INVALID' }))
  assert.match(await claimState(other.id), /^dispatch_failed/)
  await run((tx) => markMessageSent(tx, lost, 202))
  assert.match(await claimState(other.id), /^submitted/)
})

test('a claim keeps the reference of its pre-authorisation, whatever the answer to it says, and the hold ends with the payment', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { claim, preauthId } = await claimSubmitted(place)
  await answer(place, claim.correlationId, approval({ preAuthRef: 'ANOTHER' }))
  const notice = { payerId: place.payerId, utr: 'UTR-R', paidOn: '2026-01-02', claimId: claim.id, amount: 10_000 }
  const payment = await run((tx) => recordPaymentNotice(tx, notice))
  await run((tx) => settleClaimPayment(tx, payment.id))

  const [answered] = await rows<{ ref: string; raw: string }>(
    `select c.pre_auth_ref as ref, e.raw ->> 'pre_auth_ref' as raw
     from insurance.insurance_claims c
     join insurance.adjudication_events e on e.claim_id = c.id and e.to_status = 'approved'
     where c.id = $1`,
    [claim.id],
  )
  assert.deepEqual(answered, { ref: claim.preAuthRef, raw: 'ANOTHER' })
  assert.equal(await claimState(claim.id), 'paid 0.00')
  assert.equal(await claimState(preauthId), 'closed 0.00')
})

test('a claim that is drafted takes over the reference under which its pre-authorisation is approved anew', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { claimId, preauthId, who } = await claimDraft(place)
  const asked = await run((tx) => requestCancellation(tx, preauthId, 'perhaps another hospital'))
  await answer(place, asked.correlationId, approval({ preAuthRef: 'ANEW' }))
  await approveSummary(place, who)
  await authenticate(place, who, 'discharge')
  await addPaper(place, claimId, 'ot_note')

  const claim = await run((tx) => submitClaim(tx, claimId))

  assert.deepEqual([claim.status, claim.preAuthRef], ['submitted', 'ANEW'])
})

test('submitClaim: one that was drafted from an approval that another has taken the place of holds nothing (IM606)', async () => {
  const place = scheme()
  const { run } = place.hospital
  const who = await addBeneficiary(place)
  const { id: caseId } = await openCase(place, who)
  const preauth = await submitted(place, caseId, 'SG001')
  await answer(place, preauth.correlationId, approval())
  const early = await run((tx) => draftFollowUp(tx, preauth.id, 'prior'))
  const { id: enhancementId } = await run((tx) =>
    draftFollowUp(tx, preauth.id, 'enhancement', linesOf(place, 'SG001', 'IM001')),
  )
  const enhancement = await run((tx) => submitPreauth(tx, enhancementId))
  await answer(place, enhancement.correlationId, approval({ preAuthRef: 'PA-ENHANCED' }))
  await run((tx) => startTreatment(tx, caseId))
  await finishStay(place, who)
  await approveSummary(place, who)
  await run((tx) => dischargeCase(tx, caseId))
  await authenticate(place, who, 'discharge')
  await addPaper(place, early.id, 'ot_note')

  await assert.rejects(
    run((tx) => submitClaim(tx, early.id)),
    SubmissionKindError,
  )
  assert.equal(await claimState(early.id), 'draft 0.00')
  await run((tx) => requestCancellation(tx, early.id, 'enhanced since'))
  const { id: claimId } = await run((tx) => draftFollowUp(tx, enhancementId, 'prior'))
  await addPaper(place, claimId, 'ot_note')
  assert.equal((await run((tx) => submitClaim(tx, claimId))).status, 'submitted')
  assert.equal(await caseState(caseId), 'claim_initiated 13000.00 0.00')
})

test('payments: one per transfer and claim, more than approved is disputed and needs a reason', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { claim, caseId } = await claimSubmitted(place)
  const notice = { payerId: place.payerId, utr: 'UTR-A', paidOn: '2026-01-02', claimId: claim.id }
  const early = await run((tx) => recordPaymentNotice(tx, { ...notice, amount: 4000 }))

  await assert.rejects(
    run((tx) => settleClaimPayment(tx, early.id)),
    IllegalTransitionError,
  )
  await answer(place, claim.correlationId, approval({ totalApproved: 9000, adjudication: 'partially_approved' }))
  assert.deepEqual(await run((tx) => recordPaymentNotice(tx, { ...notice, amount: 4000 })), early)
  await assert.rejects(
    run((tx) => recordPaymentNotice(tx, { ...notice, amount: 5000 })),
    { sqlstate: 'IM011' },
  )
  await run((tx) => settleClaimPayment(tx, early.id))
  const excess = await run((tx) => recordPaymentNotice(tx, { ...notice, utr: 'UTR-B', amount: 6000 }))
  assert.equal(excess.status, 'disputed')
  await assert.rejects(
    run((tx) => settleClaimPayment(tx, excess.id)),
    ReasonRequiredError,
  )
  assert.equal((await run((tx) => settleClaimPayment(tx, excess.id, 'interest'))).status, 'acknowledged')
  assert.equal(await caseState(caseId), 'paid 10000.00 10000.00')
  const wrong = await run((tx) => recordPaymentNotice(tx, { ...notice, utr: 'UTR-C', amount: 1, tds: 0 }))
  assert.equal((await run((tx) => disputeClaimPayment(tx, wrong.id, 'not ours'))).status, 'disputed')
})

test('settleClaimPayment: pays the payer’s bills of the encounter in order, and those issued later when settled again', async () => {
  const place = scheme()
  const { run } = place.hospital
  const { claim, who } = await claimSubmitted(place)
  await answer(place, claim.correlationId, approval())
  const chargeId = await addChargeCode(place.hospital, `C-${claim.claimNumber}`, '6000')
  const account = await run((tx) => openAccount(tx, { patientId: who.patientId, encounterId: who.encounterId }))
  const bill = async () => {
    await chargeAccount(place.hospital, account.id, chargeId)
    return run((tx) => issueInvoice(tx, { accountId: account.id, payerId: place.payerId }))
  }
  const first = await bill()
  const notice = {
    payerId: place.payerId,
    utr: 'UTR-Z',
    paidOn: '2026-01-03',
    claimId: claim.id,
    amount: 10_000,
    tds: 1000,
  }
  const payment = await run((tx) => recordPaymentNotice(tx, notice))

  const settled = await run((tx) => settleClaimPayment(tx, payment.id))
  assert.deepEqual([settled.status, settled.allocated], ['acknowledged', '6000.00'])
  const second = await bill()
  const again = await run((tx) => settleClaimPayment(tx, payment.id))

  assert.deepEqual([again.status, again.allocated], ['reconciled', '10000.00'])
  assert.deepEqual(
    await rows('select status, allocated from billing.invoices where id = any ($1) order by id', [
      [first.id, second.id],
    ]),
    [
      { status: 'paid', allocated: '6000.00' },
      { status: 'partially_paid', allocated: '4000.00' },
    ],
  )
  assert.deepEqual(
    await rows(
      `select account_code, sum(case direction when 'debit' then amount else -amount end) as balance
       from billing.ledger_entries
       where ref_type = 'claim_payment' and ref_id = $1 group by 1 order by 1`,
      [payment.id],
    ),
    [
      { account_code: 'advance', balance: '-10000.00' },
      { account_code: 'bank', balance: '9000.00' },
      { account_code: 'tds_receivable', balance: '1000.00' },
    ],
  )
})

test('a family shares its wallet: two members cannot hold more than it has', async () => {
  const place = scheme()
  const family = randomUUID()
  const [one, two] = [
    await addBeneficiary(place, { balance: 12_000, family }),
    await addBeneficiary(place, { balance: 12_000, family }),
  ]
  const [first, second] = [await openCase(place, one), await openCase(place, two)]

  await submitted(place, first.id, 'SG001')
  await assert.rejects(submitted(place, second.id, 'SG002'), CoverageBalanceError)
})

test('a query for a submission that seemed lost shows that it arrived; it was announced once', async () => {
  const place = scheme()
  const { run } = place.hospital
  const claim = await submitted(place, (await openCase(place, await addBeneficiary(place))).id, 'SG002')
  const lost = await queue(place, claim)
  await run((tx) => markMessageFailed(tx, { messageId: lost, errorCode: 'ERR_INVALID' }))

  await answer(place, claim.correlationId, { adjudication: 'queried', query: { textEnc: digest('why?') } })

  assert.match(await claimState(claim.id), /^queried/)
  const [announced] = await asAdmin(place.hospital, (tx) =>
    tx.query<{ n: number }>(
      `select count(*)::int as n from core.outbox_events where aggregate_id = $1 and event_type = 'claim.submitted.v1'`,
      [claim.id],
    ),
  )
  assert.equal(announced?.n, 1)
})

test('a coverage stays while a case or submission needs it; what it spent is paid after its deletion too', async () => {
  const place = scheme()
  const { run } = place.hospital
  const remove = (coverageId: string) =>
    run((tx) =>
      tx.query(`update insurance.coverages set deleted_at = now(), delete_reason = 'typed twice' where id = $1`, [
        coverageId,
      ]),
    )
  const registered = await addBeneficiary(place)
  await openCase(place, registered)
  await assert.rejects(remove(registered.coverageId), IllegalTransitionError)

  const { claim, who } = await claimSubmitted(place)
  await assert.rejects(remove(who.coverageId), IllegalTransitionError)
  await answer(place, claim.correlationId, { adjudication: 'approved' })
  const notice = { payerId: place.payerId, utr: 'UTR-D', paidOn: '2026-01-02', claimId: claim.id, amount: 9000 }
  const first = await run((tx) => recordPaymentNotice(tx, notice))
  await run((tx) => settleClaimPayment(tx, first.id))
  await remove(who.coverageId)

  const rest = await run((tx) => recordPaymentNotice(tx, { ...notice, utr: 'UTR-E', amount: 1000 }))
  assert.equal((await run((tx) => settleClaimPayment(tx, rest.id))).status, 'acknowledged')
  const [coverage] = await rows<{ balance: string }>('select balance from insurance.coverages where id = $1', [
    who.coverageId,
  ])
  assert.equal(coverage?.balance, '90000.00')
})

test('a coverage stays while it is needed, also for who sees neither its cases nor its submissions', async () => {
  const place = scheme()
  const who = await addBeneficiary(place)
  await openCase(place, who)

  const remove = asAdmin(place.hospital, async (tx) => {
    for (const table of ['insurance.pmjay_cases', 'insurance.insurance_claims']) {
      await tx.query(`create policy unseen on ${table} as restrictive to billing_app using (false)`)
    }
    await tx.query('set local role imhotep_app')
    await tx.query(`update insurance.coverages set deleted_at = now(), delete_reason = 'typed twice' where id = $1`, [
      who.coverageId,
    ])
    throw new Error('it was deleted') // takes the policies back
  })

  await assert.rejects(remove, IllegalTransitionError)
})

test('submitPreauth: a policy counts by the date of the clinic', () =>
  withHospital(async (hospital) => {
    const place = await openScheme(hospital)
    const today = await useOtherDate(hospital)
    const who = await addBeneficiary(place)
    const { id: caseId } = await openCase(place, who)
    await hospital.run((tx) =>
      tx.query(`update insurance.coverages set period = daterange($2, $2, '[]') where id = $1`, [
        who.coverageId,
        today,
      ]),
    )

    const claim = await submitted(place, caseId, 'SG002')

    assert.equal(claim.status, 'submitted')
  }))

test('every change of state of a submission or case has one row in adjudication_events', async () => {
  const mismatches = await rows(
    `with moved as (
       select c.id, c.status::text as status from insurance.insurance_claims c
       union all select k.id, k.status from insurance.pmjay_cases k
     ),
     steps as (
       select coalesce(e.claim_id, e.case_id) as id, e.from_status, e.to_status, e.id as event_id
       from insurance.adjudication_events e
       where e.from_status is distinct from e.to_status
     )
     select m.id, m.status
     from moved m
     where
       -- one beginning, and from there a path that ends in the present state
       (select count(*) from steps s where s.id = m.id and s.from_status is null) <> 1
       or (select s.to_status from steps s where s.id = m.id order by s.event_id desc limit 1) <> m.status
       or (
         select count(*)
         from (
           select s.from_status, lag(s.to_status) over (order by s.event_id) as before from steps s where s.id = m.id
         ) path
         where path.from_status is distinct from path.before
       ) > 0`,
  )

  assert.deepEqual(mismatches, [])
})
