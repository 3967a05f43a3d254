import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { digest } from '../../packages/domain/src/hospital.fixture.ts'
import {
  addBeneficiary,
  answer,
  approval,
  asAdmin,
  envelope,
  linesOf,
  openCase,
  sharedScheme,
  submitted,
} from '../../packages/domain/src/insurance/insurance.fixture.ts'
import { draftClaim } from '../../packages/domain/src/insurance/draft-claim.ts'
import { receiveMessage } from '../../packages/domain/src/insurance/messages.ts'

const scheme = sharedScheme()

/** One statement as superuser, whom grants do not stop, but constraints and triggers do. */
function force(sql: string, params: unknown[] = []): Promise<unknown> {
  return asAdmin(scheme().hospital, (tx) => tx.query(sql, params))
}

/** Copies a row with some values changed, as superuser. */
function copy(table: string, id: string, changes: Record<string, unknown>): Promise<unknown> {
  return force(
    `insert into ${table}
     select (jsonb_populate_record(null::${table}, to_jsonb(t) || $2::jsonb)).* from ${table} t where t.id = $1`,
    [id, { id: randomUUID(), ...changes }],
  )
}

const violates = (constraint: string) => ({ constraint })

test('resolve_workflow: section 9.4 of the design, row by row', async () => {
  const cases: [string, string | null, string | null, string | null, boolean | null, string][] = [
    ['preauthorization', null, null, null, null, '12'],
    ['preauthorization', 'preauthorization', 'rejected', '12', true, '121'],
    ['preauthorization', 'preauthorization', 'approved', '12', false, '121'],
    ['preauthorization', 'preauthorization', 'partially_approved', '12', false, '121'],
    ['preauthorization', 'preauthorization', 'approved', '12', true, '13'],
    ['preauthorization', 'preauthorization', 'queried', '12', true, '19'],
    ['preauthorization', 'preauthorization', 'queried', '121', false, '19'],
    ['preauthorization', 'preauthorization', 'queried', '19', false, '19'],
    ['preauthorization', 'preauthorization', 'queried', '13', false, '131'],
    ['preauthorization', 'preauthorization', 'queried', '131', false, '131'],
    ['cancel', 'preauthorization', 'approved', '12', null, '122'],
    ['preauthorization', 'preauthorization', null, '12', false, 'refuse'],
    ['claim', null, null, null, null, 'refuse'],
    ['claim', 'preauthorization', 'approved', '12', false, '15'],
    ['claim', 'claim', 'queried', '15', false, '151'],
    ['claim', 'claim', 'rejected', '15', true, '16'],
    ['claim', 'claim', 'approved', '15', false, '16'],
    ['claim', 'claim', 'approved', '15', true, 'refuse'],
    ['reprocess', 'claim', 'approved', '15', null, '18'],
    ['cancel', 'claim', 'approved', '15', null, 'refuse'],
    ['payment_acknowledgement', null, null, null, null, '17'],
  ]

  const { hospital } = scheme()
  for (const [kind, use, given, sentAs, changed, expected] of cases) {
    const resolved = asAdmin(hospital, (tx) =>
      tx.query<{ code: string }>('select insurance.resolve_workflow($1, $2, $3, $4, $5) as code', [
        kind,
        use,
        given,
        sentAs,
        changed,
      ]),
    ).then(
      ([row]) => row?.code,
      (error: unknown) => (hasState(error, 'IM606') ? 'refuse' : Promise.reject(error as Error)),
    )
    assert.equal(await resolved, expected, `${kind} after ${use} ${given}, sent as ${sentAs}, changed ${changed}`)
  }
})

