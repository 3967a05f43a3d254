import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  AccountClosedError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  IntentExpiredError,
  NotFoundError,
  NotPermittedError,
  OverAllocatedError,
  ProviderRefConflictError,
  ReasonRequiredError,
  RefundTooMuchError,
  SourceExhaustedError,
  TotalsMismatchError,
  type Transaction,
} from '@imhotep/postgres'
import { closeAccount, setAccountStatus } from '../billing/accounts.ts'
import { accountsOutOfStep, addAccount, addChargeCode, asAdmin, charge, ledger } from '../billing/billing.fixture.ts'
import { issueCreditNote, issueInvoice, type Invoice } from '../billing/invoices.ts'
import { withHospital, type Hospital } from '../hospital.fixture.ts'
import { decideDispute, openDispute, submitEvidence } from './disputes.ts'
import { beginAttempt, cancelIntent, createIntent, expireIntents, recordProviderResult } from './intents.ts'
import {
  allocatePayment,
  receivePayment,
  reverseAllocation,
  settleCheque,
  voidPayment,
  type Payment,
  type PaymentItem,
} from './payments.ts'
import { approveRefund, recordRefundResult, rejectRefund, requestRefund } from './refunds.ts'
import { importSettlement, reconcileSettlement } from './settlements.ts'

test('receivePayment: pays the bills that its items name, keeps advances, and answers the same again', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const input = {
      key: 'counter-1',
      mode: 'cash' as const,
      amount: '500',
      accountId,
      items: [
        { purpose: 'invoice' as const, invoiceId: bill.id, amount: '300' },
        { purpose: 'advance' as const, amount: '200' },
      ],
    }

    const paid = await run((tx) => receivePayment(tx, input))
    const again = await run((tx) => receivePayment(tx, input))

    assert.deepEqual(again, paid)
    assert.deepEqual([paid.status, paid.allocated], ['completed', '300.00'])
    assert.match(paid.receiptNumber ?? '', /^RCP-\d\d-000001$/)
    assert.deepEqual(await ledger(hospital), { advance: -200, cash: 500, revenue: -300 })
    await assert.rejects(
      run((tx) => receivePayment(tx, { ...input, amount: '501' })),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => receivePayment(tx, { ...input, key: 'counter-2', amount: '501' })),
      TotalsMismatchError,
    )
    await assert.rejects(
      run((tx) =>
        receivePayment(tx, { key: 'counter-3', mode: 'cash', amount: '1', accountId: randomUUID(), clinicId }),
      ),
      NotFoundError,
    )
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('a cheque counts when the bank has paid it; a receipt by mistake is voided', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const cheque = (key: string, chequeNo: string) =>
      run((tx) =>
        receivePayment(tx, {
          key,
          mode: 'cheque',
          amount: '300',
          accountId,
          chequeNo,
          items: [{ purpose: 'invoice', invoiceId: bill.id, amount: '300' }],
        }),
      )
    const [bad, good] = [await cheque('cheque-1', '000111'), await cheque('cheque-2', '000112')]

    await assert.rejects(
      run((tx) => settleCheque(tx, bad.id, false)),
      ReasonRequiredError,
    )
    const bounced = await run((tx) => settleCheque(tx, bad.id, false, 'no funds'))
    const cleared = await run((tx) => settleCheque(tx, good.id, true))
    const again = await run((tx) => settleCheque(tx, good.id, true))

    assert.deepEqual([bad.status, bounced.status, cleared.status], ['pending', 'failed', 'completed'])
    assert.deepEqual([cleared.allocated, again], ['300.00', cleared])
    await assert.rejects(
      run((tx) => settleCheque(tx, good.id, false, 'x')),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => voidPayment(tx, good.id, 'x')),
      IllegalTransitionError,
    )
    const mistake = await run((tx) => receivePayment(tx, { key: 'mistake-1', mode: 'cash', amount: '50', accountId }))
    const voided = await run((tx) => voidPayment(tx, mistake.id, 'typed twice'))
    assert.deepEqual(await run((tx) => voidPayment(tx, mistake.id, 'typed twice')), voided)
    assert.deepEqual(await ledger(hospital), { bank: 300, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('allocatePayment and reverseAllocation: never more than the bill has open or the payment has left', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '350')
    const input = { paymentId: payment.id, invoiceId: bill.id, amount: '120', key: 'allocate-1' }

    const first = await run((tx) => allocatePayment(tx, input))
    const again = await run((tx) => allocatePayment(tx, input))

    assert.deepEqual([first.allocated, again.allocated], ['120.00', '120.00'])
    await assert.rejects(
      run((tx) => allocatePayment(tx, { ...input, amount: '121' })),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => allocatePayment(tx, { ...input, key: 'allocate-2', amount: '181' })),
      OverAllocatedError,
    )
    await assert.rejects(
      run((tx) => allocatePayment(tx, { ...input, key: 'allocate-3', amount: '231' })),
      SourceExhaustedError,
    )
    const allocation = await onlyAllocation(hospital, payment.id)
    await assert.rejects(
      run((tx) => reverseAllocation(tx, allocation, '')),
      ReasonRequiredError,
    )
    const back = await run((tx) => reverseAllocation(tx, allocation, 'wrong bill'))
    const backAgain = await run((tx) => reverseAllocation(tx, allocation, 'wrong bill'))
    assert.deepEqual([back.allocated, backAgain.allocated], ['0.00', '0.00'])
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'issued')
    await assert.rejects(
      run((tx) => reverseAllocation(tx, randomUUID(), 'x')),
      NotFoundError,
    )
  }))

