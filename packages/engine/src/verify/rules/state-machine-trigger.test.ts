import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTrigger, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { stateMachineTrigger } from './state-machine-trigger.ts'

test('state-machine-trigger: finds rules that nobody enforces', () => {
  const catalog = soundCatalog()

  const messages = messagesOf(stateMachineTrigger, catalog, { machines: ['a.things'] })

  assert.match(messages.join('\n'), /enforces the states of a\.things on insert/)
})

test('state-machine-trigger: finds a trigger that watches another column', () => {
  const catalog = soundCatalog((_, things) => {
    addTrigger(things, 't', {
      events: ['insert', 'update'],
      function: 'core.enforce_transition',
      arguments: ['a.things', 'status'],
      updateColumns: ['name'],
    })
  })

  const messages = messagesOf(stateMachineTrigger, catalog, { machines: ['a.things'] })

  assert.match(messages.join('\n'), /on update/)
})

test('state-machine-trigger: finds rules of a table that does not exist', () => {
  const catalog = soundCatalog()

  const messages = messagesOf(stateMachineTrigger, catalog, { machines: ['a.nothing'] })

  assert.match(messages.join('\n'), /which is no table/)
})

test('state-machine-trigger: accepts the trigger on insert and update of the state', () => {
  const catalog = soundCatalog((_, things) => {
    addTrigger(things, 't', {
      events: ['insert', 'update'],
      function: 'core.enforce_transition',
      arguments: ['a.things', 'status'],
      updateColumns: ['status'],
    })
  })

  const messages = messagesOf(stateMachineTrigger, catalog, { machines: ['a.things'] })

  assert.deepEqual(messages, [])
})

test('state-machine-trigger: says that it was not checked where the machines cannot be read', () => {
  const messages = messagesOf(stateMachineTrigger, soundCatalog(), { machines: null })

  assert.deepEqual(messages, [
    'not checked: this login may not read core.transition_rules, which names the state machines',
  ])
})