test('resolve_workflow: a tenant that follows the later specification overrides the codes', async () => {
  const { hospital } = scheme()

  const code = await asAdmin(hospital, async (tx) => {
    await tx.query(
      `insert into core.system_settings (tenant_id, key, value, value_type, description)
       select $1, key, replace(value::text, '"151"', '"161"')::jsonb, value_type, description
       from core.system_settings where key = 'insurance.workflow_rules' and tenant_id is null`,
      [hospital.tenant],
    )
    const [row] = await tx.query<{ code: string }>(
      `select insurance.resolve_workflow('claim', 'claim', 'queried', '15') as code`,
    )
    await tx.query('delete from core.system_settings where tenant_id = $1', [hospital.tenant])
    return row?.code
  })

  assert.equal(code, '161')
})

test('no function of the module holds a time limit or a workflow code of its own', async () => {
  const { hospital } = scheme()

  const found = await asAdmin(hospital, (tx) =>
    tx.query<{ name: string; line: string }>(
      `select p.proname as name, l.line
       from pg_proc p
       cross join lateral regexp_split_to_table(p.prosrc, '\n') as l (line)
       where
         p.pronamespace = 'insurance'::regnamespace
         and (
           l.line ~ 'interval ''' or l.line ~ '(days|hours|mins) => *[0-9]'
           or l.line ~ '''(12|121|122|13|131|15|151|16|161|17|18|19)'''
         )`,
    ),
  )

  assert.deepEqual(found, [])
})

test('payers: participants end with @hcx, limits are positive', async () => {
  const { payerId } = scheme()
  const change = (set: string) => force(`update insurance.payers set ${set} where id = $1`, [payerId])

  await assert.rejects(
    change(`nhcx_participant_code = 'scheme@hcx.in'`),
    violates('payers_participant_is_on_the_exchange'),
  )
  await assert.rejects(change('claim_submit_days = 0'), violates('payers_limits_are_positive'))
})

test('coverages: active needs verification, one active coverage per rank, a member once, no Aadhaar as policy number', async () => {
  const { coverageId } = await addBeneficiary(scheme())
  const change = (set: string) => force(`update insurance.coverages set ${set} where id = $1`, [coverageId])
  const draft = { status: 'draft', verified_at: null, policy_number: 'P2' }

  await assert.rejects(change('verified_at = null'), violates('coverages_active_is_verified'))
  await assert.rejects(change('balance = -1'), violates('coverages_balance_not_negative'))
  await assert.rejects(change(`family_id_enc = '\\x01'`), violates('coverages_family_is_searchable'))
  await assert.rejects(change(`policy_number = '2341 2341 2346'`), { sqlstate: 'IM006' })
  await assert.rejects(
    copy('insurance.coverages', coverageId, { ...draft, policy_number: null }),
    violates('coverages_member_once'),
  )
  await copy('insurance.coverages', coverageId, draft)
  await assert.rejects(
    force(`update insurance.coverages set status = 'active', verified_at = now() where policy_number = 'P2'`),
    violates('coverages_one_active_per_rank'),
  )
})

test('cases: one live per beneficiary, back-dating within the payer’s limit, newborns name their mother, used within blocked', async () => {
  const place = scheme()
  const { id } = await openCase(place, await addBeneficiary(place))
  const change = (set: string) => force(`update insurance.pmjay_cases set ${set} where id = $1`, [id])

  await assert.rejects(
    copy('insurance.pmjay_cases', id, { case_number: 'X', status: 'registered' }),
    violates('pmjay_cases_one_live_per_beneficiary'),
  )
  await assert.rejects(change(`backdated_to = registered_at - interval '6 days'`), { sqlstate: 'IM621' })
  await change(`backdated_to = registered_at - interval '5 days'`)
  await assert.rejects(change('is_newborn = true'), violates('pmjay_cases_newborn_names_mother'))
  await assert.rejects(change('wallet_used = 1'), violates('pmjay_cases_used_within_blocked'))
  await assert.rejects(change(`home_state = 'MH'`), violates('pmjay_cases_portability_is_another_state'))
  await assert.rejects(change(`status = 'paid'`), { sqlstate: 'IM001' })
})