test('recordProviderResult: webhook, poll and return page report one payment, whoever is first', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const providerId = await addProvider(hospital)
    const intent = await run((tx) =>
      createIntent(tx, {
        key: 'intent-01',
        purpose: 'invoice',
        amount: '300',
        channel: 'portal',
        accountId,
        providerId,
        items: [{ purpose: 'invoice', invoiceId: bill.id, amount: '300' }],
      }),
    )
    await run((tx) => beginAttempt(tx, { intentId: intent.id }))
    const report = {
      providerId,
      providerRef: 'pay_A1',
      outcome: 'captured' as const,
      intentId: intent.id,
      amount: '300',
      response: {
        status: 'ok',
        card: { card_number: '4111111111111111', network: 'Visa' },
        note: '4111 1111 1111 1111',
      },
    }

    await run((tx) => recordProviderResult(tx, { ...report, outcome: 'authorised' }))
    const answers = await Promise.all([1, 2, 3].map(() => run((tx) => recordProviderResult(tx, report))))
    const poll = await run((tx) =>
      recordProviderResult(tx, { providerId, providerRef: 'pay_A1', outcome: 'captured', amount: '300' }),
    )

    assert.equal(new Set([...answers, poll].map(({ paymentId }) => paymentId)).size, 1)
    assert.equal(answers.filter(({ isNew }) => isNew).length, 1)
    assert.deepEqual([poll.intentStatus, poll.isNew], ['succeeded', false])
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'paid')
    const [attempt] = await run((tx) =>
      tx.query<{ response: unknown }>(
        `select response_redacted as response from payment.payment_attempts where outcome = 'captured'`,
      ),
    )
    assert.deepEqual(attempt?.response, {
      status: 'ok',
      card: { card_number: '[redacted]', network: 'Visa' },
      note: '[redacted]',
    })
    await assert.rejects(
      run((tx) => recordProviderResult(tx, { ...report, amount: '301' })),
      ProviderRefConflictError,
    )
    await assert.rejects(
      run((tx) => recordProviderResult(tx, { ...report, providerRef: 'pay_B1', outcome: 'authorised' })),
      IntentExpiredError,
    )
    await assert.rejects(
      run((tx) => recordProviderResult(tx, { providerId, providerRef: 'pay_X', outcome: 'captured', amount: '1' })),
      NotFoundError,
    )
    // paid twice by the customer, and the bill is paid: the second is an advance
    const second = await run((tx) => recordProviderResult(tx, { ...report, providerRef: 'pay_A2' }))
    assert.notEqual(second.paymentId, poll.paymentId)
    assert.deepEqual(await ledger(hospital), { advance: -300, gateway_clearing: 600, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('intents: idempotent, declined and tried again, cancelled, expired; money that comes late is kept', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const providerId = await addProvider(hospital)
    const make = (key: string, amount = '100') =>
      run((tx) => createIntent(tx, { key, purpose: 'advance', amount, channel: 'link', clinicId, providerId }))
    const intent = await make('intent-01')

    assert.deepEqual(await make('intent-01'), intent)
    await assert.rejects(make('intent-01', '101'), IdempotencyKeyReusedError)
    await run((tx) => beginAttempt(tx, { intentId: intent.id, requiresAction: true }))
    const declined = await run((tx) =>
      recordProviderResult(tx, {
        providerId,
        providerRef: 'pay_D1',
        outcome: 'declined',
        intentId: intent.id,
        errorCode: 'no_funds',
      }),
    )
    const retried = await run((tx) => beginAttempt(tx, { intentId: intent.id }))
    assert.deepEqual([declined.intentStatus, retried.status], ['failed', 'processing'])
    await assert.rejects(
      run((tx) => cancelIntent(tx, intent.id)),
      IllegalTransitionError,
    )
    const other = await make('intent-02')
    const cancelled = await run((tx) => cancelIntent(tx, other.id))
    assert.deepEqual(await run((tx) => cancelIntent(tx, other.id)), cancelled)
    const lapsed = await make('intent-03')
    await asAdmin(hospital, `update payment.payment_intents set expires_at = now() where id = $1`, [lapsed.id])
    assert.deepEqual([await run((tx) => expireIntents(tx)), await run((tx) => expireIntents(tx))], [1, 0])
    await assert.rejects(
      run((tx) => beginAttempt(tx, { intentId: lapsed.id })),
      IntentExpiredError,
    )
    const late = await run((tx) =>
      recordProviderResult(tx, {
        providerId,
        providerRef: 'pay_L1',
        outcome: 'captured',
        intentId: lapsed.id,
        amount: '100',
      }),
    )
    const short = await run((tx) =>
      recordProviderResult(tx, {
        providerId,
        providerRef: 'pay_S1',
        outcome: 'captured',
        intentId: intent.id,
        amount: '60',
      }),
    )
    assert.deepEqual([late.intentStatus, short.intentStatus], ['expired', 'failed'])
    assert.deepEqual(await ledger(hospital), { advance: -160, gateway_clearing: 160 })
  }))

