import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  AccountClosedError,
  AccountNotSettledError,
  AlreadyBilledError,
  AlreadyIssuedError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NothingToBillError,
  NotPermittedError,
  OverAllocatedError,
  ReasonRequiredError,
  SourceExhaustedError,
  TotalsMismatchError,
} from '@imhotep/postgres'
import { addPatient, useOtherDate, withHospital, type Hospital } from '../hospital.fixture.ts'
import { configureSeries } from '../core/numbers.ts'
import { receivePayment, reverseAllocation } from '../payment/payments.ts'
import { changePayer, closeAccount, openAccount, setAccountStatus, setCreditLimit } from './accounts.ts'
import { accountsOutOfStep, asAdmin, addAccount, addChargeCode, charge, ledger } from './billing.fixture.ts'
import { addCharge, cancelCharge, chargeEncounter, findPrice, grantConcession, takeOutOfPackage } from './charges.ts'
import { allocateCredit, discardProforma, issueCreditNote, issueInvoice, reverseCredit, writeOff } from './invoices.ts'

test('openAccount: once for a stay; for a sale at the counter once per key', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const { encounterId, patientId } = await addEncounter(hospital)
    const other = await addPatient(hospital, 'Balakrishnan', '1950-06-01')

    const opened = await run((tx) => openAccount(tx, { patientId, encounterId }))
    const again = await run((tx) => openAccount(tx, { patientId, encounterId }))
    const sale = await run((tx) => openAccount(tx, { patientId, clinicId, key: 'sale-0001' }))
    const saleAgain = await run((tx) => openAccount(tx, { patientId, clinicId, key: 'sale-0001' }))

    assert.deepEqual(again, opened)
    assert.deepEqual([opened.payerClass, opened.status, opened.balance], ['insurance', 'active', '0.00'])
    assert.deepEqual(saleAgain, sale)
    await assert.rejects(
      run((tx) => openAccount(tx, { patientId: other, clinicId, key: 'sale-0001' })),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => openAccount(tx, { patientId: other, encounterId })),
      NotFoundError,
    )
  }))

test('addCharge: once per source, at the most particular tariff of the day', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const chargeId = await addChargeCode(hospital, 'XRAY', '500', { kind: 'imaging', gst: 5 })
    await addTariff(hospital, chargeId, { price: '450', clinicId })
    await addTariff(hospital, chargeId, { price: '400', careClass: 'private', discountPct: 10 })
    const accountId = await addAccount(hospital)
    const input = { accountId, chargeId, sourceType: 'clinical.service_requests', sourceId: randomUUID(), quantity: 2 }

    const first = await run((tx) => addCharge(tx, input))
    const again = await run((tx) => addCharge(tx, input))

    assert.deepEqual(again, first)
    assert.deepEqual([first.unitPrice, first.tax, first.net, first.status], ['450.00', '45.00', '945.00', 'billable'])
    const prices = await Promise.all(
      [undefined, 'private'].map((careClass) =>
        run((tx) => findPrice(tx, { chargeId, clinicId, on: '2031-01-01', ...(careClass && { careClass }) })),
      ),
    )
    assert.deepEqual(
      prices.map(({ unitPrice, discountPct }) => `${unitPrice} ${discountPct}`),
      ['450.00 0.00', '400.00 10.00'],
    )
    await assert.rejects(
      run((tx) => addCharge(tx, { ...input, quantity: 3 })),
      AlreadyBilledError,
    )
    await assert.rejects(
      run((tx) => addCharge(tx, { ...input, chargeId: randomUUID() })),
      NotFoundError,
    )
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('chargeEncounter: charges by code once, and stops nobody when there is no charge or no account', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const { encounterId, patientId } = await addEncounter(hospital)
    await addChargeCode(hospital, 'CBC', '250', { kind: 'lab' })
    const input = { encounterId, chargeCode: 'CBC', sourceType: 'laboratory.lab_order_items', sourceId: randomUUID() }

    const before = await run((tx) => chargeEncounter(tx, input))
    await run((tx) => openAccount(tx, { patientId, encounterId }))
    const charged = await run((tx) => chargeEncounter(tx, input))
    const again = await run((tx) => chargeEncounter(tx, { ...input, quantity: 5 }))
    const unknown = await run((tx) => chargeEncounter(tx, { ...input, chargeCode: 'NONE' }))

    assert.deepEqual([before, unknown], [null, null])
    assert.ok(charged)
    assert.equal(again, charged)
  }))

