import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import {
  GuardianRequiredError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  NoticeDoesNotCoverError,
} from '@imhotep/postgres'
import { addPerson } from '../clinical/clinical.fixture.ts'
import { mergePatients, proposeMerge } from '../patient/index.ts'
import { claimNotifications, queueNotification, setContactPreference } from '../communication/index.ts'
import { useOtherDate } from '../hospital.fixture.ts'
import { addChild, addDocument, asInstaller, openPrivacyOffice, type PrivacyOffice } from './compliance.fixture.ts'
import { activeConsent, expireGivenConsents, giveConsent, withdrawConsent, type GiveConsentInput } from './consents.ts'
import { publishNotice, type ConsentNotice } from './notices.ts'

let office: PrivacyOffice
let notice: ConsentNotice

const noticeText = {
  code: 'care',
  locale: 'en',
  purpose: ['care', 'billing'],
  dataCategories: ['health'],
  body: 'What we keep.',
  withdrawalHow: 'Ask.',
  complaintHow: 'Ask.',
}

before(async () => {
  office = await openPrivacyOffice()
  notice = await office.asOfficer((tx) => publishNotice(tx, noticeText))
})
after(() => office.hospital.close())

test('publishNotice: a version has one text', async () => {
  const { asOfficer } = office

  assert.deepEqual(await asOfficer((tx) => publishNotice(tx, noticeText)), notice)
  await assert.rejects(
    asOfficer((tx) => publishNotice(tx, { ...noticeText, body: 'Something else.' })),
    IdempotencyKeyReusedError,
  )
  const next = await asOfficer((tx) => publishNotice(tx, { ...noticeText, body: 'Something else.', version: 2 }))
  assert.equal(next.version, 2)
})

test('giveConsent: in force at once, and a newer one takes its place', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const input = {
    patientId,
    kind: 'data_processing',
    noticeId: notice.id,
    purposes: ['care'],
    id: randomUUID(),
  } as const
  const given = await asOfficer((tx) => giveConsent(tx, input))
  const again = await asOfficer((tx) => giveConsent(tx, input))

  assert.deepEqual([given.status, again], ['active', given])
  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'data_processing', 'care')), given.id)
  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'data_processing', 'billing')), null)
  const newer = await asOfficer((tx) => giveConsent(tx, { ...input, purposes: ['care', 'billing'], id: randomUUID() }))
  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'data_processing', 'billing')), newer.id)
  await assert.rejects(
    asOfficer((tx) => withdrawConsent(tx, given.id)),
    IllegalTransitionError,
  )
  const denied = await asOfficer((tx) => giveConsent(tx, { ...input, decision: 'deny', id: randomUUID() }))
  assert.equal(denied.status, 'active')
  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'data_processing')), null)
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...input, kind: 'treatment' })),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { patientId: randomUUID(), kind: 'treatment' })),
    NotFoundError,
  )
})

test('giveConsent: data is used for the purposes of a notice that was in effect', async () => {
  const { asOfficer, hospital } = office
  const input = { patientId: await addPerson(hospital), kind: 'data_processing', noticeId: notice.id } as const

  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...input, purposes: ['advertising'] })),
    NoticeDoesNotCoverError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...input, givenAt: new Date('2020-01-01') })),
    NoticeDoesNotCoverError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { patientId: input.patientId, kind: 'data_processing' })),
    /consents_data_processing_after_notice/,
  )
})

test('giveConsent: for a child a verified guardian consents, nobody else', async () => {
  const { asOfficer, hospital } = office
  const child = await addChild(hospital, true)
  const other = await addChild(hospital, false)
  const treat = { patientId: child.id, kind: 'treatment' } as const

  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, treat)),
    GuardianRequiredError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...treat, givenBy: 'guardian', contactId: other.parent })),
    GuardianRequiredError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...treat, patientId: other.id, givenBy: 'guardian', contactId: other.parent })),
    GuardianRequiredError,
  )
  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, { ...treat, givenBy: 'guardian' })),
    /consents_guardian_is_verified/,
  )
  const given = await asOfficer((tx) => giveConsent(tx, { ...treat, givenBy: 'guardian', contactId: child.parent }))
  assert.equal(given.status, 'active')
})

test('giveConsent: a procedure is explained by somebody and signed', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const input = { patientId, kind: 'surgery', explainedBy: hospital.staff[0] } as const

  await assert.rejects(
    asOfficer((tx) => giveConsent(tx, input)),
    /consents_procedure_explained_and_signed/,
  )
  const documentId = await addDocument(hospital, patientId)
  assert.equal((await asOfficer((tx) => giveConsent(tx, { ...input, documentId }))).status, 'active')
})

