import {
  all,
  beginRequest,
  columnTag,
  hasCheck,
  hasColumns,
  hasMove,
  hasTrigger,
  hasTypes,
  hasUnique,
  hasWords,
  nameOf,
  noRows,
} from '../checks.ts'
import { outcomeOf, trial } from '../inspection.ts'
import { fail, notApplicable, pass, type ComplianceRule, type RuleFamily } from '../rule.ts'
import { approved, draft, itemsOf, withCase, type Line } from './claim-scenario.ts'

type Check = ComplianceRule['check']

/** Section 9.4 of the design: new submission, parent, its answer, sent as, whether the item codes changed, the codes. */
const workflow: readonly (readonly [string, string | null, string | null, string | null, boolean | null, string])[] = [
  ['preauthorization', null, null, null, null, '12'],
  ['preauthorization', 'preauthorization', 'rejected', '12', true, '121'],
  ['preauthorization', 'preauthorization', 'rejected', '12', false, '121'],
  ['preauthorization', 'preauthorization', 'approved', '12', false, '121'],
  ['preauthorization', 'preauthorization', 'partially_approved', '12', false, '121'],
  ['preauthorization', 'preauthorization', 'approved', '12', true, '13'],
  ['preauthorization', 'preauthorization', 'partially_approved', '12', true, '13'],
  ['preauthorization', 'preauthorization', 'queried', '12', null, '19'],
  ['preauthorization', 'preauthorization', 'queried', '121', null, '19'],
  ['preauthorization', 'preauthorization', 'queried', '19', null, '19'],
  ['preauthorization', 'preauthorization', 'queried', '13', null, '131'],
  ['preauthorization', 'preauthorization', 'queried', '131', null, '131'],
  ['cancel', 'preauthorization', 'approved', '12', null, '122'],
  ['cancel', 'preauthorization', 'partially_approved', '12', null, '122'],
  ['preauthorization', 'preauthorization', null, '12', false, 'refused'],
  ['claim', null, null, null, null, 'refused'],
  ['claim', 'preauthorization', 'approved', '12', false, '15'],
  ['claim', 'claim', 'queried', '15', null, '151 161'],
  ['claim', 'claim', 'rejected', '15', true, '16'],
  ['claim', 'claim', 'rejected', '15', false, '16'],
  ['claim', 'claim', 'approved', '15', false, '16'],
  ['claim', 'claim', 'partially_approved', '15', false, '16'],
  ['claim', 'claim', 'approved', '15', true, 'refused'],
  ['reprocess', 'claim', 'approved', '15', null, '18'],
  ['payment_acknowledgement', null, null, null, null, '17'],
]

const resolvesWorkflows: Check = async (inspection) => {
  const { tx, tenants } = inspection
  const offenders: string[] = []
  for (const tenant of tenants) {
    await beginRequest(inspection, tenant)
    for (const [kind, parent, answer, sentAs, changed, expected] of workflow) {
      const params = [kind, parent, answer, sentAs, changed]
      const outcome = await outcomeOf(inspection, 'select insurance.resolve_workflow($1, $2, $3, $4, $5)', params)
      const code =
        outcome === '00000'
          ? (
              await tx.query<{ code: string }>('select insurance.resolve_workflow($1, $2, $3, $4, $5) as code', params)
            )[0]?.code
          : outcome
      const wanted = expected === 'refused' ? ['IM606'] : expected.split(' ')
      if (!wanted.includes(code ?? ''))
        offenders.push(`tenant ${tenant}: ${kind} after ${parent ?? 'nothing'} answered ${answer ?? '-'} gives ${code}`)
    }
  }
  const looked = `${workflow.length} cases of the resolver for ${tenants.length} tenants`
  if (tenants.length === 0) return notApplicable('there is no active tenant')
  return offenders.length > 0 ? fail(looked, offenders) : pass(looked)
}