test('packages: include what was charged before and after up to their quantity, and give it back', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const day = await addChargeCode(hospital, 'BED', '1000', { kind: 'room' })
    const bundle = await addChargeCode(hospital, 'PKG', '5000', {
      kind: 'package',
      components: [{ code: 'BED', quantity: 2 }],
    })
    const accountId = await addAccount(hospital)

    const before = await charge(hospital, accountId, day)
    const taken = await charge(hospital, accountId, bundle)
    const after = await charge(hospital, accountId, day)
    const beyond = await charge(hospital, accountId, day)
    const out = await run((tx) => takeOutOfPackage(tx, after.id, 'not part of the operation'))

    assert.deepEqual([before.status, after.status, beyond.status], ['billable', 'not_billable', 'billable'])
    assert.deepEqual([after.packageChargeItemId, out.packageChargeItemId, out.status], [taken.id, null, 'billable'])
    assert.equal(await balance(hospital, accountId), '7000.00')
    await run((tx) => cancelCharge(tx, taken.id, 'operated elsewhere'))
    assert.equal(await balance(hospital, accountId), '3000.00')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('cancelCharge: what a billed package included stays as it is once the account is closed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const day = await addChargeCode(hospital, 'BED', '1000', { kind: 'room' })
    const bundle = await addChargeCode(hospital, 'PKG', '5000', {
      kind: 'package',
      components: [{ code: 'BED', quantity: 2 }],
    })
    const accountId = await addAccount(hospital)
    await charge(hospital, accountId, bundle)
    const [kept, cancelled] = [await charge(hospital, accountId, day), await charge(hospital, accountId, day)]
    const bill = await run((tx) => issueInvoice(tx, { accountId }))
    const items = [{ purpose: 'invoice' as const, invoiceId: bill.id, amount: bill.total }]
    await run((tx) => receivePayment(tx, { key: 'pay-the-bill', mode: 'cash', amount: bill.total, accountId, items }))
    const cancel = ({ id }: { id: string }) => run((tx) => cancelCharge(tx, id, 'went home'))
    const aborted = await cancel(cancelled)
    await run((tx) => closeAccount(tx, accountId))

    await assert.rejects(cancel(kept), AccountClosedError)
    assert.deepEqual(await cancel(cancelled), aborted)
    await run((tx) => setAccountStatus(tx, accountId, 'active', 'one day too many'))
    assert.equal((await cancel(kept)).status, 'aborted')
  }))

