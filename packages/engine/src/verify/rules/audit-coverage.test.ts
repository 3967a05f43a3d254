import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTrigger, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Table, Trigger } from '../../catalog/model.ts'
import { defaultPolicy } from '../policy.ts'
import { auditCoverage } from './audit-coverage.ts'

test('audit-coverage: finds a protected table without triggers', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=phi;scope=tenant;about=Things.'
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /audit_insert on a\.things \(class=phi\) is missing/)
})

test('audit-coverage: finds a disabled trigger', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
    addTrigger(things, 'audit_update', { ...logs, events: ['update'], enabled: 'disabled' })
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /audit_update on a\.things .* is disabled/)
})

test('audit-coverage: finds a trigger for some columns only', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
    addTrigger(things, 'audit_update', { ...logs, events: ['update'], updateColumns: ['name'] })
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /fires for some columns only/)
})

test('audit-coverage: finds a trigger that calls another function', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
    addTrigger(things, 'audit_delete', { ...logs, events: ['delete'], function: 'a.nothing' })
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /calls a.nothing/)
})

test('audit-coverage: finds a trigger on another event', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
    addTrigger(things, 'audit_delete', { ...logs, events: ['insert'] })
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /does not fire on delete/)
})

test('audit-coverage: accepts the three triggers', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.deepEqual(messages, [])
})

test('audit-coverage: does not ask for triggers on operational tables', () => {
  const catalog = soundCatalog()

  const messages = messagesOf(auditCoverage, catalog)

  assert.deepEqual(messages, [])
})

test('audit-coverage: knows triggers by their function where the policy names it', () => {
  const policy = { ...defaultPolicy, auditTriggers: {}, auditFunctions: ['b.record_*'] }
  const trace: Partial<Trigger> = { timing: 'after', function: 'b.record_change' }
  const [whole, half, none] = [['insert', 'update', 'delete'], ['insert'], []].map((events) =>
    soundCatalog((_, things) => {
      things.comment = 'class=phi;scope=tenant;about=Things.'
      if (events.length > 0) addTrigger(things, 'trace', { ...trace, events })
    }),
  )

  assert.deepEqual(messagesOf(auditCoverage, whole!, undefined, policy), [])
  assert.deepEqual(messagesOf(auditCoverage, half!, undefined, policy), [
    'no audit trigger on a.things (class=phi) fires on update',
    'no audit trigger on a.things (class=phi) fires on delete',
  ])
  assert.equal(messagesOf(auditCoverage, none!, undefined, policy).length, 3)
})

test('audit-coverage: finds a trigger for some rows only', () => {
  const catalog = soundCatalog((_, things) => {
    audited(things)
    addTrigger(things, 'audit_delete', { ...logs, events: ['delete'], when: '(old.id IS NOT NULL)' })
  })

  const messages = messagesOf(auditCoverage, catalog)

  assert.match(messages.join('\n'), /fires for some rows only/)
})

const logs: Partial<Trigger> = { timing: 'after', function: 'audit.log_a_things' }

function audited(things: Table): void {
  things.comment = 'class=phi;scope=tenant;about=Things.'
  for (const event of ['insert', 'update', 'delete']) addTrigger(things, `audit_${event}`, { ...logs, events: [event] })
}
