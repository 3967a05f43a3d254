import { randomUUID } from 'node:crypto'
import {
  all,
  columnTag,
  hasCheck,
  hasColumns,
  hasMove,
  hasTrigger,
  hasTypes,
  hasUnique,
  judge,
  nameOf,
  noRows,
  type Trial,
} from '../checks.ts'
import { outcomeOf, rowsOfTenants, trial, type Inspection } from '../inspection.ts'
import { fail, needsPerson, notApplicable, pass, type ComplianceRule, type RuleFamily } from '../rule.ts'
import {
  addAccount,
  addContext,
  addLinkedPerson,
  addPerson,
  grantOf,
  hip,
  linkAbha,
  openSession,
  withClinic,
} from './abdm-scenario.ts'

type Check = ComplianceRule['check']

const hiTypes = [
  'OPConsultation',
  'Prescription',
  'DischargeSummary',
  'DiagnosticReport',
  'ImmunizationRecord',
  'HealthDocumentRecord',
  'WellnessRecord',
  'Invoice',
]

const readsNumbers: Check = async (inspection) => {
  const forms: readonly (readonly [string, boolean])[] = [
    ['91-1234-5678-9012', true],
    ['91123456789012', true],
    // no check digit is published: every last digit must pass
    ...Array.from({ length: 10 }, (_, digit) => [`9112345678901${digit}`, true] as const),
    ['9112345678901', false],
    ['911234567890123', false],
    ['91-1234-5678-901', false],
    ['91-1234-5678-90123', false],
    ['9112345678901A', false],
    ['', false],
  ]
  const offenders: string[] = []
  for (const [form, isRight] of forms) {
    const outcome = await outcomeOf(inspection, 'select abdm.normalise_abha_number($1)', [form])
    if (outcome !== (isRight ? '00000' : '22023')) offenders.push(`${form.length} characters, ${isRight}: ${outcome}`)
  }
  const [row] = await inspection.tx.query<{ digits: string }>(
    `select abdm.normalise_abha_number('91-1234-5678-9012') as digits`,
  )
  if (row?.digits !== '91123456789012') offenders.push('the hyphens are kept')
  return offenders.length > 0 ? fail(`${forms.length} forms`, offenders) : pass(`${forms.length} forms`)
}

/** Columns that would hold what UIDAI forbids to keep; when an OTP was sent, tried and hashed may be kept. */
const keepsNoIdentity: Check = ({ tables }) => {
  const looked = tables.filter(({ schema }) => schema === 'abdm')
  const forbidden = /aadh?aar|uidai|(^|_)(vid|uid|virtual_id|otp|otp_enc|pin)(_|$)|biometric|finger|(^|_)iris|face_/i
  const allowed = /^otp_(sent_at|attempts|expires_at|hash)$/
  const offenders = looked.flatMap((table) =>
    [...table.columns.keys()]
      .filter((name) => forbidden.test(name) && !allowed.test(name))
      .map((name) => `${nameOf(table)}.${name}`),
  )
  const columns = looked.reduce((sum, table) => sum + table.columns.size, 0)
  if (looked.length === 0) return fail('there is no table of schema abdm')
  return offenders.length > 0
    ? fail(`${columns} columns`, offenders)
    : pass(`${columns} columns of ${looked.length} tables`)
}

const numberIsEncrypted: Check = ({ catalog }) => {
  const table = catalog.tables.get('abdm.abha_accounts')
  const plain = [...(table?.columns.values() ?? [])].filter(
    ({ name, type }) => /abha_number|health_id/.test(name) && type !== 'bytea' && name !== 'abha_number_last4',
  )
  if (plain.length > 0)
    return fail(
      'columns of abdm.abha_accounts',
      plain.map(({ name }) => name),
    )
  return table && columnTag(table, 'abha_number_enc', 'enc') === '1'
    ? pass('the number is encrypted, beside it are hash and last four digits')
    : fail('abha_number_enc is not marked as encrypted', ['abdm.abha_accounts.abha_number_enc'])
}