test('charges: a concession needs reason and approver; a cancelled source may be charged anew; a payer brings its prices', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const chargeId = await addChargeCode(hospital, 'CONS', '800')
    const accountId = await addAccount(hospital)
    const staff = await addStaff(hospital)
    const item = await charge(hospital, accountId, chargeId)

    const cheaper = await run((tx) =>
      grantConcession(tx, { chargeItemId: item.id, discount: '300', reason: 'staff family', approvedBy: staff }),
    )
    assert.deepEqual([cheaper.net, await balance(hospital, accountId)], ['500.00', '500.00'])
    await assert.rejects(
      run((tx) => grantConcession(tx, { chargeItemId: item.id, discount: '900', reason: 'x', approvedBy: staff })),
      { sqlstate: '23514' },
    )
    await assert.rejects(
      run((tx) => grantConcession(tx, { chargeItemId: item.id, discount: '1', reason: ' ', approvedBy: staff })),
      ReasonRequiredError,
    )
    await assert.rejects(
      run((tx) => cancelCharge(tx, item.id, '')),
      ReasonRequiredError,
    )
    const cancelled = await run((tx) => cancelCharge(tx, item.id, 'wrong patient'))
    assert.deepEqual(await run((tx) => cancelCharge(tx, item.id, 'again')), cancelled)
    const { sourceType, sourceId } = item
    const anew = await run((tx) => addCharge(tx, { accountId, chargeId, sourceType, sourceId }))
    assert.notEqual(anew.id, item.id)

    const payerId = await addPayer(hospital)
    await addTariff(hospital, chargeId, { price: '600', payerId })
    const changed = await run((tx) => changePayer(tx, { accountId, payerClass: 'insurance', payerId }))
    assert.deepEqual([changed.payerId, changed.totalCharged], [payerId, '600.00'])
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('issueInvoice: numbers, rounds, posts and freezes; the same key gives the same bill', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const accountId = await addAccount(hospital)
    const taxed = await charge(hospital, accountId, await addChargeCode(hospital, 'ROOM', '1000.30', { gst: 5 }))
    const exempt = await charge(hospital, accountId, await addChargeCode(hospital, 'CONS', '500.10'))

    const quote = await run((tx) => issueInvoice(tx, { accountId, kind: 'proforma' }))
    const bill = await run((tx) => issueInvoice(tx, { accountId, chargeItemIds: [taxed.id], key: 'bill-0001' }))
    const again = await run((tx) => issueInvoice(tx, { accountId, chargeItemIds: [taxed.id], key: 'bill-0001' }))
    const supply = await run((tx) => issueInvoice(tx, { accountId }))

    assert.deepEqual([quote.status, quote.invoiceNumber, quote.total], ['quoted', null, '1550.00'])
    assert.deepEqual(again, bill)
    assert.deepEqual(
      [bill.kind, bill.invoiceNumber, bill.tax, bill.roundOff, bill.total, bill.status],
      ['tax_invoice', 'T-000001', '50.02', '-0.32', '1050.00', 'issued'],
    )
    assert.deepEqual([supply.kind, supply.invoiceNumber, supply.total], ['bill_of_supply', 'B-000001', '500.00'])
    assert.match(bill.fiscalYear ?? '', /^FY\d{4}-\d{2}$/)
    assert.deepEqual(await ledger(hospital), { patient_receivable: 1550, revenue: -1499.98, tax_payable: -50.02 })
    const refused: [() => Promise<unknown>, new (...args: never[]) => Error][] = [
      [() => run((tx) => issueInvoice(tx, { accountId })), NothingToBillError],
      [() => run((tx) => issueInvoice(tx, { accountId, chargeItemIds: [exempt.id] })), AlreadyBilledError],
      [() => run((tx) => issueInvoice(tx, { accountId, key: 'bill-0001' })), IdempotencyKeyReusedError],
      [() => run((tx) => cancelCharge(tx, exempt.id, 'too late')), AlreadyBilledError],
      [() => run((tx) => discardProforma(tx, bill.id, 'x')), AlreadyIssuedError],
      [
        () =>
          asAdmin(hospital, `update billing.invoices set discount = 1, subtotal = subtotal + 1 where id = $1`, [
            bill.id,
          ]),
        AlreadyIssuedError,
      ],
      [() => asAdmin(hospital, 'delete from billing.invoices where id = $1', [bill.id]), AlreadyIssuedError],
    ]
    for (const [attempt, error] of refused) await assert.rejects(attempt, error)
    assert.equal((await run((tx) => discardProforma(tx, quote.id, 'declined'))).status, 'discarded')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('issueCreditNote: takes lines back, covers what is open, and frees or cancels their charges', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const accountId = await addAccount(hospital)
    const visit = await addChargeCode(hospital, 'VISIT', '100.25')
    const first = await charge(hospital, accountId, visit, 3)
    await charge(hospital, accountId, visit)
    const bill = await run((tx) => issueInvoice(tx, { accountId }))

    const part = await run((tx) =>
      issueCreditNote(tx, { invoiceId: bill.id, reason: 'one too many', lines: [{ lineNo: 1, quantity: 1 }] }),
    )
    assert.deepEqual([bill.total, part.total, part.invoiceNumber], ['401.00', '100.25', 'C-000001'])
    await assert.rejects(
      run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'x', lines: [{ lineNo: 1, quantity: 3 }] })),
      TotalsMismatchError,
    )
    await assert.rejects(
      run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'x', lines: [{ lineNo: 7 }] })),
      NothingToBillError,
    )
    await assert.rejects(
      run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: '' })),
      ReasonRequiredError,
    )

    const rest = await run((tx) =>
      issueCreditNote(tx, { invoiceId: bill.id, reason: 'wrong name', rebill: true, key: 'rest-of-bill' }),
    )
    const again = await run((tx) =>
      issueCreditNote(tx, { invoiceId: bill.id, reason: 'wrong name', rebill: true, key: 'rest-of-bill' }),
    )
    const rebilled = await run((tx) => issueInvoice(tx, { accountId, chargeItemIds: [first.id] }))

    assert.equal(again.id, rest.id)
    assert.equal(Number(part.total) + Number(rest.total), 401)
    assert.equal(rebilled.status, 'issued')
    await assert.rejects(
      run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'x' })),
      IllegalTransitionError,
    )
    assert.deepEqual(await accountsOutOfStep(hospital), [])
    assert.equal((await ledger(hospital))['patient_receivable'], Number(rebilled.total))
  }))