test('refunds: reserved when asked for, approved by another user, counted when completed', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '350')
    const ask = (key: string, amount: string) =>
      run((tx) => requestRefund(tx, { key, paymentId: payment.id, amount, reason: 'left over' }))
    const second = <T>(work: Parameters<typeof run<T>>[0]) => run(work, { user: users[1] })

    const refund = await ask('refund-01', '50')
    assert.deepEqual(await ask('refund-01', '50'), refund)
    await assert.rejects(ask('refund-01', '51'), IdempotencyKeyReusedError)
    await assert.rejects(ask('refund-02', '301'), RefundTooMuchError)
    await assert.rejects(
      run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '301' })),
      SourceExhaustedError,
    )
    await assert.rejects(
      run((tx) => approveRefund(tx, refund.id)),
      NotPermittedError,
    )
    await assert.rejects(
      run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' })),
      IllegalTransitionError,
    )
    const approved = await second((tx) => approveRefund(tx, refund.id))
    assert.deepEqual(await second((tx) => approveRefund(tx, refund.id)), approved)
    assert.deepEqual((await ledger(hospital))['refund_payable'], -50)
    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'failed', failureCode: 'offline' }))
    const done = await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' }))
    assert.deepEqual(await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' })), done)

    const rejected = await ask('refund-03', '10')
    await assert.rejects(
      run((tx) => rejectRefund(tx, rejected.id, '')),
      ReasonRequiredError,
    )
    assert.equal((await run((tx) => rejectRefund(tx, rejected.id, 'not due'))).status, 'rejected')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '300' }))
    await assert.rejects(ask('refund-04', '1'), RefundTooMuchError)
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'partially_refunded')
    assert.deepEqual(await ledger(hospital), { cash: 300, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('a paid bill that is credited: the payment is freed, refunded, and everything is at zero', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '300')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '300' }))
    await run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'not done' }))

    await run(async (tx) => reverseAllocation(tx, await onlyAllocation(hospital, payment.id), 'bill was credited'))
    const refund = await run((tx) =>
      requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '300', reason: 'bill was credited' }),
    )
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' }))

    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'credited')
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'refunded')
    assert.deepEqual(await ledger(hospital), {})
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('settlements: reconciled when every line is ours and none is missing, an exception until then', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const providerId = await addProvider(hospital)
    const take = (ref: string, amount: string) =>
      run((tx) =>
        receivePayment(tx, { key: `key-${ref}`, mode: 'upi', amount, clinicId, providerId, providerRef: ref }),
      )
    await take('ref-001', '100')
    await take('ref-002', '200')
    const covers = { from: new Date(Date.now() - 3_600_000), to: new Date(Date.now() + 3_600_000) }
    const file = {
      providerId,
      settlementRef: 'setl-1',
      settledOn: '2031-01-02',
      lines: [
        { providerRef: 'ref-001', gross: '100', fee: '2', tax: '0.36' },
        { providerRef: 'ref-003', gross: '50', fee: '1', tax: '0.18' },
      ],
      covers,
    }

    const imported = await run((tx) => importSettlement(tx, file))
    assert.deepEqual(await run((tx) => importSettlement(tx, file)), imported)
    await assert.rejects(
      run((tx) => importSettlement(tx, { ...file, lines: [] })),
      ProviderRefConflictError,
    )
    const exception = await run((tx) => reconcileSettlement(tx, imported.id))
    assert.deepEqual([exception.status, exception.variance], ['exception', '250.00'])
    const matches = await run((tx) => tx.query('select match from payment.settlement_items order by line_no'))
    assert.deepEqual(matches, [{ match: 'matched' }, { match: 'missing_here' }, { match: 'missing_there' }])

    await take('ref-003', '50')
    const next = await run((tx) =>
      importSettlement(tx, {
        providerId,
        settlementRef: 'setl-2',
        settledOn: '2031-01-03',
        lines: [{ providerRef: 'ref-002', gross: '200' }],
      }),
    )
    const reconciled = await run((tx) => reconcileSettlement(tx, imported.id))
    const both = await run((tx) => reconcileSettlement(tx, next.id))

    assert.deepEqual([reconciled.status, both.status, reconciled.net], ['reconciled', 'reconciled', '146.46'])
    assert.deepEqual(await ledger(hospital), { advance: -350, bank: 346.46, gateway_charges: 3.54 })
  }))