test('withdrawConsent: promotional messages stop at once', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const { id } = await asOfficer((tx) => giveConsent(tx, { patientId, kind: 'marketing' }))
  await asOfficer((tx) =>
    setContactPreference(tx, {
      subjectType: 'patient',
      subjectId: patientId,
      channel: 'sms',
      category: 'promotional',
      optedIn: true,
      consentId: id,
    }),
  )
  const optedIn = async () => {
    const rows = await asOfficer((tx) =>
      tx.query<{ opted_in: boolean }>('select opted_in from communication.contact_preferences where subject_id = $1', [
        patientId,
      ]),
    )
    return rows[0]?.opted_in
  }
  assert.equal(await optedIn(), true)

  const withdrawn = await asOfficer((tx) => withdrawConsent(tx, id))

  assert.equal(withdrawn.status, 'withdrawn')
  assert.deepEqual(await asOfficer((tx) => withdrawConsent(tx, id, 'again')), withdrawn)
  assert.equal(await optedIn(), false)
  await assert.rejects(
    asOfficer((tx) => withdrawConsent(tx, randomUUID())),
    NotFoundError,
  )
})

test('setContactPreference: an opt-in rests on the person’s own consent to marketing, permitted and in force', async () => {
  const { asOfficer, hospital } = office
  const [patientId, other, denying, withdrawing] = [
    await addPerson(hospital),
    await addPerson(hospital),
    await addPerson(hospital),
    await addPerson(hospital),
  ]
  const optIn = (subjectId: string, consentId: string) =>
    asOfficer((tx) =>
      setContactPreference(tx, {
        subjectType: 'patient',
        subjectId,
        channel: 'sms',
        category: 'promotional',
        optedIn: true,
        consentId,
      }),
    )
  const give = (input: GiveConsentInput) => asOfficer((tx) => giveConsent(tx, input))
  const own = await give({ patientId, kind: 'marketing' })
  const treatment = await give({ patientId, kind: 'treatment' })
  const denied = await give({ patientId: denying, kind: 'marketing', decision: 'deny' })
  const withdrawn = await give({ patientId: withdrawing, kind: 'marketing' })
  await asOfficer((tx) => withdrawConsent(tx, withdrawn.id))

  await assert.rejects(optIn(other, own.id), NotPermittedError)
  await assert.rejects(optIn(patientId, treatment.id), NotPermittedError)
  await assert.rejects(optIn(denying, denied.id), NotPermittedError)
  await assert.rejects(optIn(withdrawing, withdrawn.id), NotPermittedError)
  await optIn(patientId, own.id)
})

test('expireConsents: ends what is over, once', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const times = { givenAt: new Date(Date.now() - 7_200_000), expiresAt: new Date(Date.now() - 3_600_000) }
  await asOfficer((tx) => giveConsent(tx, { patientId, kind: 'research', ...times }))

  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'research')), null)
  assert.equal(await asOfficer((tx) => expireGivenConsents(tx)), 1)
  assert.equal(await asOfficer((tx) => expireGivenConsents(tx)), 0)
})

test('activeConsent: the newest word counts, whenever it was written down', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  const say = (kind: 'research' | 'marketing', decision: 'permit' | 'deny', givenAt: Date) =>
    asOfficer((tx) => giveConsent(tx, { patientId, kind, decision, givenAt, id: randomUUID() }))
  const active = (kind: 'research' | 'marketing') => asOfficer((tx) => activeConsent(tx, patientId, kind))

  const permit = await say('research', 'permit', hoursAgo(5))
  assert.equal(await active('research'), permit.id)
  await say('research', 'deny', hoursAgo(4))
  assert.equal(await active('research'), null)
  await assert.rejects(say('research', 'permit', hoursAgo(-1)), { sqlstate: '23514' })

  const denied = await say('marketing', 'deny', hoursAgo(1))
  const typedLate = await say('marketing', 'permit', hoursAgo(24))
  assert.equal(typedLate.status, 'superseded')
  assert.equal(await active('marketing'), null)
  const [row] = await asOfficer((tx) =>
    tx.query<{ status: string }>('select status from compliance.consents where id = $1', [denied.id]),
  )
  assert.equal(row?.status, 'active')
})