test('allocateCredit: what is left of a credit note on a paid bill pays another one, never more', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const accountId = await addAccount(hospital)
    const visit = await addChargeCode(hospital, 'VISIT', '100')
    await charge(hospital, accountId, visit)
    const paid = await run((tx) => issueInvoice(tx, { accountId }))
    await run((tx) =>
      receivePayment(tx, {
        key: 'pay-the-bill',
        mode: 'cash',
        amount: '100',
        accountId,
        items: [{ purpose: 'invoice', invoiceId: paid.id, amount: '100' }],
      }),
    )
    const note = await run((tx) => issueCreditNote(tx, { invoiceId: paid.id, reason: 'not done' }))
    await charge(hospital, accountId, visit, 2)
    const bill = await run((tx) => issueInvoice(tx, { accountId }))
    const input = { creditNoteId: note.id, invoiceId: bill.id, amount: '100', key: 'use' }

    const used = await run((tx) => allocateCredit(tx, input))
    const again = await run((tx) => allocateCredit(tx, input))

    assert.deepEqual(again, used)
    await assert.rejects(
      run((tx) => allocateCredit(tx, { ...input, key: 'more', amount: '1' })),
      SourceExhaustedError,
    )
    await assert.rejects(
      run((tx) => allocateCredit(tx, { ...input, amount: '50' })),
      IdempotencyKeyReusedError,
    )
    const back = await run((tx) => reverseCredit(tx, used.id, 'other bill'))
    assert.equal(back.amount, '-100.00')
    await assert.rejects(
      run((tx) => allocateCredit(tx, { ...input, creditNoteId: bill.id, key: 'wrong' })),
      NotFoundError,
    )
    assert.equal(await balance(hospital, accountId), '100.00')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('allocateCredit: what a credit note of another account pays counts on the account of the bill, and comes back', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const patientId = await addPatient(hospital, 'Meera')
    const visit = await addChargeCode(hospital, 'VISIT', '100')
    const openBilled = async () => {
      const { id: accountId } = await run((tx) => openAccount(tx, { patientId, clinicId }))
      await charge(hospital, accountId, visit)
      return { accountId, bill: await run((tx) => issueInvoice(tx, { accountId })) }
    }
    const [first, second] = [await openBilled(), await openBilled()]
    const balances = () => Promise.all([first, second].map(({ accountId }) => balance(hospital, accountId)))
    const items = [{ purpose: 'invoice' as const, invoiceId: first.bill.id, amount: '100' }]
    await run((tx) =>
      receivePayment(tx, { key: 'pay-the-bill', mode: 'cash', amount: '100', accountId: first.accountId, items }),
    )
    const note = await run((tx) => issueCreditNote(tx, { invoiceId: first.bill.id, reason: 'not done' }))
    const use = (key: string) =>
      run((tx) => allocateCredit(tx, { creditNoteId: note.id, invoiceId: second.bill.id, amount: '100', key }))
    assert.deepEqual(await balances(), ['-100.00', '100.00'])

    const used = await use('use-credit')
    assert.deepEqual(await use('use-credit'), used)
    assert.deepEqual(await balances(), ['0.00', '0.00'])
    assert.deepEqual(await accountsOutOfStep(hospital), [])
    await run((tx) => reverseCredit(tx, used.id, 'other bill'))
    assert.deepEqual(await balances(), ['-100.00', '100.00'])
    assert.deepEqual(await accountsOutOfStep(hospital), [])

    const last = await use('use-again')
    for (const { accountId } of [first, second]) await run((tx) => closeAccount(tx, accountId))
    const takeBack = () => run((tx) => reverseCredit(tx, last.id, 'other bill'))
    await assert.rejects(takeBack(), AccountClosedError)
    await run((tx) => setAccountStatus(tx, second.accountId, 'active', 'the credit was not for it'))
    await assert.rejects(takeBack(), AccountClosedError)
    await run((tx) => setAccountStatus(tx, first.accountId, 'active', 'the credit comes back'))
    await takeBack()
    assert.deepEqual(await balances(), ['-100.00', '100.00'])
  }))