const deactivatedIsNotLinked: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const { tx } = inspection
  const trials: Trial[] = []
  for (const status of ['DEACTIVATED', 'DELETED']) {
    const [person, account] = [await addPerson(scenario, 'Uma'), await addAccount(scenario)]
    await tx.query('select abdm.record_abha_status($1, null, $2)', [status, account.address])
    trials.push([
      `linking an ABHA that is ${status}`,
      await outcomeOf(inspection, linkAbha, [person.id, account.id]),
      'IM006',
    ])
  }
  const linked = await addLinkedPerson(scenario, 'Vani')
  const context = await addContext(scenario, linked.id)
  const token = randomUUID()
  await tx.query('select abdm.request_link_token($1, $2, $3)', [token, linked.id, hip])
  await tx.query(`select abdm.store_link_token($1, '\\x01', now() + interval '1 hour')`, [token])
  const link = 'select abdm.link_care_contexts($1, $2, array[$3::uuid])'
  const before = await outcomeOf(inspection, link, [randomUUID(), linked.id, context.id])
  await tx.query(`select abdm.record_abha_status('DEACTIVATED', null, $1)`, [linked.account.address])
  const after = await outcomeOf(inspection, link, [randomUUID(), linked.id, context.id])
  trials.push(['linking a care context', before, '00000'], ['the same when the ABHA is deactivated', after, 'IM006'])

  const deleted = await addLinkedPerson(scenario, 'Yamini')
  const shown = await addContext(scenario, deleted.id, 'OPConsultation', deleted.account.id)
  await tx.query(`select abdm.record_abha_status('DELETED', null, $1)`, [deleted.account.address])
  const [row] = await tx.query<{ status: string }>('select status from abdm.care_contexts where id = $1', [shown.id])
  trials.push(['contexts of an ABHA that was deleted are', row?.status ?? '', 'unlinked'])
  return judge(trials)
})

/** Every HI type that the network knows may be used, and no other. */
const hiTypesAreKnown: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const person = await addPerson(scenario, 'Tara')
  const add = 'select abdm.add_care_context($1, $2, $3, $4, current_date, null, $5)'
  const trials: Trial[] = []
  for (const hiType of [...hiTypes, 'AnythingElse'])
    trials.push([
      `a context of type ${hiType}`,
      await outcomeOf(inspection, add, [person.id, hiType, 'clinical.encounters', randomUUID(), hip]),
      hiType === 'AnythingElse' ? '23514' : '00000',
    ])
  return judge(trials)
})

const discovery = `select t.status, t.patient_id as patient from abdm.discover_patient($1, jsonb_build_object(
  'transaction_id', $2::uuid, 'hip_id', 'PROBE-HIP', 'abha_address', $3::text, 'name', $4::text, 'sex', 'female',
  'birth_year', 1985, 'mrn', $5::text, 'mobile_bidx', sha256($6::text::bytea)::text
)) as t`

const discoversOneOrNobody: Check = withClinic(async (scenario) => {
  const mobile = randomUUID()
  const [first, twin] = [await addPerson(scenario, 'Rekha', mobile), await addPerson(scenario, 'Rekha', mobile)]
  const number = randomUUID()
  const lone = await addPerson(scenario, 'Kavita', number)
  const linked = await addLinkedPerson(scenario, 'Sita')
  const stranger = `nobody${randomUUID().slice(0, 8)}@${linked.account.address.split('@')[1] ?? 'sbx'}`
  const found = async (address: string, name: string, mrn: string | null, number: string) => {
    const params = [randomUUID(), randomUUID(), address, name, mrn, number]
    const [row] = await scenario.inspection.tx.query<{ status: string; patient: string | null }>(discovery, params)
    return row?.status === 'matched' ? (row.patient ?? 'matched nobody') : (row?.status ?? '')
  }
  return judge([
    ['two people with one mobile and name are', await found(stranger, first.name, null, mobile), 'not_found'],
    [
      'the MR number chooses between them',
      (await found(stranger, twin.name, twin.mrn, mobile)) === twin.id ? '00000' : 'not',
      '00000',
    ],
    [
      'an MR number without a verified identifier is',
      await found(stranger, first.name, first.mrn, randomUUID()),
      'not_found',
    ],
    ['a mobile with another name is', await found(stranger, 'Gopal Krishna', null, number), 'not_found'],
    [
      'a mobile with the right name',
      (await found(stranger, lone.name, null, number)) === lone.id ? '00000' : 'not found',
      '00000',
    ],
    [
      'a linked ABHA address',
      (await found(linked.account.address, linked.name, null, randomUUID())) === linked.id ? '00000' : 'not found',
      '00000',
    ],
  ])
})