test('disputes: the payment stands when won; when lost the money is gone and its bills are open again', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '400')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '300' }))
    const input = { paymentId: payment.id, reasonCode: '10.4', amount: '250', respondBy: new Date('2031-01-01') }
    const documentId = await addDocument(hospital)

    const first = await run((tx) => openDispute(tx, { ...input, providerRef: 'dp-1' }))
    assert.deepEqual(await run((tx) => openDispute(tx, { ...input, providerRef: 'dp-1' })), first)
    await assert.rejects(
      run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '1' })),
      IllegalTransitionError,
    )
    await run((tx) => submitEvidence(tx, first.id, documentId))
    await run((tx) => decideDispute(tx, first.id, 'won', 'signed receipt'))
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'completed')

    const lost = await run((tx) => openDispute(tx, { ...input, providerRef: 'dp-2' }))
    const decided = await run((tx) => decideDispute(tx, lost.id, 'accepted', 'not contested'))
    assert.deepEqual(await run((tx) => decideDispute(tx, lost.id, 'accepted', 'not contested')), decided)
    await assert.rejects(
      run((tx) => openDispute(tx, { ...input, providerRef: 'dp-3' })),
      RefundTooMuchError,
    )
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'partially_refunded')
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'partially_paid')
    assert.deepEqual(await ledger(hospital), { cash: 150, patient_receivable: 150, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('money without an account, or of another one, counts on the account of the bill that it pays', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const first = await addBill(hospital, '300')
    const second = await addBill(hospital, '100', { code: 'XRAY', name: 'Savitri' })
    const balances = () => Promise.all([first, second].map(({ accountId }) => balanceOf(hospital, accountId)))
    const deposit = await run((tx) => receivePayment(tx, { key: 'deposit-1', mode: 'cash', amount: '400', clinicId }))
    const pay = (invoiceId: string, amount: string) =>
      run((tx) => allocatePayment(tx, { paymentId: deposit.id, invoiceId, amount, key: `pay-${invoiceId}` }))

    const adopted = await pay(first.bill.id, '300')
    assert.equal(adopted.accountId, first.accountId)
    assert.deepEqual(await balances(), ['-100.00', '100.00'])
    await pay(second.bill.id, '60')
    await pay(second.bill.id, '60')
    assert.deepEqual(await balances(), ['-40.00', '40.00'])
    assert.deepEqual(await accountsOutOfStep(hospital), [])
    const moved = await allocationOf(hospital, deposit.id, second.bill.id)
    await run((tx) => reverseAllocation(tx, moved, 'another family'))
    assert.deepEqual(await balances(), ['-100.00', '100.00'])

    const receipt = await run((tx) =>
      receivePayment(tx, {
        key: 'receipt-1',
        mode: 'cash',
        amount: '100',
        items: [{ purpose: 'invoice', invoiceId: second.bill.id, amount: '100' }],
      }),
    )
    assert.equal(receipt.accountId, second.accountId)
    assert.equal((await run((tx) => closeAccount(tx, second.accountId))).status, 'closed')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('what a payer owes is not on the account of the patient, nor is the money that pays it', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addPayerBill(hospital, '1000')
    const items = [{ purpose: 'invoice' as const, invoiceId: bill.id, amount: '1000' }]

    const paid = await run((tx) =>
      receivePayment(tx, { key: 'neft-0001', mode: 'bank_transfer', amount: '1000', items }),
    )

    const places = await run((tx) =>
      tx.query(
        `select p.account_id is null as none, (p.clinic_id, p.patient_id) = (a.clinic_id, a.patient_id) as same
        from payment.payments p, billing.accounts a where p.id = $1 and a.id = $2`,
        [paid.id, accountId],
      ),
    )
    assert.deepEqual(places, [{ none: true, same: true }])
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'paid')
    assert.equal(await balanceOf(hospital, accountId), '0.00')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
    assert.equal((await run((tx) => closeAccount(tx, accountId))).status, 'closed')
  }))

test("a payment that pays a payer's bill and one of the patient: its account has what the payer does not owe", () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const payers = await addPayerBill(hospital, '1000')
    const patients = await addBill(hospital, '300')
    const inStep = async (balance: string) => {
      assert.equal(await balanceOf(hospital, patients.accountId), balance)
      assert.equal(await balanceOf(hospital, payers.accountId), '0.00')
      assert.deepEqual(await accountsOutOfStep(hospital), [])
    }
    const { id } = await run((tx) => receivePayment(tx, { key: 'deposit-1', mode: 'cash', amount: '900', clinicId }))
    const pay = (invoiceId: string, amount: string) =>
      run((tx) => allocatePayment(tx, { paymentId: id, invoiceId, amount, key: `pay-${invoiceId}-${amount}` }))

    assert.equal((await pay(payers.bill.id, '500')).accountId, null)
    await inStep('300.00')
    assert.equal((await pay(patients.bill.id, '200')).accountId, patients.accountId)
    await inStep('-100.00')
    await pay(payers.bill.id, '150')
    await inStep('50.00')
    await lose(hospital, id, '900')
    await inStep('300.00')
  }))