test('allocateCredit: a payer’s credit on another account leaves what the patients owe', () =>
  withHospital(async (hospital) => {
    const { run, clinicId } = hospital
    const patientId = await addPatient(hospital, 'Meera')
    const payerId = await addPayer(hospital)
    const visit = await addChargeCode(hospital, 'VISIT', '100')
    const openBilled = async () => {
      const { id: accountId } = await run((tx) =>
        openAccount(tx, { patientId, clinicId, payerClass: 'insurance', payerId }),
      )
      await charge(hospital, accountId, visit)
      return run((tx) => issueInvoice(tx, { accountId, payerId }))
    }
    const [first, second] = [await openBilled(), await openBilled()]
    const items = [{ purpose: 'invoice' as const, invoiceId: first.id, amount: '100' }]
    await run((tx) => receivePayment(tx, { key: 'pay-the-bill', mode: 'cash', amount: '100', clinicId, items }))
    const note = await run((tx) => issueCreditNote(tx, { invoiceId: first.id, reason: 'not done' }))

    await run((tx) => allocateCredit(tx, { creditNoteId: note.id, invoiceId: second.id, amount: '40' }))

    const totals = await run((tx) =>
      tx.query('select total_charged, total_claimed from billing.accounts order by account_number'),
    )
    assert.deepEqual(totals, [
      { total_charged: '40.00', total_claimed: '40.00' },
      { total_charged: '60.00', total_claimed: '60.00' },
    ])
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('closeAccount: only when everything is billed and paid or written off, by two people; then nothing is added', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const accountId = await addAccount(hospital)
    const visit = await addChargeCode(hospital, 'VISIT', '100')
    await charge(hospital, accountId, visit)

    await assert.rejects(
      run((tx) => closeAccount(tx, accountId)),
      AccountNotSettledError,
    )
    const bill = await run((tx) => issueInvoice(tx, { accountId }))
    await assert.rejects(
      run((tx) => closeAccount(tx, accountId)),
      AccountNotSettledError,
    )
    await assert.rejects(
      run((tx) => writeOff(tx, bill.id, 'poor', users[0])),
      NotPermittedError,
    )
    const lost = await run((tx) => writeOff(tx, bill.id, 'poor', users[1]))
    const again = await run((tx) => writeOff(tx, bill.id, 'poor', users[1]))
    const closed = await run((tx) => closeAccount(tx, accountId))

    assert.deepEqual(again, lost)
    assert.deepEqual([lost.status, lost.writtenOff], ['written_off', '100.00'])
    assert.deepEqual([closed.status, closed.balance, closed.totalWrittenOff], ['closed', '0.00', '100.00'])
    assert.deepEqual(await ledger(hospital), { revenue: -100, write_off: 100 })
    await assert.rejects(charge(hospital, accountId, visit), AccountClosedError)
    await assert.rejects(
      run((tx) => setAccountStatus(tx, accountId, 'active')),
      ReasonRequiredError,
    )
    assert.equal((await run((tx) => setAccountStatus(tx, accountId, 'active', 'late charge'))).status, 'active')
    await assert.rejects(
      run((tx) => setCreditLimit(tx, accountId, '500', '')),
      ReasonRequiredError,
    )
    assert.equal((await run((tx) => setCreditLimit(tx, accountId, '500', 'employer pays'))).creditLimit, '500.00')
  }))

test('receipts: more than a bill has open is refused as a whole', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const accountId = await addAccount(hospital)
    await charge(hospital, accountId, await addChargeCode(hospital, 'VISIT', '100'))
    const bill = await run((tx) => issueInvoice(tx, { accountId }))

    await assert.rejects(
      run((tx) =>
        receivePayment(tx, {
          key: 'too-much-cash',
          mode: 'cash',
          amount: '150',
          accountId,
          items: [{ purpose: 'invoice', invoiceId: bill.id, amount: '150' }],
        }),
      ),
      OverAllocatedError,
    )

    assert.equal(await balance(hospital, accountId), '100.00')
  }))

