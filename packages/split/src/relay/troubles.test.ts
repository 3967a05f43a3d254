import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Troubles } from './troubles.ts'

test('Troubles: says each once, whoever meets it how often, and when the last one is over it', () => {
  const said: string[] = []
  const troubles = new Troubles((text) => said.push(text))
  const [lab, clinical] = [{}, {}]

  troubles.end(lab)
  for (const who of [lab, lab, clinical]) troubles.begin(who, 'no route')
  troubles.end(lab)
  const still = [...said]
  troubles.begin(clinical, 'wrong password')
  troubles.end(clinical)

  assert.deepEqual(still, ['no route; trying again'])
  assert.deepEqual(said.slice(1), ['over: no route', 'wrong password; trying again', 'over: wrong password'])
})
