import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadParser } from '../parse/parser.ts'
import { defaultPolicy } from './policy.ts'
import { isCanonical } from './policy-expression.ts'

before(loadParser)

const byExpression = { ...defaultPolicy, contextExpression: `nullif(current_setting('my.clinic', true), '')::bigint` }
const printed = `(clinic = ( SELECT (NULLIF(current_setting('my.clinic'::text, true), ''::text))::bigint AS "nullif"))`

test('isCanonical: knows the text that PostgreSQL prints, and names that need quotes', () => {
  assert.ok(isCanonical(printed, 'clinic', byExpression))
  assert.ok(isCanonical('("tenantId" = ( SELECT core.current_tenant_id() AS x))', 'tenantId', defaultPolicy))
  assert.ok(isCanonical('("tenantId" = core.current_tenant_id())', 'tenantId', defaultPolicy))
})

for (const [from, to] of [
  ['current_setting', 'public.current_setting'],
  ['clinic =', 'clinic operator(public.=)'],
  ['clinic =', 'clinic::int ='],
  ['::bigint', '::int'],
] as const) {
  test(`isCanonical: refuses ${to} for ${from}`, () => {
    assert.ok(!isCanonical(printed.replace(from, to), 'clinic', byExpression))
  })
}