test('addCharge: a quantity is a number, not NaN', () =>
  withHospital(async (hospital) => {
    const accountId = await addAccount(hospital)
    const chargeId = await addChargeCode(hospital, 'VISIT', '100')

    await assert.rejects(charge(hospital, accountId, chargeId, 'NaN'), { sqlstate: '23514' })
  }))

test('a bill whose rest was given up is paid anew after its payment was taken back', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const accountId = await addAccount(hospital)
    await charge(hospital, accountId, await addChargeCode(hospital, 'VISIT', '100'))
    const bill = await run((tx) => issueInvoice(tx, { accountId }))
    const pay = (key: string) =>
      run((tx) =>
        receivePayment(tx, {
          key,
          mode: 'cash',
          amount: '60',
          accountId,
          items: [{ purpose: 'invoice', invoiceId: bill.id, amount: '60' }],
        }),
      )
    await pay('first-payment')
    await run((tx) => writeOff(tx, bill.id, 'poor', users[1]))
    const [allocation] = await run((tx) => tx.query<{ id: string }>('select id from billing.payment_allocations'))
    await run((tx) => reverseAllocation(tx, allocation?.id ?? '', 'wrong patient'))

    await pay('second-payment')

    const [after] = await run((tx) =>
      tx.query<{ status: string }>('select status from billing.invoices where id = $1', [bill.id]),
    )
    assert.equal(after?.status, 'written_off')
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('a discount of 100 % leaves nothing to pay, also where the price has a third decimal', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const chargeId = await addChargeCode(hospital, 'GAUZE', '3', { gst: 12 })
    await addTariff(hospital, chargeId, { price: '2.35', discountPct: 100 })
    const accountId = await addAccount(hospital)

    const free = await charge(hospital, accountId, chargeId, '1.5')
    const payerId = await addPayer(hospital)
    await run((tx) => changePayer(tx, { accountId, payerClass: 'insurance', payerId }))
    await charge(hospital, accountId, await addChargeCode(hospital, 'VISIT', '100'))
    const bill = await run((tx) => issueInvoice(tx, { accountId }))
    const note = await run((tx) => issueCreditNote(tx, { invoiceId: bill.id, reason: 'wrong name' }))

    assert.deepEqual([free.discount, free.tax, free.net], ['3.53', '0.00', '0.00'])
    assert.deepEqual([bill.total, note.total], ['100.00', '100.00'])
    assert.deepEqual(await accountsOutOfStep(hospital), [])
  }))

