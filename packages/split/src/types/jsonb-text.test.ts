import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonbText } from './jsonb-text.ts'

void test('jsonbText: counts what jsonb would lose or refuse, by text', () => {
  const findings = { duplicateKeys: 0, refusedTexts: 0 }

  for (const text of [
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":1}}',
    String.raw`"\u0000"`,
    String.raw`["\ud800"]`,
    '{"a":[1,2]}',
    '"\\u0041"',
  ])
    jsonbText(text, findings)

  assert.deepEqual(findings, { duplicateKeys: 2, refusedTexts: 2 })
})