test('activeConsent: a permit from a device whose clock is fast does not outlast a denial that comes after it', async () => {
  const { asOfficer } = office
  const patientId = await addPerson(office.hospital)
  const input = { patientId, kind: 'marketing', givenAt: new Date(Date.now() + 4 * 60_000), id: randomUUID() } as const

  const permit = await asOfficer((tx) => giveConsent(tx, input))
  const again = await asOfficer((tx) => giveConsent(tx, input))
  const denial = await asOfficer((tx) => giveConsent(tx, { patientId, kind: 'marketing', decision: 'deny' }))

  assert.ok(permit.givenAt <= new Date())
  assert.deepEqual(again, permit)
  assert.equal(denial.status, 'active')
  assert.equal(await asOfficer((tx) => activeConsent(tx, patientId, 'marketing')), null)
})

test('claimNotifications: sends no promotion once the consent has run out, before any job ends it', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const expiresAt = new Date(Date.now() + 3000)
  const { id: consentId } = await asOfficer((tx) => giveConsent(tx, { patientId, kind: 'marketing', expiresAt }))
  await asOfficer(async (tx) => {
    await tx.query(
      `insert into communication.notification_templates
         (tenant_id, code, channel, locale, category, body, dlt_template_id)
       values ($1, 'camp.offer', 'sms', 'en', 'promotional', 'Come and see us.', '1007')`,
      [hospital.tenant],
    )
    for (const status of ['approved', 'active'])
      await tx.query(`update communication.notification_templates set status = $1 where code = 'camp.offer'`, [status])
    const preference = {
      subjectType: 'patient',
      subjectId: patientId,
      channel: 'sms',
      category: 'promotional',
    } as const
    await setContactPreference(tx, { ...preference, optedIn: true, consentId })
  })
  const queue = () =>
    asOfficer((tx) =>
      queueNotification(tx, {
        template: 'camp.offer',
        channel: 'sms',
        recipientType: 'patient',
        recipientId: patientId,
        purpose: 'camp.invitation',
        payloadEnc: Buffer.from([1]),
        dedupeKey: randomUUID(),
      }),
    )

  const inTime = await queue()
  await setTimeout(expiresAt.getTime() - Date.now() + 100)
  const late = await queue()

  assert.deepEqual([inTime.status, late.suppressedReason], ['pending', 'no_opt_in'])
  assert.deepEqual(await asOfficer((tx) => claimNotifications(tx)), [])
  const [stored] = await asOfficer((tx) =>
    tx.query('select status, suppressed_reason from communication.notifications where id = $1', [
      inTime.notificationId,
    ]),
  )
  assert.deepEqual(stored, { status: 'suppressed', suppressed_reason: 'no_opt_in' })
})

/** Approves that the duplicate is the survivor. */
async function merge(survivorId: string, duplicateId: string): Promise<void> {
  const { hospital } = office
  await hospital.run((tx) => proposeMerge(tx, { survivorId, duplicateId, reason: 'same person' }))
  await hospital.run((tx) => mergePatients(tx, survivorId, duplicateId), { user: hospital.users[1] })
}

test('activeConsent: of records that were merged, the newest word counts, also a withdrawal', async () => {
  const { asOfficer, hospital } = office
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  const pair = async () => [await addPerson(hospital), await addPerson(hospital)] as const
  const say = (patientId: string, kind: GiveConsentInput['kind'], decision: 'permit' | 'deny', givenAt: Date) =>
    asOfficer((tx) => giveConsent(tx, { patientId, kind, decision, givenAt, id: randomUUID() }))
  const active = (patientId: string, kind: GiveConsentInput['kind']) =>
    asOfficer((tx) => activeConsent(tx, patientId, kind))

  const [survivor, duplicate] = await pair()
  const permitted = await say(duplicate, 'research', 'permit', hoursAgo(3))
  await merge(survivor, duplicate)
  assert.deepEqual(
    [await active(survivor, 'research'), await active(duplicate, 'research')],
    [permitted.id, permitted.id],
  )
  await say(survivor, 'research', 'deny', hoursAgo(2))
  assert.equal(await active(duplicate, 'research'), null)

  const [kept, refusing] = await pair()
  await say(kept, 'research', 'permit', hoursAgo(3))
  await say(refusing, 'research', 'deny', hoursAgo(2))
  await merge(kept, refusing)
  assert.equal(await active(kept, 'research'), null)

  const [staying, withdrawing] = await pair()
  await say(staying, 'marketing', 'permit', hoursAgo(3))
  const takenBack = await say(withdrawing, 'marketing', 'permit', hoursAgo(2))
  await asOfficer((tx) => withdrawConsent(tx, takenBack.id))
  await merge(staying, withdrawing)
  assert.equal(await active(staying, 'marketing'), null)
  const again = await say(staying, 'marketing', 'permit', new Date())
  assert.equal(await active(withdrawing, 'marketing'), again.id)
  const typedLate = await say(withdrawing, 'marketing', 'deny', hoursAgo(1))
  assert.equal(typedLate.status, 'superseded')
})