test('a cheque for an account that was closed meanwhile becomes an advance', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const items = [{ purpose: 'invoice' as const, invoiceId: bill.id, amount: '300' }]
    const cheque = await run((tx) =>
      receivePayment(tx, { key: 'cheque-1', mode: 'cheque', amount: '300', accountId, chequeNo: '000113', items }),
    )
    await run((tx) => receivePayment(tx, { key: 'cash-0001', mode: 'cash', amount: '300', accountId, items }))
    await run((tx) => closeAccount(tx, accountId))

    const cleared = await run((tx) => settleCheque(tx, cheque.id, true))

    assert.deepEqual([cleared.status, cleared.allocated, cleared.accountId], ['completed', '0.00', null])
    assert.deepEqual(await ledger(hospital), { advance: -300, bank: 300, cash: 300, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('reverseAllocation: a closed account keeps its bills paid; reopened with a reason, it lets the payment go', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '300')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '300' }))
    await run((tx) => closeAccount(tx, accountId))
    const allocationId = await onlyAllocation(hospital, payment.id)
    const takeBack = () => run((tx) => reverseAllocation(tx, allocationId, 'another family'))
    const dispute = await run((tx) =>
      openDispute(tx, {
        paymentId: payment.id,
        providerRef: 'dp-1',
        reasonCode: '10.4',
        amount: '300',
        respondBy: new Date('2031-01-01'),
      }),
    )

    await assert.rejects(takeBack(), AccountClosedError)
    await assert.rejects(
      run((tx) => decideDispute(tx, dispute.id, 'accepted', 'not contested')),
      AccountClosedError,
    )
    await assert.rejects(
      asAdmin(
        hospital,
        `insert into billing.payment_allocations (tenant_id, invoice_id, payment_id, amount, reverses_id, reason)
         values ($1, $2, $3, -300, $4, 'another family')`,
        [hospital.tenant, bill.id, payment.id, allocationId],
      ),
      { sqlstate: 'IM558' },
    )
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'paid')
    assert.equal(await statusOf(hospital, 'billing.accounts', accountId), 'closed')

    await run((tx) => setAccountStatus(tx, accountId, 'active', 'the payment was for another'))
    await takeBack()
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'issued')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('intents: items that could never be stored are refused before anybody pays', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const make = (...items: Record<string, string>[]) =>
      run((tx) =>
        createIntent(tx, {
          key: `intent-${JSON.stringify(items)}`.slice(0, 60),
          purpose: 'invoice',
          amount: String(items.reduce((sum, item) => sum + Number(item['amount']), 0)),
          channel: 'portal',
          clinicId,
          items: items as unknown as PaymentItem[],
        }),
      )

    await assert.rejects(make({ purpose: 'invoice', invoiceId: randomUUID(), amount: '100' }), NotFoundError)
    await assert.rejects(make({ purpose: 'appointment', appointmentId: randomUUID(), amount: '100' }), NotFoundError)
    for (const items of [
      [{ purpose: 'invoice', amount: '100' }],
      [
        { purpose: 'advance', amount: '150' },
        { purpose: 'advance', amount: '-50' },
      ],
      [{ purpose: 'gift', amount: '100' }],
      [
        { purpose: 'advance', amount: '33.335' },
        { purpose: 'other', amount: '33.335' },
      ],
      [{ purpose: 'advance', amount: 'NaN' }],
    ]) {
      await assert.rejects(make(...items), { sqlstate: '22023' }, JSON.stringify(items))
    }
  }))

test('a reference that the provider issued may be a number like that of a card; what people write may not', () =>
  withHospital(async (hospital) => {
    const { run, clinicId, users } = hospital
    const providerId = await addProvider(hospital)
    const providerRef = '4111111111111111'
    const intent = await run((tx) =>
      createIntent(tx, { key: 'intent-01', purpose: 'advance', amount: '100', channel: 'link', clinicId, providerId }),
    )

    const taken = await run((tx) =>
      recordProviderResult(tx, { providerId, providerRef, outcome: 'captured', intentId: intent.id, amount: '100' }),
    )
    const paymentId = taken.paymentId ?? ''
    const ask = (key: string, reason: string) =>
      run((tx) => requestRefund(tx, { key, paymentId, amount: '10', reason }))
    await assert.rejects(ask('refund-01', 'to card 4111111111111111'), { sqlstate: '23514' })
    const refund = await ask('refund-02', 'left over')
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    for (const typed of ['4111-1111-1111-1111', '4111 1111 1111 1111', 'card 4111111111111111']) {
      const refused = async (constraint: string, work: Parameters<typeof run>[0]) =>
        assert.rejects(run(work), { constraint }, typed)
      const file = { providerId, settledOn: '2031-01-02' }
      await refused('refunds_no_card_number', (tx) =>
        recordRefundResult(tx, { refundId: refund.id, outcome: 'completed', providerRef: typed }),
      )
      await refused('payment_attempts_no_card_number', (tx) =>
        recordProviderResult(tx, { providerId, providerRef: typed, outcome: 'unknown', intentId: intent.id }),
      )
      await assert.rejects(
        asAdmin(
          hospital,
          `insert into payment.payments
            (tenant_id, kind, intent_id, clinic_id, mode, provider_id, provider_ref, amount, currency)
          values ($1, 'advance', $2, $3, 'upi', $4, $5, 1, 'INR')`,
          [hospital.tenant, intent.id, clinicId, providerId, typed],
        ),
        { constraint: 'payments_no_card_number' },
      )
      await refused('settlements_no_card_number', (tx) =>
        importSettlement(tx, { ...file, settlementRef: typed, lines: [] }),
      )
      await refused('settlements_no_card_number', (tx) =>
        importSettlement(tx, { ...file, settlementRef: 'setl-0', utr: typed, lines: [] }),
      )
      await refused('settlement_items_no_card_number', (tx) =>
        importSettlement(tx, { ...file, settlementRef: 'setl-0', lines: [{ providerRef: typed, gross: '1' }] }),
      )
      await refused('disputes_no_card_number', (tx) =>
        openDispute(tx, {
          paymentId,
          providerRef: typed,
          reasonCode: '10.4',
          amount: '1',
          respondBy: new Date('2031-01-01'),
        }),
      )
    }
    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed', providerRef }))
    const payout = await run((tx) =>
      importSettlement(tx, {
        providerId,
        settlementRef: providerRef,
        utr: providerRef,
        settledOn: '2031-01-02',
        lines: [
          { providerRef, gross: '100' },
          { providerRef, gross: '-10' },
        ],
      }),
    )
    assert.equal((await run((tx) => reconcileSettlement(tx, payout.id))).status, 'reconciled')
    await run((tx) =>
      openDispute(tx, { paymentId, providerRef, reasonCode: '10.4', amount: '10', respondBy: new Date('2031-01-01') }),
    )
    await assert.rejects(
      run((tx) =>
        receivePayment(tx, {
          key: 'typed-01',
          mode: 'card',
          amount: '1',
          clinicId,
          providerId,
          providerRef: '5555555555554444',
        }),
      ),
      { sqlstate: '23514' },
    )
  }))