test('claims: one live root of a case and use, one open follower, an approval has its reference, what was submitted stays', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const table = 'insurance.insurance_claims'
  const change = (set: string) => force(`update ${table} set ${set} where id = $1`, [preauth.id])
  const fresh = (changes: object) =>
    copy(table, preauth.id, { claim_number: randomUUID(), correlation_id: randomUUID(), status: 'draft', ...changes })

  await assert.rejects(fresh({}), violates('insurance_claims_one_live_root'))
  await fresh({ related_claim_id: preauth.id, relation: 'enhancement' })
  await assert.rejects(
    fresh({ related_claim_id: preauth.id, relation: 'resubmission' }),
    violates('insurance_claims_one_open_follower'),
  )
  await assert.rejects(fresh({ related_claim_id: preauth.id }), violates('insurance_claims_related_says_how'))
  await assert.rejects(
    fresh({ use: 'claim', channel: 'nhcx' }),
    violates('insurance_claims_exchange_claim_follows_preauth'),
  )
  await assert.rejects(change(`adjudication = 'approved'`), violates('insurance_claims_approval_has_reference'))
  await assert.rejects(
    change('total_approved = total_claimed + 1'),
    violates('insurance_claims_approved_within_claimed'),
  )
  await assert.rejects(
    change(`submit_by = submitted_at - interval '1 day'`),
    violates('insurance_claims_late_has_reason'),
  )
  await assert.rejects(change(`diagnoses = '[{"code": "A00.0"}]'`), { sqlstate: 'IM001' })
  await assert.rejects(fresh({ correlation_id: preauth.correlationId }), violates('insurance_claims_correlation_once'))
})

test('claims: none is submitted without an approval unless its packages need none (IM605)', async () => {
  const place = scheme()
  const { encounterId, coverageId } = await addBeneficiary(place)
  const input = { use: 'claim', channel: 'paper', encounterId, coverageId } as const
  const [needs, needsNone] = await place.hospital.run(async (tx) => [
    await draftClaim(tx, input, linesOf(place, 'SG002')),
    await draftClaim(tx, input, linesOf(place, 'LB001')),
  ])
  const submit = async (id: string | undefined) => {
    await force(`update insurance.insurance_claims set status = 'ready' where id = $1`, [id])
    await force(
      `update insurance.insurance_claims set status = 'submitted', submitted_at = now(), submit_by = now(), workflow_code = '15' where id = $1`,
      [id],
    )
  }

  await assert.rejects(submit(needs?.id), { sqlstate: 'IM605' })
  await submit(needsNone?.id)
})

test('lines: a package reserved for public hospitals is claimed by such a one only', async () => {
  const place = scheme()
  const { hospital, packages } = place
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const draft = () => hospital.run((tx) => draftClaim(tx, { caseId }, linesOf(place, 'MG001')))
  await force('update insurance.benefit_packages set govt_reserved = true where id = $1', [packages.MG001])

  await assert.rejects(draft(), { sqlstate: 'IM607' })
  await force(`update facility.clinics set ownership = 'public' where id = $1`, [hospital.clinicId])
  assert.equal((await draft()).status, 'draft')

  await force(`update facility.clinics set ownership = 'private' where id = $1`, [hospital.clinicId])
  await force('update insurance.benefit_packages set govt_reserved = false where id = $1', [packages.MG001])
})

test('claims: a workflow id that is no member of the value set is refused', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG002')

  await assert.rejects(
    force(`update insurance.insurance_claims set workflow_code = '999' where id = $1`, [preauth.id]),
    violates('insurance_claims_workflow'),
  )
})

test('lines: net is the product, a code once with its stratum and cycle, approved within net', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const { id } = await place.hospital.run((tx) => draftClaim(tx, { caseId }, linesOf(place, 'SG002')))
  const table = 'insurance.insurance_claim_items'
  const [line] = await place.hospital.run((tx) =>
    tx.query<{ id: string }>(`select id from ${table} where claim_id = $1`, [id]),
  )
  const change = (set: string) => force(`update ${table} set ${set} where id = $1`, [line?.id])

  await assert.rejects(change('net = net + 1'), violates('insurance_claim_items_net_is_product'))
  await assert.rejects(change('approved_amount = net + 1'), violates('insurance_claim_items_approved_within_net'))
  await assert.rejects(change('implant_count = 1'), { sqlstate: 'IM607' })
  await assert.rejects(copy(table, line?.id ?? '', { seq: 2 }), violates('insurance_claim_items_code_once'))
})