const otpsEnd: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const { tx } = inspection
  const person = await addLinkedPerson(scenario, 'Nila')
  const confirm = `select abdm.confirm_link($1, sha256($2::text::bytea))`
  const waiting = async (): Promise<string> => {
    const context = await addContext(scenario, person.id)
    const [transaction, reference] = [randomUUID(), `PROBE-${randomUUID()}`]
    await tx.query(discovery, [randomUUID(), transaction, person.account.address, person.name, null, randomUUID()])
    await tx.query(`select abdm.init_link($1, $2, array[$3], $4, sha256('right'))`, [
      randomUUID(),
      transaction,
      context.reference,
      reference,
    ])
    return reference
  }
  const wrong = await waiting()
  for (let attempt = 0; attempt < 3; attempt += 1) await tx.query(confirm, [wrong, 'wrong'])
  const late = await waiting()
  await tx.query(
    `update abdm.linking_transactions set otp_expires_at = now() - interval '1 second' where link_ref_number = $1`,
    [late],
  )
  return judge([
    ['the right OTP', await outcomeOf(inspection, confirm, [await waiting(), 'right']), '00000'],
    ['the right OTP after three wrong ones', await outcomeOf(inspection, confirm, [wrong, 'right']), 'IM704'],
    ['the right OTP after its time', await outcomeOf(inspection, confirm, [late, 'right']), 'IM703'],
  ])
})

const signatureDecides: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const person = await addLinkedPerson(scenario, 'Lata')
  const context = await addContext(scenario, person.id, 'OPConsultation', person.account.id)
  const ingest = (isValid: boolean | null) =>
    grantOf(person.account.address, [context.reference], { signature_valid: isValid })
  const [, sql, params] = ingest(null)
  const unchecked = await outcomeOf(inspection, sql, params)
  const answers: string[] = []
  for (const isValid of [false, true]) {
    const [, statement, values] = ingest(isValid)
    const [row] = await inspection.tx.query<{ outcome: string }>(statement, values)
    answers.push(row?.outcome ?? '')
  }
  return judge([
    ['an artefact whose signature nobody checked', unchecked, 'IM714'],
    ['one with a wrong signature is', answers[0] ?? '', 'invalid'],
    ['one with the right signature is', answers[1] ?? '', 'granted'],
  ])
})