test('a refund of money that came in at the counter has a typed reference: no card number, but any reference of a bank', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    const refund = await run((tx) =>
      requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '10', reason: 'left over' }),
    )
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    const record = (outcome: 'processing' | 'completed' | 'failed', providerRef: string) =>
      run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome, providerRef }))

    await assert.rejects(record('completed', '4111111111111111'), { constraint: 'refunds_no_card_number' })
    await assert.rejects(record('failed', '378282246310005'), { constraint: 'refunds_no_card_number' })
    await record('processing', '411111111117') // a UPI reference has twelve digits, these pass Luhn's test
    await record('failed', '4111111111111112')
    await record('completed', 'HDFCR52026010212345678')
  }))

test('refunds that are asked for at the same time: the second waits, and finds what the first has left', () =>
  withHospital(async (hospital) => {
    const { run, admin } = hospital
    const { accountId } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    const ask = (tx: Transaction, key: string) =>
      requestRefund(tx, { key, paymentId: payment.id, amount: '60', reason: 'left over' })
    let second: Promise<unknown> = Promise.resolve()

    await run(async (tx) => {
      await ask(tx, 'refund-01')
      const [self] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      second = run((other) => ask(other, 'refund-02'))
      second.catch(() => undefined)
      for (let isWaiting = false; !isWaiting;) {
        const [row] = await admin.query<{ isWaiting: boolean }>(
          'select exists (select from pg_locks l where $1 = any (pg_blocking_pids(l.pid))) as "isWaiting"',
          [self?.pid],
        )
        isWaiting = row?.isWaiting ?? false
      }
    })

    await assert.rejects(second, { sqlstate: 'IM582' })
  }))

test('refunds and disputes of one payment: no refund leaves while it is disputed, and both fit into its amount', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    const ask = async (key: string, amount: string, approve = true) => {
      const refund = await run((tx) => requestRefund(tx, { key, paymentId: payment.id, amount, reason: 'left over' }))
      if (approve) await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
      return refund.id
    }
    const record = (refundId: string, outcome: 'processing' | 'completed' | 'failed') =>
      run((tx) => recordRefundResult(tx, { refundId, outcome }))
    const dispute = (providerRef: string, amount: string) =>
      run((tx) =>
        openDispute(tx, {
          paymentId: payment.id,
          providerRef,
          reasonCode: '10.4',
          amount,
          respondBy: new Date('2031-01-01'),
        }),
      )

    const [sent, approved, asked] = [
      await ask('refund-01', '20'),
      await ask('refund-02', '50'),
      await ask('refund-03', '30', false),
    ]
    await record(sent, 'processing')
    await assert.rejects(dispute('dp-1', '81'), RefundTooMuchError)
    const open = await dispute('dp-1', '80')
    await assert.rejects(record(approved, 'completed'), IllegalTransitionError)
    await assert.rejects(
      run((tx) => approveRefund(tx, asked), { user: users[1] }),
      IllegalTransitionError,
    )
    // what had left before is told of while the dispute is open
    await record(sent, 'completed')
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'disputed')
    await run((tx) => decideDispute(tx, open.id, 'accepted', 'not contested'))
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'refunded')
    await assert.rejects(record(approved, 'completed'), IllegalTransitionError)
    await record(approved, 'failed')
    assert.equal((await run((tx) => rejectRefund(tx, approved, 'charged back'))).status, 'rejected')
    assert.equal((await run((tx) => rejectRefund(tx, asked, 'charged back'))).status, 'rejected')
    assert.deepEqual(await ledger(hospital), { patient_receivable: 300, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('refunds: after a part was charged back only what is left goes out', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    const refund = await run((tx) =>
      requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '60', reason: 'left over' }),
    )
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    const { id } = await run((tx) =>
      openDispute(tx, {
        paymentId: payment.id,
        providerRef: 'dp-1',
        reasonCode: '10.4',
        amount: '50',
        respondBy: new Date('2031-01-01'),
      }),
    )
    await run((tx) => decideDispute(tx, id, 'accepted', 'not contested'))

    await assert.rejects(
      run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' })),
      RefundTooMuchError,
    )
    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'partially_refunded')
  }))