const followsApproval: Check = withCase(async (scenario) => {
  const { inspection, packages } = scenario
  const parent = await approved(scenario, { package: 'surgical' })
  const tries: readonly (readonly [string, readonly Line[], string])[] = [
    ['enhancement', [{ package: 'surgical' }], 'IM606'],
    ['enhancement', [{ package: 'surgical' }, { package: 'implant' }], '00000'],
    ['resubmission', [{ package: 'surgical', factor: 0.5 }], '00000'],
    ['resubmission', [{ package: 'implant' }], 'IM606'],
  ]
  const offenders: string[] = []
  for (const [relation, lines, expected] of tries) {
    const outcome = await outcomeOf(inspection, 'select insurance.draft_follow_up($1, $2, $3::jsonb)', [
      parent,
      relation,
      JSON.stringify(itemsOf(packages, lines)),
    ])
    if (outcome !== expected)
      offenders.push(`${relation} with ${lines.map((line) => line.package).join()}: ${outcome}, not ${expected}`)
  }
  const looked = `${tries.length} submissions after an approval`
  return offenders.length > 0 ? fail(looked, offenders) : pass(looked)
})

/** A claim of a package that needs an approval is not submitted without one, whoever moves it. */
const needsApproval: Check = withCase(async (scenario) => {
  const { inspection } = scenario
  const submit = `update insurance.insurance_claims
    set status = 'submitted', submitted_at = now(), submit_by = now(), workflow_code = '15' where id = $1`
  const outcomes: string[] = []
  for (const name of ['surgical', 'free'] as const) {
    const outcome = await trial(inspection, async () => {
      const claim = await draft(scenario, [{ package: name }], 'claim')
      await inspection.tx.query(`update insurance.insurance_claims set status = 'ready' where id = $1`, [claim])
      return outcomeOf(inspection, submit, [claim])
    })
    outcomes.push(outcome)
  }
  const [without, needsNone] = outcomes
  if (without !== 'IM605') return fail(`a claim without the approval that its package needs ended with ${without}`)
  if (needsNone !== '00000') return fail(`a claim of a package that needs no approval ended with ${needsNone}`)
  return pass('a claim without approval refused, one of a package that needs none accepted')
})

const workflowIsChecked: Check = withCase(async (scenario) => {
  const { inspection } = scenario
  const claim = await draft(scenario, [{ package: 'surgical' }])
  const set = 'update insurance.insurance_claims set workflow_code = $2 where id = $1'
  const [unknown, known] = [
    await outcomeOf(inspection, set, [claim, 'none']),
    await outcomeOf(inspection, set, [claim, '12']),
  ]
  if (unknown !== '23514') return fail(`an unknown workflow id ended with ${unknown}`)
  return known === '00000'
    ? pass('an unknown workflow id refused, 12 taken')
    : fail(`workflow id 12 ended with ${known}`)
})

/** No column of the exchange tells an ABHA in the clear. */
const abhaIsHashed: Check = ({ tables }) => {
  const looked = tables.filter(({ schema }) => schema === 'insurance')
  const offenders = looked.flatMap((table) =>
    [...table.columns.values()]
      .filter(({ name }) => /abha|aadhaar|uidai/i.test(name))
      .filter(({ name, type }) => !(type === 'bytea' && /_(bidx|enc)$/.test(name)))
      .map(({ name }) => `${nameOf(table)}.${name}`),
  )
  const columns = looked.find(({ name }) => name === 'nhcx_messages')?.columns
  if (columns?.get('ben_abha_bidx')?.type !== 'bytea')
    offenders.push('insurance.nhcx_messages.ben_abha_bidx is no hash')
  return offenders.length > 0 ? fail(`${looked.length} tables`, offenders) : pass(`columns of ${looked.length} tables`)
}

const keysStayOutside: Check = ({ catalog }) => {
  const table = catalog.tables.get('abdm.facility_registrations')
  const offenders = [...(table?.columns.keys() ?? [])].filter((name) => /private|secret(?!_ref$)|passw/i.test(name))
  return offenders.length > 0
    ? fail('columns of abdm.facility_registrations', offenders)
    : pass('no column of abdm.facility_registrations holds a private key')
}

