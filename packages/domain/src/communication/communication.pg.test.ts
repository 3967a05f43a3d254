import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import {
  CheckViolationError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
} from '@imhotep/postgres'
import { withHospital, type Hospital } from '../hospital.fixture.ts'
import { setContactPreference } from './contact-preference.ts'
import { claimNotifications, finishNotification, recordDelivery } from './dispatch.ts'
import { cancelNotification, queueNotification, type NotificationInput } from './queue-notification.ts'

interface Template {
  readonly code: string
  readonly category?: string
  readonly locale?: string
  readonly dltTemplateId?: string | null
}

async function addTemplate({ run, tenant }: Hospital, template: Template): Promise<string> {
  const { code, category = 'service', locale = 'en', dltTemplateId = '1007' } = template
  const id = randomUUID()
  await run(async (tx) => {
    await tx.query(
      `insert into communication.notification_templates
        (tenant_id, id, code, channel, locale, category, body, dlt_template_id)
      values ($1, $2, $3, 'sms', $4, $5, 'Your visit is near.', $6)`,
      [tenant, id, code, locale, category, dltTemplateId],
    )
    for (const status of ['approved', 'active']) {
      await tx.query('update communication.notification_templates set status = $2 where id = $1', [id, status])
    }
  })
  return id
}

const recipientId = randomUUID()

function reminder(changes: Partial<NotificationInput> = {}): NotificationInput {
  return {
    template: 'visit.reminder',
    channel: 'sms',
    recipientType: 'patient',
    recipientId,
    purpose: 'appointment.reminder',
    payloadEnc: Buffer.from([1]),
    dedupeKey: randomUUID(),
    ...changes,
  }
}

const preference = { subjectType: 'patient', subjectId: recipientId, channel: 'sms' } as const

test('queueNotification: one per key, in the language of the person, and another message under the key is refused', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addTemplate(hospital, { code: 'visit.reminder' })
    const hindi = await addTemplate(hospital, { code: 'visit.reminder', locale: 'hi' })
    await run((tx) => setContactPreference(tx, { ...preference, category: 'service', optedIn: true, locale: 'hi' }))

    const first = await run((tx) => queueNotification(tx, reminder({ dedupeKey: 'k' })))
    const again = await run((tx) => queueNotification(tx, reminder({ dedupeKey: 'k' })))

    assert.deepEqual([first.status, first.created], ['pending', true])
    assert.deepEqual([again.notificationId, again.created], [first.notificationId, false])
    const [stored] = await run((tx) => tx.query<object>('select template_id from communication.notifications'))
    assert.deepEqual(stored, { template_id: hindi })
    const other = reminder({ dedupeKey: 'k', recipientId: randomUUID() })
    await assert.rejects(
      run((tx) => queueNotification(tx, other)),
      IdempotencyKeyReusedError,
    )
    await assert.rejects(
      run((tx) => queueNotification(tx, reminder({ template: 'none' }))),
      NotFoundError,
    )
  }))

test('queueNotification: what the person does not want is kept as suppressed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addTemplate(hospital, { code: 'visit.reminder' })
    await addTemplate(hospital, { code: 'camp.offer', category: 'promotional' })
    const queue = (changes: Partial<NotificationInput> = {}) => run((tx) => queueNotification(tx, reminder(changes)))

    const offer = await queue({ template: 'camp.offer' })
    await run((tx) => setContactPreference(tx, { ...preference, category: 'service', optedIn: false }))
    const unwanted = await queue()
    await run((tx) => setContactPreference(tx, { ...preference, category: 'service', optedIn: true }))
    const wanted = await queue()

    assert.deepEqual([offer.status, offer.suppressedReason], ['suppressed', 'no_opt_in'])
    assert.deepEqual([unwanted.status, unwanted.suppressedReason], ['suppressed', 'opted_out'])
    assert.deepEqual([wanted.status, wanted.suppressedReason], ['pending', null])
    const withoutConsent = { ...preference, category: 'promotional', optedIn: true } as const
    await assert.rejects(
      run((tx) => setContactPreference(tx, withoutConsent)),
      CheckViolationError,
    )
  }))