test('disputes: a lost one leaves room for the refund that is on its way', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '40' }))
    const refund = await run((tx) =>
      requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '60', reason: 'left over' }),
    )
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'processing' }))
    await lose(hospital, payment.id, '40')

    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed' }))

    assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'refunded')
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'issued')
    assert.deepEqual(await ledger(hospital), { patient_receivable: 300, revenue: -300 })
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('disputes: a second one is lost beside a refund that was only asked for', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '100')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '20' }))
    await run((tx) => requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '60', reason: 'left over' }))
    await lose(hospital, payment.id, '50')
    await lose(hospital, payment.id, '40')

    const [row] = await run((tx) =>
      tx.query<{ allocated: string }>('select allocated::text from payment.payments where id = $1', [payment.id]),
    )
    assert.equal(row?.allocated, '10.00')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

for (const isApproved of [false, true]) {
  test(`refunds: after a part was charged back those ${isApproved ? 'sent' : 'approved'} fit together`, () =>
    withHospital(async (hospital) => {
      const { run, users } = hospital
      const { accountId } = await addBill(hospital, '300')
      const payment = await advance(hospital, accountId, '100')
      const ask = (key: string) =>
        run((tx) => requestRefund(tx, { key, paymentId: payment.id, amount: '30', reason: 'left over' }))
      const approve = (refundId: string) => run((tx) => approveRefund(tx, refundId), { user: users[1] })
      const record = (refundId: string, outcome: 'processing' | 'completed' | 'failed') =>
        run((tx) => recordRefundResult(tx, { refundId, outcome }))
      const [first, second] = [await ask('refund-01'), await ask('refund-02')]
      if (isApproved) {
        await approve(first.id)
        await approve(second.id)
      }
      await lose(hospital, payment.id, '60')

      if (isApproved) {
        await record(first.id, 'processing')
        await assert.rejects(record(second.id, 'processing'), RefundTooMuchError)
        await record(first.id, 'failed')
        await record(second.id, 'processing')
        await assert.rejects(record(first.id, 'completed'), RefundTooMuchError)
        await record(second.id, 'completed')
      } else {
        await approve(first.id)
        await assert.rejects(approve(second.id), RefundTooMuchError)
        await record(first.id, 'completed')
      }

      assert.equal(await statusOf(hospital, 'payment.payments', payment.id), 'partially_refunded')
      assert.deepEqual(await accountsOutOfStep(hospital), [])
    }))
}

for (const [what, lines, paid] of [
  ['in part', [{ lineNo: 1, quantity: 40 }], '60.00'],
  ['wholly', undefined, '0.00'],
] as const) {
  test(`disputes: a lost part of what paid a bill that was credited ${what} leaves the bill covered`, () =>
    withHospital(async (hospital) => {
      const { run } = hospital
      const { accountId, bill } = await addBill(hospital, '1', { quantity: 100 })
      const payment = await advance(hospital, accountId, '100')
      await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '100' }))
      await run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'not done', ...(lines && { lines }) }))
      const { id } = await run((tx) =>
        openDispute(tx, {
          paymentId: payment.id,
          providerRef: 'dp-1',
          reasonCode: '10.4',
          amount: '20',
          respondBy: new Date('2031-01-01'),
        }),
      )

      await run((tx) => decideDispute(tx, id, 'accepted', 'not contested'))

      const [after] = await run((tx) =>
        tx.query<{ allocated: string }>('select allocated from payment.payments where id = $1', [payment.id]),
      )
      assert.equal(after?.allocated, paid)
      assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), lines ? 'paid' : 'credited')
      assert.deepEqual(await accountsOutOfStep(hospital), [])
    }))
}

test('decideDispute: locks the account before the bills, as whoever credits or writes off does', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { accountId, bill } = await addBill(hospital, '300')
    const payment = await advance(hospital, accountId, '300')
    await run((tx) => allocatePayment(tx, { paymentId: payment.id, invoiceId: bill.id, amount: '300' }))
    const { id } = await run((tx) =>
      openDispute(tx, {
        paymentId: payment.id,
        providerRef: 'dp-1',
        reasonCode: '10.4',
        amount: '300',
        respondBy: new Date('2031-01-01'),
      }),
    )

    let deciding: Promise<unknown> = Promise.resolve()
    await hospital.admin.transaction(async (tx) => {
      await tx.query('select from billing.accounts where id = $1 for no key update', [accountId])
      const [self] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      const decision = { isOver: false }
      deciding = run((other) => decideDispute(other, id, 'accepted', 'not contested')).finally(
        () => (decision.isOver = true),
      )
      deciding.catch(() => undefined)
      for (let isWaiting = false; !isWaiting && !decision.isOver;) {
        const [row] = await tx.query<{ isWaiting: boolean }>(
          'select exists (select from pg_locks l where $1 = any (pg_blocking_pids(l.pid))) as "isWaiting"',
          [self?.pid],
        )
        isWaiting = row?.isWaiting ?? false
      }
      assert.ok(!decision.isOver)
      const free = await tx.query('select id from billing.invoices where id = $1 for no key update skip locked', [
        bill.id,
      ])
      assert.equal(free.length, 1)
    })
    await deciding
    assert.equal(await statusOf(hospital, 'billing.invoices', bill.id), 'issued')
  }))