test('events cannot be changed, and an application writes no ledger of this module itself', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  const app = (sql: string) => place.hospital.run((tx) => tx.query(sql, [preauth.id]))

  await assert.rejects(force('delete from insurance.adjudication_events where claim_id = $1', [preauth.id]), {
    sqlstate: 'IM006',
  })
  await assert.rejects(app(`update insurance.insurance_claims set status = 'approved' where id = $1`), {
    sqlstate: '42501',
  })
  await assert.rejects(app('update insurance.insurance_claims set wallet_hold = 0 where id = $1'), {
    sqlstate: '42501',
  })
  await assert.rejects(app('delete from insurance.insurance_claim_items where claim_id = $1'), { sqlstate: '42501' })
  await assert.rejects(app('update insurance.payer_queries set status = $1'), { sqlstate: '42501' })
})

test('messages: a failed one may come again with the same payload, a stored one may not', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const { correlationId } = await submitted(place, caseId, 'SG001')
  const payload = { payloadHash: digest('the payload') }
  const receive = (changes: object = {}) =>
    place.hospital.run((tx) => receiveMessage(tx, envelope(correlationId, { ...payload, ...changes })))

  const first = await receive()
  assert.equal((await receive()).id, first.id)
  await force(`update insurance.nhcx_messages set status = 'failed' where id = $1`, [first.id])
  assert.notEqual((await receive()).id, first.id)
  await assert.rejects(
    receive({ payloadHash: digest('p2'), senderCode: 'somebody' }),
    violates('nhcx_messages_between_participants'),
  )
  await assert.rejects(
    receive({ payloadHash: digest('p3'), hcxStatus: 'done' }),
    violates('nhcx_messages_hcx_status_known'),
  )
})

test('a transfer is one row per payer and claim; net is the amount less tax', async () => {
  const place = scheme()
  const { id: caseId } = await openCase(place, await addBeneficiary(place))
  const preauth = await submitted(place, caseId, 'SG001')
  await answer(place, preauth.correlationId, approval())
  const pay = (net: number) =>
    force(
      `insert into insurance.claim_payments (tenant_id, payer_id, claim_id, utr, paid_on, amount, tds, net)
       values ($1, $2, $3, 'U1', '2026-01-01', 100, 10, $4)`,
      [place.hospital.tenant, place.payerId, preauth.id, net],
    )

  await assert.rejects(pay(100), violates('claim_payments_net_is_amount_less_tax'))
  await pay(90)
  await assert.rejects(pay(90), violates('claim_payments_transfer_once'))
})

test('views: pre-authorisations with their clocks', async () => {
  const place = scheme()
  const who = await addBeneficiary(place)
  const { id: caseId } = await openCase(place, who)
  const preauth = await submitted(place, caseId, 'SG001')
  await answer(place, preauth.correlationId, { adjudication: 'queried', query: { textEnc: digest('q') } })

  const [row] = await place.hospital.run((tx) =>
    tx.query<{ status: string; clock: string; turn: string; overdue: boolean }>(
      `select r.status, c.clock, c.turn, c.is_overdue as overdue
       from insurance.preauth_requests r
       join insurance.claim_clocks c on c.claim_id = r.preauth_id
       where r.patient_id = $1 and r.open_query_id is not null`,
      [who.patientId],
    ),
  )

  assert.deepEqual(row, { status: 'queried', clock: 'query', turn: 'hospital', overdue: false })
})

function hasState(error: unknown, sqlstate: string): boolean {
  return error instanceof Error && 'sqlstate' in error && error.sqlstate === sqlstate
}