test('queueNotification: waits until quiet hours that pass midnight are over, unless critical', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addTemplate(hospital, { code: 'visit.reminder' })
    const quietHours = [
      { from: '22:00', to: '24:00' },
      { from: '00:00', to: '07:00' },
    ]
    await run((tx) => setContactPreference(tx, { ...preference, category: 'service', optedIn: true, quietHours }))
    const at = (scheduledAt: string, changes: Partial<NotificationInput> = {}) =>
      run((tx) => queueNotification(tx, reminder({ scheduledAt: new Date(scheduledAt), ...changes })))

    const day = await at('2090-05-01T21:59:00+05:30')
    const night = await at('2090-05-01T23:10:00+05:30')
    const morning = await at('2090-05-02T06:00:00+05:30')
    const critical = await at('2090-05-01T23:10:00+05:30', { priority: 'critical' })
    const late = await at('2090-05-01T23:10:00+05:30', { expiresAt: new Date('2090-05-02T01:00:00+05:30') })

    assert.deepEqual(
      [day, night, morning, critical].map((queued) => queued.scheduledAt.toISOString()),
      ['2090-05-01T16:29:00.000Z', '2090-05-02T01:30:00.000Z', '2090-05-02T01:30:00.000Z', '2090-05-01T17:40:00.000Z'],
    )
    assert.equal(late.suppressedReason, 'quiet_until_expiry')
  }))

test('claimNotifications: each is sent by one dispatcher, and one that died is replaced', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addTemplate(hospital, { code: 'visit.reminder' })
    const { notificationId } = await run((tx) => queueNotification(tx, reminder()))
    const cancelled = await run((tx) => queueNotification(tx, reminder()))
    await run((tx) => cancelNotification(tx, cancelled.notificationId))

    const claimed = await run((tx) => claimNotifications(tx))
    const others = await run((tx) => claimNotifications(tx))
    const takenOver = await run((tx) => claimNotifications(tx, { leaseSeconds: 0 }))
    await run((tx) => finishNotification(tx, notificationId, 'sent'))
    await run((tx) => finishNotification(tx, notificationId, 'read'))

    const ids = (rows: readonly { id: string }[]) => rows.map((row) => row.id)
    assert.deepEqual([ids(claimed), ids(others), ids(takenOver)], [[notificationId], [], [notificationId]])
    await assert.rejects(
      run((tx) => cancelNotification(tx, notificationId)),
      IllegalTransitionError,
    )
  }))

test('claimNotifications: what the person has refused since it was queued is suppressed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await addTemplate(hospital, { code: 'visit.reminder' })
    const { notificationId } = await run((tx) => queueNotification(tx, reminder()))
    const wanted = await run((tx) => queueNotification(tx, reminder({ recipientId: randomUUID() })))
    await run((tx) => setContactPreference(tx, { ...preference, category: 'service', optedIn: false }))

    const claimed = await run((tx) => claimNotifications(tx))

    assert.deepEqual(
      claimed.map(({ id }) => id),
      [wanted.notificationId],
    )
    const [stored] = await run((tx) =>
      tx.query('select status, suppressed_reason from communication.notifications where id = $1', [notificationId]),
    )
    assert.deepEqual(stored, { status: 'suppressed', suppressed_reason: 'opted_out' })
  }))

test('recordDelivery: moves a message on, and a late or repeated report changes nothing', () =>
  withHospital(async (hospital) => {
    const { run, tenant } = hospital
    await run(async (tx) => {
      await tx.query(
        `insert into communication.sms_messages (tenant_id, to_enc, to_bidx, body_enc, provider, provider_ref)
        values ($1, '\\x01', '\\x02', '\\x03', 'gateway', 'ref-1')`,
        [tenant],
      )
      for (const status of ['sending', 'sent'])
        await tx.query('update communication.sms_messages set status = $1', [status])
    })
    const report = { channel: 'sms', provider: 'gateway', providerRef: 'ref-1', at: new Date(0) } as const

    const delivered = await run((tx) => recordDelivery(tx, { ...report, status: 'delivered' }))
    const late = await run((tx) => recordDelivery(tx, { ...report, status: 'sent' }))

    assert.deepEqual([delivered, late], [true, false])
    const [stored] = await run((tx) => tx.query<object>('select status, delivered_at from communication.sms_messages'))
    assert.deepEqual(stored, { status: 'delivered', delivered_at: new Date(0) })
    const unknown = { ...report, providerRef: 'ref-2', status: 'delivered' }
    await assert.rejects(
      run((tx) => recordDelivery(tx, unknown)),
      NotFoundError,
    )
  }))

test('templates: an Indian SMS needs its DLT id, and an approved text cannot be changed', () =>
  withHospital(async (hospital) => {
    const id = await addTemplate(hospital, { code: 'visit.reminder' })

    const change = hospital.run((tx) =>
      tx.query(`update communication.notification_templates set body = 'Pay at once.' where id = $1`, [id]),
    )

    await assert.rejects(change, NotPermittedError)
    await assert.rejects(addTemplate(hospital, { code: 'visit.other', dltTemplateId: null }), NotPermittedError)
  }))