test('the day of numbers is that of the tenant, the day of a bill that of its clinic', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const today = await useOtherDate(hospital)
    for (const scope of ['account', 'receipt']) {
      await run((tx) => configureSeries(tx, { scope, series: '', prefix: '{YYYY}-{MM}-{DD}/', pad: 3 }))
    }
    const accountId = await addAccount(hospital)
    await charge(hospital, accountId, await addChargeCode(hospital, 'VISIT', '100'))
    const bill = await run((tx) => issueInvoice(tx, { accountId }))

    const { receiptNumber } = await run((tx) =>
      receivePayment(tx, { key: 'advance-1', mode: 'cash', amount: '1', accountId }),
    )

    assert.equal(receiptNumber, `${today}/001`)
    const [row] = await run((tx) =>
      tx.query<{ number: string; due: string; bucket: string }>(
        `select a.account_number as number, g.due_on::text as due, g.bucket
        from billing.ageing g
        join billing.accounts a on a.id = g.account_id
        where g.invoice_id = $1`,
        [bill.id],
      ),
    )
    assert.deepEqual(row, { number: `${today}/001`, due: today, bucket: 'not due' })
  }))

async function balance({ run }: Hospital, accountId: string): Promise<string | undefined> {
  const rows = await run((tx) =>
    tx.query<{ balance: string }>('select balance from billing.accounts where id = $1', [accountId]),
  )
  return rows[0]?.balance
}

async function addEncounter(hospital: Hospital): Promise<{ encounterId: string; patientId: string }> {
  const { tenant, clinicId, departmentId } = hospital
  const encounterId = randomUUID()
  const patientId = await addPatient(hospital, 'Asha')
  await asAdmin(
    hospital,
    `insert into clinical.encounters
      (tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, period, payer_class)
    values ($1, $2, 'ENC-1', $3, $4, $5, 'AMB', 'routine', tstzrange(now(), null), 'insurance')`,
    [tenant, encounterId, patientId, clinicId, departmentId],
  )
  return { encounterId, patientId }
}

async function addStaff(hospital: Hospital): Promise<string> {
  const { tenant, departmentId } = hospital
  const id = randomUUID()
  await asAdmin(
    hospital,
    `insert into workforce.staff
      (tenant_id, id, employee_code, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
      employment_type, joined_on)
    values ($1, $2, 'E-ONE', 'Test', 'unknown', '\\x01', sha256('x'), 'administrator', $3, 'Manager', 'full_time', '2020-01-01')
    on conflict do nothing`,
    [tenant, id, departmentId],
  )
  return id
}

async function addPayer(hospital: Hospital): Promise<string> {
  const { tenant } = hospital
  const id = randomUUID()
  await asAdmin(
    hospital,
    `insert into insurance.payers
      (tenant_id, id, code, name, kind, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
      rules_effective)
    values ($1, $2, 'TEST', 'Test', 'insurer', 60, 24, 7, 15, '[2020-01-01,)')`,
    [tenant, id],
  )
  return id
}

interface Tariff {
  readonly price: string
  readonly payerId?: string
  readonly careClass?: string
  readonly clinicId?: string
  readonly discountPct?: number
}

async function addTariff(hospital: Hospital, chargeId: string, tariff: Tariff): Promise<void> {
  const staff =
    (
      await hospital.admin.query<{ id: string }>('select id from workforce.staff where tenant_id = $1', [
        hospital.tenant,
      ])
    )[0]?.id ?? (await addStaff(hospital))
  const { price, payerId = null, careClass = null, clinicId = null, discountPct = 0 } = tariff
  await hospital.run((tx) =>
    tx.query(
      `insert into billing.tariffs
        (tenant_id, charge_id, price, payer_id, care_class, clinic_id, discount_pct, valid_during, approved_by)
      values ($1, $2, $3, $4, $5, $6, $7, '[2020-01-01,)', $8)`,
      [hospital.tenant, chargeId, price, payerId, careClass, clinicId, discountPct, staff],
    ),
  )
}