test('settlements: two lines that claim one refund are an exception', () =>
  withHospital(async (hospital) => {
    const { run, clinicId, users } = hospital
    const providerId = await addProvider(hospital)
    const payment = await run((tx) =>
      receivePayment(tx, { key: 'key-0001', mode: 'upi', amount: '100', clinicId, providerId, providerRef: 'ref-1' }),
    )
    const refund = await run((tx) =>
      requestRefund(tx, { key: 'refund-01', paymentId: payment.id, amount: '30', reason: 'left over' }),
    )
    await run((tx) => approveRefund(tx, refund.id), { user: users[1] })
    await run((tx) => recordRefundResult(tx, { refundId: refund.id, outcome: 'completed', providerRef: 'rf-1' }))
    const line = { providerRef: 'rf-1', gross: '-30' }
    const payout = await run((tx) =>
      importSettlement(tx, {
        providerId,
        settlementRef: 'setl-1',
        settledOn: '2031-01-02',
        lines: [{ providerRef: 'ref-1', gross: '100' }, line, line],
      }),
    )

    const compared = await run((tx) => reconcileSettlement(tx, payout.id))

    assert.deepEqual([compared.status, compared.variance], ['exception', '30.00'])
  }))

/** An account with one bill over the amount. */
async function addBill(
  hospital: Hospital,
  amount: string,
  { code = 'VISIT', name = 'Meera', quantity = 1 } = {},
): Promise<{ accountId: string; bill: Invoice }> {
  const accountId = await addAccount(hospital, name)
  await charge(hospital, accountId, await addChargeCode(hospital, code, amount), quantity)
  return { accountId, bill: await hospital.run((tx) => issueInvoice(tx, { accountId })) }
}

/** An account with one bill over the amount that a payer owes. */
async function addPayerBill(hospital: Hospital, amount: string): Promise<{ accountId: string; bill: Invoice }> {
  const { run, tenant } = hospital
  const [accountId, payerId] = [await addAccount(hospital, 'Lakshmi'), randomUUID()]
  await asAdmin(
    hospital,
    `insert into insurance.payers
      (tenant_id, id, code, name, kind, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
      rules_effective)
    values ($1, $2, 'TEST', 'Test', 'insurer', 60, 24, 7, 15, '[2020-01-01,)')`,
    [tenant, payerId],
  )
  await charge(hospital, accountId, await addChargeCode(hospital, 'STAY', amount))
  const bill = await run((tx) => issueInvoice(tx, { accountId, payerId }))
  return { accountId, bill }
}

/** A chargeback that the hospital does not contest. */
async function lose({ run }: Hospital, paymentId: string, amount: string): Promise<void> {
  const { id } = await run((tx) =>
    openDispute(tx, {
      paymentId,
      providerRef: `dp-${amount}-${paymentId}`,
      reasonCode: '10.4',
      amount,
      respondBy: new Date('2031-01-01'),
    }),
  )
  await run((tx) => decideDispute(tx, id, 'accepted', 'not contested'))
}

function advance({ run }: Hospital, accountId: string, amount: string): Promise<Payment> {
  return run((tx) => receivePayment(tx, { key: 'advance-01', mode: 'cash', amount, accountId }))
}

async function addProvider({ run, tenant }: Hospital): Promise<string> {
  const id = randomUUID()
  await run((tx) =>
    tx.query(
      `insert into payment.payment_providers (tenant_id, id, code, kind, display, secret_ref)
      values ($1, $2, 'gateway', 'upi', 'Gateway', 'vault://payments/gateway')`,
      [tenant, id],
    ),
  )
  return id
}

async function addDocument(hospital: Hospital): Promise<string> {
  const id = randomUUID()
  await asAdmin(
    hospital,
    `insert into ehr.documents
      (tenant_id, id, document_number, type_code, title, category, version, storage_uri, mime, size_bytes, sha256, key_kid,
      confidentiality, source, virus_scan, scanned_at)
    values ($1, $2, 'DOC-1', 'receipt', 'Receipt', 'billing', 1, 's3://x/y', 'application/pdf', 1, sha256('x'), 'k1', 'N',
      'uploaded', 'clean', now())`,
    [hospital.tenant, id],
  )
  return id
}

async function onlyAllocation({ admin }: Hospital, paymentId: string): Promise<string> {
  const rows = await admin.query<{ id: string }>(
    'select id from billing.payment_allocations where payment_id = $1 and amount > 0',
    [paymentId],
  )
  assert.equal(rows.length, 1)
  return rows[0]?.id ?? ''
}

async function allocationOf({ admin }: Hospital, paymentId: string, invoiceId: string): Promise<string> {
  const rows = await admin.query<{ id: string }>(
    'select id from billing.payment_allocations where payment_id = $1 and invoice_id = $2 and amount > 0',
    [paymentId, invoiceId],
  )
  assert.equal(rows.length, 1)
  return rows[0]?.id ?? ''
}

async function balanceOf({ admin }: Hospital, accountId: string): Promise<string | undefined> {
  const rows = await admin.query<{ balance: string }>('select balance from billing.accounts where id = $1', [accountId])
  return rows[0]?.balance
}

async function statusOf({ admin }: Hospital, table: string, id: string): Promise<string | undefined> {
  const rows = await admin.query<{ status: string }>(`select status::text from ${table} where id = $1`, [id])
  return rows[0]?.status
}