const envelopeIsEncrypted: Check = ({ catalog }) => {
  const table = catalog.tables.get('insurance.nhcx_messages')
  return table && columnTag(table, 'jwe_enc', 'enc') === '1'
    ? pass('jwe_enc is marked as encrypted')
    : fail('jwe_enc is not marked as encrypted', ['insurance.nhcx_messages.jwe_enc'])
}

/** National Health Claims Exchange. */
export const nhcx: RuleFamily = {
  name: 'nhcx',
  title: 'National Health Claims Exchange',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'NHX-01',
      source: 'NHCX protocol',
      rule: 'codes of participants end with @hcx',
      kind: 'catalogue',
      check: all(
        hasCheck('insurance.payers', /nhcx_participant_code/, /@hcx\$/),
        hasCheck('insurance.nhcx_messages', /sender_code/, /@hcx\$/),
        hasCheck('insurance.nhcx_messages', /recipient_code/, /@hcx\$/),
        hasCheck('abdm.facility_registrations', /NHCX_PROVIDER/, /network_id/, /@hcx\$/),
      ),
    },
    {
      id: 'NHX-02',
      source: 'NHCX protocol',
      rule: 'ids of call, request and correlation are UUIDs, and a call comes once in a direction',
      kind: 'catalogue',
      check: all(
        hasTypes({
          'insurance.nhcx_messages': { uuid: 'api_call_id request_id correlation_id' },
          'insurance.insurance_claims': { uuid: 'correlation_id' },
          'insurance.eligibility_checks': { uuid: 'correlation_id' },
        }),
        hasUnique('insurance.nhcx_messages', ['tenant_id', 'direction', 'api_call_id']),
        hasUnique('insurance.insurance_claims', ['tenant_id', 'correlation_id']),
        hasUnique('insurance.eligibility_checks', ['tenant_id', 'correlation_id']),
      ),
    },
    {
      id: 'NHX-03',
      source: 'NHCX protocol',
      rule: 'workflow ids are members of a value set, never an enumerated type',
      kind: 'catalogue',
      check: all(
        hasTypes({
          'insurance.insurance_claims': { text: 'workflow_code' },
          'insurance.claim_payments': { text: 'ack_workflow_code' },
          'insurance.nhcx_messages': { text: 'workflow_id' },
        }),
        hasTrigger('insurance.insurance_claims', 'insurance.check_workflow_code'),
        hasTrigger('insurance.claim_payments', 'insurance.check_workflow_code'),
        workflowIsChecked,
        noRows({
          what: 'workflow ids that the resolver may give',
          of: `
            select count(*)::int as n from jsonb_array_elements(core.setting('insurance.workflow_rules')) as r
            where $1::uuid is not null and r.value ? 'code'`,
          offending: `
            select 'tenant ' || $1::text || ' workflow id ' || (r.value ->> 'code') as offender
            from jsonb_array_elements(core.setting('insurance.workflow_rules')) as r
            where r.value ? 'code' and not fhir.value_set_contains('urn:nhcx:workflow-ids', r.value ->> 'code')`,
        }),
      ),
    },
    {
      id: 'NHX-04',
      source: 'NHCX protocol',
      rule: 'states of a message are those of the exchange',
      kind: 'catalogue',
      check: all(
        hasWords(
          'insurance.nhcx_messages',
          'hcx_status',
          [
            'request.initiated',
            'request.queued',
            'request.dispatched',
            'request.retry',
            'response.complete',
            'response.partial',
            'response.error',
            'response.redirect',
          ],
          true,
        ),
        hasColumns({ 'insurance.nhcx_messages': ['hcx_status!'] }),
      ),
    },
    {
      id: 'NHX-05',
      source: 'audit of the exchange',
      rule: 'every envelope is kept encrypted and hashed, and can be replayed',
      kind: 'catalogue',
      check: all(
        hasColumns({
          'insurance.nhcx_messages': ['jwe_enc!', 'payload_hash!', 'api_path!', 'hcx_timestamp!', 'attempts!'],
        }),
        hasTypes({ 'insurance.nhcx_messages': { bytea: 'jwe_enc payload_hash' } }),
        envelopeIsEncrypted,
        hasCheck('insurance.nhcx_messages', /octet_length\(payload_hash\)/, /32/),
        hasMove('insurance.nhcx_messages', 'failed', 'pending'),
      ),
    },
    {
      id: 'NHX-06',
      source: 'FHIR Claim.related, Claim.insurance.preAuthRef',
      rule: 'a claim names its pre-authorisation and carries the reference of the approval, unless its packages need none',
      kind: 'catalogue',
      check: all(
        hasCheck('insurance.insurance_claims', /claim/, /nhcx/, /related_claim_id is not null/i),
        hasCheck('insurance.insurance_claims', /approved/, /preauthorization/, /pre_auth_ref is not null/i),
        hasTrigger('insurance.insurance_claims', 'insurance.check_claim_has_approval'),
        needsApproval,
      ),
    },
    {
      id: 'NHX-07',
      source: 'idempotency of callbacks',
      rule: 'the same payload is stored once for a correlation and path, and a failed one may come again',
      kind: 'catalogue',
      check: hasUnique(
        'insurance.nhcx_messages',
        ['tenant_id', 'direction', 'correlation_id', 'api_path', 'payload_hash'],
        /status <> 'failed'/,
      ),
    },
    {
      id: 'NHX-08',
      source: 'operations',
      rule: 'no submission waits longer than the time of its payer without having been announced',
      kind: 'data',
      check: noRows({
        what: 'submissions that the payer has not decided',
        of: `
          select count(*)::int as n from insurance.insurance_claims
          where tenant_id = $1 and status in ('submitted', 'cancel_requested', 'reprocess_requested')`,
        offending: `
          select id::text as offender
          from insurance.insurance_claims
          where
            tenant_id = $1 and status in ('submitted', 'cancel_requested', 'reprocess_requested')
            and (
              decision_due_at is null
              or decision_due_at < now() - interval '1 hour' and coalesce(overdue_announced_at, '-infinity') < decision_due_at
            )`,
      }),
    },
    {
      id: 'NHX-09',
      source: 'NRCeS IG',
      rule: 'what was sent was validated before: the last rendering of its subject was a valid bundle',
      kind: 'data',
      check: noRows({
        what: 'messages about submissions and checks that were sent',
        of: `
          select count(*)::int as n from insurance.nhcx_messages
          where
            tenant_id = $1 and direction = 'out' and status in ('sent', 'completed')
            and subject_type in ('insurance_claims', 'eligibility_checks')`,
        offending: `
          select m.id::text as offender
          from insurance.nhcx_messages m
          where
            m.tenant_id = $1 and m.direction = 'out' and m.status in ('sent', 'completed')
            and m.subject_type in ('insurance_claims', 'eligibility_checks')
            and not coalesce(
              (
                select r.valid
                from fhir.resource_versions r
                where
                  r.tenant_id = m.tenant_id and r.source_id = m.subject_id and r.source_schema = 'insurance'
                  and r.source_table = m.subject_type and r.resource_type = 'Bundle' and r.recorded_at <= m.created_at
                order by r.recorded_at desc, r.version desc
                limit 1
              ),
              false
            )`,
      }),
    },
    {
      id: 'NHX-10',
      source: 'NHCX workflow',
      rule: 'enhancement, resubmission, reply to a query, cancellation and reprocess get their workflow ids',
      kind: 'behaviour',
      check: all(resolvesWorkflows, followsApproval),
    },
    {
      id: 'NHX-11',
      source: 'privacy',
      rule: 'outside the ciphertext there is only the hash of an ABHA number',
      kind: 'catalogue',
      check: all(
        abhaIsHashed,
        noRows({
          what: 'messages',
          of: 'select count(*)::int as n from insurance.nhcx_messages where tenant_id = $1',
          offending: `
            select m.id::text as offender
            from insurance.nhcx_messages m
            where
              m.tenant_id = $1
              and concat_ws(' ', m.api_path, m.entity, m.workflow_id, m.error_code, m.error::text)
                ~ '(^|[^0-9])[0-9]{2}-[0-9]{4}-[0-9]{4}-[0-9]{4}([^0-9]|$)'`,
        }),
      ),
    },
    {
      id: 'NHX-12',
      source: 'order of the protocol',
      rule: 'before a pre-authorisation the payer said that the coverage is in force',
      kind: 'data',
      check: noRows({
        what: 'pre-authorisations that were submitted',
        of: `
          select count(*)::int as n from insurance.insurance_claims
          where tenant_id = $1 and use = 'preauthorization' and submitted_at is not null`,
        offending: `
          select c.id::text as offender
          from insurance.insurance_claims c
          where
            c.tenant_id = $1 and c.use = 'preauthorization' and c.submitted_at is not null
            and not exists (
              select
              from insurance.eligibility_checks e
              where
                e.tenant_id = c.tenant_id and e.coverage_id = c.coverage_id and e.status = 'complete' and e.inforce
                and e.responded_at <= c.submitted_at
            )`,
      }),
    },
    {
      id: 'NHX-13',
      source: 'payment notices',
      rule: 'notices of payments are acknowledged, or disputed, within the days of the setting',
      kind: 'data',
      check: all(
        hasCheck('insurance.claim_payments', /acknowledged_at is not null/i, /ack_workflow_code is not null/i),
        noRows({
          what: 'notices of payments',
          of: 'select count(*)::int as n from insurance.claim_payments where tenant_id = $1',
          offending: `
            select p.id::text as offender
            from insurance.claim_payments p
            where
              p.tenant_id = $1
              and (
                p.status = 'notified' and p.created_at
                  < now() - make_interval(days => (core.setting('insurance.acknowledge_notice_days') #>> '{}')::int)
                or p.status in ('acknowledged', 'reconciled') and (p.acknowledged_at is null or p.ack_workflow_code is null)
              )`,
        }),
      ),
    },
    {
      id: 'NHX-14',
      source: 'communication',
      rule: 'queries are answered in time or lapse, and what is queried has a query',
      kind: 'data',
      check: noRows({
        what: 'queries',
        of: 'select count(*)::int as n from insurance.payer_queries where tenant_id = $1',
        offending: `
          select 'query ' || q.id as offender
          from insurance.payer_queries q
          where
            q.tenant_id = $1
            and (q.status = 'open' and q.due_at < now() - interval '1 hour' or q.answered_at > q.due_at)
          union all
          select 'submission ' || c.id
          from insurance.insurance_claims c
          where
            c.tenant_id = $1 and c.status = 'queried' and not exists (
              select
              from insurance.payer_queries q
              where q.tenant_id = c.tenant_id and q.claim_id = c.id and q.status = 'open'
            )`,
      }),
    },
    {
      id: 'NHX-15',
      source: 'PKI',
      rule: 'certificates of participants hold 30 more days, and private keys are known by their id only',
      kind: 'data',
      check: all(
        hasCheck('abdm.facility_registrations', /certificate/, /PRIVATE KEY/),
        keysStayOutside,
        noRows({
          what: 'active participants',
          of: `
            select count(*)::int as n from abdm.facility_registrations
            where tenant_id = $1 and role = 'NHCX_PROVIDER' and status = 'active'`,
          offending: `
            select id::text as offender
            from abdm.facility_registrations
            where
              tenant_id = $1 and role = 'NHCX_PROVIDER' and status = 'active'
              and (
                signing_key_kid is null or certificate is null or certificate ~ 'PRIVATE'
                or coalesce(certificate_expires_at, '-infinity') < now() + interval '30 days'
              )`,
        }),
      ),
    },
  ],
}