const transfersStayInside: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const { tx } = inspection
  const person = await addLinkedPerson(scenario, 'Jaya')
  const account = person.account.id
  const listed = await addContext(scenario, person.id, 'OPConsultation', account)
  const otherType = await addContext(scenario, person.id, 'Prescription', account)
  const notListed = await addContext(scenario, person.id, 'OPConsultation', account)
  const authorise = 'select abdm.authorise_transfer($1, $2::text[])'
  const granted = async (changes: Readonly<Record<string, unknown>> = {}) => {
    // the contexts are our own: the artefact names the patient as we do
    const references = [listed, otherType].map(({ reference }) => ({
      patient_reference: person.id,
      care_context_reference: reference,
    }))
    const [artefactId, sql, params] = grantOf(person.account.address, [], { care_contexts: references, ...changes })
    await tx.query(sql, params)
    return artefactId
  }
  const attempt = async (references: readonly string[] | null, days = 30, artefactId?: string) => {
    const session = await openSession(scenario, artefactId ?? (await granted()), days)
    return outcomeOf(inspection, authorise, [session, references])
  }
  const used = await granted()
  await tx.query(authorise, [await openSession(scenario, used), null])
  const revoked = await granted()
  await tx.query('select abdm.ingest_consent($1, $2::jsonb)', [
    randomUUID(),
    JSON.stringify({ role: 'HIP', status: 'REVOKED', artefact_id: revoked }),
  ])
  return judge([
    ['what the consent allows', await attempt([listed.reference]), '00000'],
    ['a period outside the window', await attempt(null, 500), 'IM711'],
    ['once more on the same day', await attempt(null, 30, used), 'IM712'],
    ['another HI type', await attempt([otherType.reference]), 'IM713'],
    ['a context that is not listed', await attempt([notListed.reference]), 'IM713'],
    ['after the patient revoked', await attempt(null, 30, revoked), 'IM710'],
    ['after dataEraseAt', await attempt(null, 30, await granted({ data_erase_at: '2020-01-01T00:00:00Z' })), 'IM715'],
  ])
})

/** A page of what was not authorised is not recorded, and the key ends with the session. */
const sessionsEnd: Check = withClinic(async (scenario) => {
  const { inspection } = scenario
  const { tx } = inspection
  const person = await addLinkedPerson(scenario, 'Hema')
  const context = await addContext(scenario, person.id, 'OPConsultation', person.account.id)
  const [artefactId, sql, params] = grantOf(person.account.address, [], {
    care_contexts: [{ patient_reference: person.id, care_context_reference: context.reference }],
  })
  await tx.query(sql, params)
  const session = await openSession(scenario, artefactId)
  await tx.query('select abdm.authorise_transfer($1)', [session])
  await tx.query(
    `select abdm.record_transfer($1, jsonb_build_object('care_context_reference', $2::text, 'page_no', 1, 'checksum', '\\x01'))`,
    [session, context.reference],
  )
  await tx.query(`select abdm.finish_transfer($1, 'TRANSFERRED')`, [session])
  const [row] = await tx.query<{ gone: boolean }>(
    'select own_private_key_enc is null as gone from abdm.health_info_requests where id = $1',
    [session],
  )
  return row?.gone === true ? pass('the key of a finished session is gone') : fail('the key outlives its session')
})

const received = `
  abdm.health_info_transfers t
  join abdm.health_info_requests h on h.tenant_id = t.tenant_id and h.id = t.request_row_id
  join abdm.consent_artefacts a on a.tenant_id = h.tenant_id and a.id = h.artefact_row_id`

/** What is under a legal hold waits; the check knows that only where holds exist. */
const isErased: Check = (inspection) => {
  const holds = [...inspection.catalog.functions.values()].some((fn) => nameOf(fn) === 'compliance.is_under_hold')
  return noRows({
    what: 'pages that were received',
    of: `select count(*)::int as n from abdm.health_info_transfers where tenant_id = $1 and direction = 'in'`,
    offending: `
      select t.id::text as offender
      from ${received}
      where
        t.tenant_id = $1 and t.direction = 'in'
        and (
          t.erased_at is null and t.erase_at < now() - interval '1 day'
          ${holds ? `and not compliance.is_under_hold('abdm', 'health_info_transfers', t.id, a.patient_id)` : ''}
          or t.erase_at > a.data_erase_at
          or t.erased_at is not null and t.bundle_document_id is not null
        )`,
  })(inspection)
}

const builders = async (inspection: Inspection) =>
  rowsOfTenants<{ tenant: string; builder: string }>(
    inspection,
    `select $1::text as tenant, b.value as builder
     from jsonb_array_elements_text(coalesce(core.setting('abdm.bundle_builders'), '[]')) as b`,
  )