test('opt-ins: one record of a person opts in under the consent of another, and a word under either stops it', async () => {
  const { asOfficer, hospital } = office
  const give = (patientId: string, decision: 'permit' | 'deny' = 'permit') =>
    asOfficer((tx) => giveConsent(tx, { patientId, kind: 'marketing', decision, id: randomUUID() }))
  const optIn = (subjectId: string, consentId: string) =>
    asOfficer((tx) =>
      setContactPreference(tx, {
        subjectType: 'patient',
        subjectId,
        channel: 'sms',
        category: 'promotional',
        optedIn: true,
        consentId,
      }),
    )
  const optedIn = async (subjectId: string) => {
    const rows = await asOfficer((tx) =>
      tx.query<{ opted_in: boolean }>('select opted_in from communication.contact_preferences where subject_id = $1', [
        subjectId,
      ]),
    )
    return rows[0]?.opted_in
  }

  const [survivor, duplicate] = [await addPerson(hospital), await addPerson(hospital)]
  const first = await give(duplicate)
  await merge(survivor, duplicate)
  await optIn(survivor, first.id)
  await give(survivor, 'deny')
  assert.equal(await optedIn(survivor), false)
  await assert.rejects(optIn(survivor, first.id), NotPermittedError)

  const [kept, refusing] = [await addPerson(hospital), await addPerson(hospital)]
  const old = await give(kept)
  await optIn(kept, old.id)
  await give(refusing, 'deny')
  await merge(kept, refusing)
  assert.equal(await optedIn(kept), false)
  await assert.rejects(optIn(kept, old.id), NotPermittedError)

  const [two, one] = [await addPerson(hospital), await addPerson(hospital)]
  const older = await give(one)
  const newer = await give(two)
  await optIn(two, newer.id)
  await merge(two, one)
  assert.equal(await optedIn(two), true)
  await asOfficer((tx) => withdrawConsent(tx, newer.id))
  assert.equal(await optedIn(two), false)
  await assert.rejects(optIn(two, older.id), NotPermittedError)
})

test('opt-outs: what a person refused under one record is sent under none after the merge', async () => {
  const { asOfficer, hospital } = office
  const prefer = (subjectId: string, category: 'service' | 'transactional', optedIn: boolean) =>
    asOfficer((tx) =>
      setContactPreference(tx, { subjectType: 'patient', subjectId, channel: 'email', category, optedIn }),
    )
  const [survivor, duplicate] = [await addPerson(hospital), await addPerson(hospital)]
  await prefer(survivor, 'transactional', true)
  await prefer(duplicate, 'transactional', false)
  await prefer(duplicate, 'service', false)

  await merge(survivor, duplicate)

  const rows = await asOfficer((tx) =>
    tx.query(
      `select category, opted_in from communication.contact_preferences
       where subject_id = $1 and channel = 'email' order by category`,
      [survivor],
    ),
  )
  assert.deepEqual(rows, [
    { category: 'service', opted_in: false },
    { category: 'transactional', opted_in: false },
  ])
  await prefer(survivor, 'service', true)
})

test('giveConsent: birthdays and the last day of a guardianship are counted where the tenant is', async () => {
  const { asOfficer, hospital } = office
  const here = await useOtherDate(hospital)
  const childUntil = async (majority: number, guardianship: number) => {
    const child = await addChild(hospital, true)
    await asInstaller(hospital, async (tx) => {
      await tx.query(
        `update patient.patients set birth_date = $2::date + $3::int - interval '18 years' where id = $1`,
        [child.id, here, majority],
      )
      await tx.query('update patient.patient_contacts set valid_to = $2::date + $3::int where id = $1', [
        child.parent,
        here,
        guardianship,
      ])
    })
    return {
      own: () => asOfficer((tx) => giveConsent(tx, { patientId: child.id, kind: 'treatment' })),
      ofParent: () =>
        asOfficer((tx) =>
          giveConsent(tx, { patientId: child.id, kind: 'treatment', givenBy: 'guardian', contactId: child.parent }),
        ),
    }
  }
  const today = await childUntil(0, 0)
  const tomorrow = await childUntil(1, -1)

  assert.equal((await today.own()).status, 'active')
  assert.equal((await today.ofParent()).status, 'active')
  await assert.rejects(tomorrow.own(), GuardianRequiredError)
  await assert.rejects(tomorrow.ofParent(), GuardianRequiredError)
})