const everyTypeHasBuilder: Check = async (inspection) => {
  const registered = await builders(inspection)
  if (registered.length === 0)
    return needsPerson(
      'no HI type is in setting abdm.bundle_builders: name there those whose document bundles the application builds',
    )
  const offenders = inspection.tenants.flatMap((tenant) => {
    const own = registered.filter((row) => row.tenant === tenant).map(({ builder }) => builder)
    return hiTypes.filter((type) => !own.includes(type)).map((type) => `tenant ${tenant}: no builder of ${type}`)
  })
  const looked = `${hiTypes.length} HI types for ${inspection.tenants.length} tenants`
  return offenders.length > 0 ? fail(looked, offenders) : pass(looked)
}

const emergencyNeedsSession: Check = withClinic(async (scenario) => {
  const { inspection, tenant } = scenario
  const [row] = await inspection.tx.query<{ id: string }>(
    'select id from auth.users where tenant_id = $1 order by id limit 1',
    [tenant],
  )
  if (!row) return notApplicable('there is no user to try it with')
  const person = await addLinkedPerson(scenario, 'Bina')
  const ask = `select abdm.request_consent(jsonb_build_object(
    'request_id', $1::uuid, 'patient_id', $2::uuid, 'hiu_id', 'PROBE-HIU', 'requester_registration', 'PROBE-1', 'purpose', 'BTG',
    'hi_types', '["DischargeSummary"]'::jsonb, 'data_from', now() - interval '1 year', 'data_to', now() - interval '1 day',
    'data_erase_at', now() + interval '7 days'
  ))`
  const without = await outcomeOf(inspection, ask, [randomUUID(), person.id])
  const withSession = await trial(inspection, async () => {
    await inspection.tx.query(`select audit.open_break_glass($1, 'emergency', 'a probe of the compliance check')`, [
      person.id,
    ])
    return outcomeOf(inspection, ask, [randomUUID(), person.id])
  })
  return judge([
    ['asking as an emergency without a session', without, 'IM006'],
    ['the same in a session', withSession, '00000'],
  ])
})

/** Ayushman Bharat Digital Mission. */
export const abdm: RuleFamily = {
  name: 'abdm',
  title: 'Ayushman Bharat Digital Mission',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'ABD-01',
      source: 'M1',
      rule: 'every attempt to register an ABHA has method, transaction, attempts, outcome and operator',
      kind: 'catalogue',
      check: all(
        hasColumns({
          'abdm.abha_registrations': [
            'purpose!',
            'method!',
            'txn_id',
            'request_id!',
            'otp_attempts!',
            'status!',
            'error_code',
            'started_at!',
            'finished_at',
            'operator_user_id!',
            'clinic_id!',
          ],
        }),
        hasMove('abdm.abha_registrations', 'initiated', 'otp_sent'),
        hasMove('abdm.abha_registrations', 'otp_sent', 'otp_verified'),
        hasMove('abdm.abha_registrations', 'otp_sent', 'failed'),
        hasMove('abdm.abha_registrations', 'enrolled', 'linked'),
        hasCheck('abdm.abha_registrations', /failed/, /expired/, /linked/, /finished_at is not null/i),
      ),
    },
    {
      id: 'ABD-02',
      source: 'M1',
      rule: 'ABHA numbers are encrypted and hashed; a number is there once, and a patient has one ABHA',
      kind: 'catalogue',
      check: all(
        hasTypes({ 'abdm.abha_accounts': { bytea: 'abha_number_enc abha_number_bidx' } }),
        numberIsEncrypted,
        hasUnique('abdm.abha_accounts', ['tenant_id', 'abha_number_bidx']),
        hasUnique('abdm.abha_accounts', ['tenant_id', 'abha_address']),
        hasUnique('abdm.abha_accounts', ['tenant_id', 'patient_id'], /linked/),
        hasCheck('abdm.abha_accounts', /abha_number_enc/, /abha_number_bidx/),
      ),
    },
    {
      id: 'ABD-03',
      source: 'M1',
      rule: 'an ABHA number is 14 digits, plain or as 2-4-4-4, and no check digit refuses one',
      kind: 'behaviour',
      check: readsNumbers,
    },
    {
      id: 'ABD-04',
      source: 'UIDAI',
      rule: 'no Aadhaar number, virtual id, OTP or biometric has a column',
      kind: 'catalogue',
      check: all(
        keepsNoIdentity,
        hasTrigger('abdm.abha_registrations', 'core.reject_aadhaar_like'),
        hasTrigger('abdm.abha_accounts', 'core.reject_aadhaar_like'),
      ),
    },
    {
      id: 'ABD-05',
      source: 'M1',
      rule: 'a linked ABHA was verified and has its patient',
      kind: 'catalogue',
      check: hasCheck('abdm.abha_accounts', /linked/, /patient_id is not null/i, /verified_at is not null/i),
    },
    {
      id: 'ABD-06',
      source: 'patient status notify',
      rule: 'an ABHA that was deactivated or deleted is not linked, and nothing is linked to it',
      kind: 'behaviour',
      check: deactivatedIsNotLinked,
    },
    {
      id: 'ABD-07',
      source: 'M2',
      rule: 'a care context has one reference at its site, and one of the eight HI types',
      kind: 'catalogue',
      check: all(
        hasUnique('abdm.care_contexts', ['tenant_id', 'hip_id', 'patient_reference', 'reference']),
        hasTrigger('abdm.care_contexts', 'abdm.check_hi_types'),
        hiTypesAreKnown,
      ),
    },
    {
      id: 'ABD-08',
      source: 'M2',
      rule: 'a day after they ended, visits and stays of linked patients have a care context',
      kind: 'data',
      check: noRows({
        what: 'finished encounters of linked patients',
        of: `
          select count(*)::int as n
          from abdm.abha_accounts a
          join clinical.encounters e on e.tenant_id = a.tenant_id and e.patient_id = a.patient_id and e.status = 'finished'
          where a.tenant_id = $1 and a.status = 'linked' and a.deleted_at is null`,
        offending: `
          select e.id::text as offender
          from abdm.abha_accounts a
          join clinical.encounters e on e.tenant_id = a.tenant_id and e.patient_id = a.patient_id and e.status = 'finished'
          where
            a.tenant_id = $1 and a.status = 'linked' and a.deleted_at is null and e.deleted_at is null
            and upper(e.period) < now() - interval '1 day' and a.linked_at < now() - interval '1 day'
            and not exists (
              select from abdm.care_contexts c where c.tenant_id = e.tenant_id and c.encounter_id = e.id
            )`,
      }),
    },
    {
      id: 'ABD-09',
      source: 'M2',
      rule: 'what the network shows of a care context names no diagnosis',
      kind: 'data',
      check: noRows({
        what: 'care contexts',
        of: 'select count(*)::int as n from abdm.care_contexts where tenant_id = $1',
        offending: `
          select distinct c.id::text as offender
          from abdm.care_contexts c
          join clinical.conditions d on d.tenant_id = c.tenant_id and d.patient_id = c.patient_id
          cross join lateral (values (d.display), (d.code), (d.icd10), (d.icd11)) as w (word)
          where
            c.tenant_id = $1 and length(btrim(w.word)) >= 3
            and position(lower(btrim(w.word)) in lower(c.display)) > 0`,
      }),
    },
    {
      id: 'ABD-10',
      source: 'M2, discovery',
      rule: 'a discovery finds one patient or nobody, and nobody by what was not verified',
      kind: 'behaviour',
      check: discoversOneOrNobody,
    },
    {
      id: 'ABD-11',
      source: 'M2',
      rule: 'OTPs and link tokens expire, and an OTP is tried three times at most',
      kind: 'catalogue',
      check: all(
        hasCheck('abdm.linking_transactions', /otp_sent/, /otp_hash/, /otp_expires_at/),
        hasCheck('abdm.linking_transactions', /link_token/, /token_expires_at/),
        hasCheck('abdm.linking_transactions', /otp_attempts <= 3\b/),
        hasCheck('abdm.abha_registrations', /otp_attempts <= 3\b/),
        otpsEnd,
      ),
    },
    {
      id: 'ABD-12',
      source: 'M3',
      rule: 'an artefact is granted only when its signature was checked and is right, and stays as it was signed',
      kind: 'catalogue',
      check: all(
        hasCheck('abdm.consent_artefacts', /granted/, /signature_valid/),
        hasTrigger('abdm.consent_artefacts', 'abdm.keep_permission'),
        signatureDecides,
      ),
    },
    {
      id: 'ABD-13',
      source: 'M3',
      rule: 'nothing moves outside window, HI types, contexts and frequency of the consent',
      kind: 'behaviour',
      check: all(
        hasTrigger('abdm.health_info_requests', 'abdm.check_session'),
        hasTrigger('abdm.health_info_transfers', 'abdm.check_transferred_context'),
        transfersStayInside,
      ),
    },
    {
      id: 'ABD-14',
      source: 'M3',
      rule: 'nothing moved after a consent was revoked or had expired',
      kind: 'data',
      check: noRows({
        what: 'transfers',
        of: 'select count(*)::int as n from abdm.health_info_transfers where tenant_id = $1',
        offending: `
          select t.id::text as offender
          from ${received}
          where
            t.tenant_id = $1
            and t.transferred_at > least(
              coalesce(a.revoked_at, 'infinity'), coalesce(a.expired_at, 'infinity'), a.data_erase_at
            )`,
      }),
    },
    {
      id: 'ABD-15',
      source: 'M3',
      rule: 'what was received is erased within a day of dataEraseAt',
      kind: 'data',
      check: isErased,
    },
    {
      id: 'ABD-16',
      source: 'M3',
      rule: 'the private key is gone when its session has ended',
      kind: 'catalogue',
      check: all(
        hasCheck(
          'abdm.health_info_requests',
          /own_private_key_enc is null/i,
          /^(?=.*'transferring')(?!.*'(transferred|failed|notified|rejected)')/s,
        ),
        sessionsEnd,
      ),
    },
    {
      id: 'ABD-17',
      source: 'gateway',
      rule: 'a callback is kept once a REQUEST-ID',
      kind: 'catalogue',
      check: all(
        hasTypes({ 'abdm.gateway_messages': { uuid: 'request_id' } }),
        hasColumns({ 'abdm.gateway_messages': ['request_id!', 'direction!', 'path!'] }),
        hasUnique('abdm.gateway_messages', ['tenant_id', 'direction', 'request_id', 'path']),
        hasUnique('abdm.linking_transactions', ['tenant_id', 'request_id']),
        hasUnique('abdm.consent_requests', ['tenant_id', 'request_id']),
        hasUnique('abdm.health_info_requests', ['tenant_id', 'role', 'request_id']),
      ),
    },
    {
      id: 'ABD-18',
      source: 'Health Facility Registry',
      rule: 'an active information provider or user has its HFR id and is called back over https',
      kind: 'data',
      check: all(
        hasColumns({ 'abdm.facility_registrations': ['hfr_id!', 'callback_url!'] }),
        hasCheck('abdm.facility_registrations', /callback_url/, /\^https:/),
        noRows({
          what: 'active registrations',
          of: `
            select count(*)::int as n from abdm.facility_registrations
            where tenant_id = $1 and status = 'active' and role in ('HIP', 'HIU', 'HIP_HIU')`,
          offending: `
            select id::text as offender
            from abdm.facility_registrations
            where
              tenant_id = $1 and status = 'active' and role in ('HIP', 'HIU', 'HIP_HIU')
              and (btrim(hfr_id) = '' or callback_url !~ '^https://')`,
        }),
      ),
    },
    {
      id: 'ABD-19',
      source: 'Healthcare Professionals Registry',
      rule: 'doctors who signed, or answer for, what was sent have an HPR id',
      kind: 'data',
      check: noRows({
        what: 'doctors of what was sent',
        of: `select count(distinct d.id)::int as n from ${doctorsOfTransfers()}`,
        offending: `select distinct d.id::text as offender from ${doctorsOfTransfers()} and d.hpr_id is null`,
      }),
    },
    {
      id: 'ABD-20',
      source: 'NRCeS IG 6.5',
      rule: 'what was exchanged names its profile, and what was sent was a bundle that had been validated',
      kind: 'data',
      check: noRows({
        what: 'transfers',
        of: `
          select count(*)::int as n from abdm.health_info_transfers
          where tenant_id = $1 and coalesce(hi_status, '') <> 'ERRORED'`,
        offending: `
          select t.id::text as offender
          from abdm.health_info_transfers t
          left join abdm.care_contexts c on c.tenant_id = t.tenant_id and c.reference = t.care_context_reference
          where
            t.tenant_id = $1 and coalesce(t.hi_status, '') <> 'ERRORED'
            and (
              t.bundle_profile is null
              or t.direction = 'out' and (
                jsonb_array_length(coalesce(nullif(t.validation_errors, '{}'), '[]')) > 0
                or not exists (
                  select
                  from fhir.resource_versions r
                  where
                    r.tenant_id = t.tenant_id and r.resource_type = 'Bundle' and r.valid and r.profile <> '{}'
                    and r.recorded_at <= t.transferred_at
                    and (
                      r.logical_id = c.bundle_logical_id
                      or r.source_id = c.id and r.source_schema = 'abdm'
                      or r.source_id = c.source_id and r.source_schema || '.' || r.source_table = c.source_type
                    )
                    and not exists (
                      select
                      from fhir.resource_versions later
                      where
                        later.tenant_id = r.tenant_id and later.resource_type = r.resource_type
                        and later.logical_id = r.logical_id and later.version > r.version
                        and later.recorded_at <= t.transferred_at and not coalesce(later.valid, false)
                    )
                )
              )
            )`,
      }),
    },
    {
      id: 'ABD-21',
      source: 'M3',
      rule: 'every HI type has a builder of its document bundle',
      kind: 'catalogue',
      check: everyTypeHasBuilder,
    },
    {
      id: 'ABD-22',
      source: 'M3, purpose BTG',
      rule: 'who asks for a consent as an emergency has an open emergency access to the patient',
      kind: 'data',
      check: all(
        hasTrigger('abdm.consent_requests', 'abdm.check_emergency_consent'),
        emergencyNeedsSession,
        noRows({
          what: 'requests for an emergency',
          of: `select count(*)::int as n from abdm.consent_requests where tenant_id = $1 and purpose = 'BTG'`,
          offending: `
            select r.id::text as offender
            from abdm.consent_requests r
            where
              r.tenant_id = $1 and r.purpose = 'BTG' and not exists (
                select
                from audit.break_glass_sessions b
                where
                  b.tenant_id = r.tenant_id and b.user_id = r.requester_user_id and b.patient_id = r.patient_id
                  and r.created_at between b.opened_at and coalesce(b.closed_at, b.expires_at)
              )`,
        }),
      ),
    },
  ],
}

/** Doctors of the care contexts that were sent: of the visit, and who signed the record or its document. */
function doctorsOfTransfers(): string {
  return `
    abdm.health_info_transfers t
    join abdm.care_contexts c on c.tenant_id = t.tenant_id and c.reference = t.care_context_reference
    left join clinical.encounters e on e.tenant_id = c.tenant_id and e.id = c.encounter_id
    left join ehr.document_signatures s on
      s.tenant_id = c.tenant_id
      and (s.document_id = t.bundle_document_id or s.subject_id = c.source_id and s.subject_type = c.source_type)
    left join workforce.staff m on m.tenant_id = s.tenant_id and m.user_id = s.signer_user_id
    join workforce.doctors d on
      d.tenant_id = c.tenant_id and (d.id = e.attending_doctor_id or d.staff_id = m.id)
    where t.tenant_id = $1 and t.direction = 'out' and coalesce(t.hi_status, '') <> 'ERRORED'`
}
