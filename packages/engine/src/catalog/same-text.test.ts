import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadParser } from '../parse/parser.ts'
import { sameExpression } from './same-text.ts'

const SAME: [written: string, printed: string][] = [
  ["x in ('a', 'b')", "(x = ANY (ARRAY['a'::text, 'b'::text]))"],
  ["x not in ('a', 'b')", "(x <> ALL (ARRAY['a'::text, 'b'::text]))"],
  ["v in ('a', 'b')", "((v)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))"],
  ["'NaN' not in (a, b)", "(('NaN'::numeric <> a) AND ('NaN'::numeric <> b))"],
  ['c and x not in (a, 1)', '(c AND ((x <> a) AND (x <> 1)))'],
  ['x in (a, 1, b, 2)', '((x = ANY (ARRAY[1, 2])) OR (x = a) OR (x = b))'],
  ['x between 1 and 5', '((x >= 1) AND (x <= 5))'],
  ["x like 'a%'", "(x ~~ 'a%'::text)"],
  ['tenant_id = (select core.me())', '(tenant_id = ( SELECT core.me() AS me))'],
  ["interval '90 minutes'", "'01:30:00'::interval"],
  ["'2020-01-01'", "'2020-01-01 00:00:00+00'::timestamp with time zone"],
  [`'{"b": 1, "aa": 2}'`, `'{"aa": 2, "b": 1}'::jsonb`],
  ['a and (b and c)', '((a AND b) AND c)'],
  ['pg_catalog.lower(x)', 'lower(x)'],
  ['-1', "'-1'::integer"],
  ['a != b', '(a <> b)'],
]

for (const [written, printed] of SAME) {
  test(`sameExpression: ${written} is printed as ${printed}`, async () => {
    await loadParser()

    assert.equal(sameExpression(written, printed), true)
  })
}

const DIFFERENT: [string, string][] = [
  ["x in ('a', 'b')", "x in ('a', 'c')"],
  ["x in ('a', 'b')", "x not in ('a', 'b')"],
  ['x > 1', 'x >= 1'],
  ['a and b or c', 'a and (b or c)'],
  ['tenant_id = core.me()', 'tenant_id = (select core.me())'],
  ["'1 day'::interval", "'2 days'::interval"],
  ['true', 'false'],
  ['x is null', 'x is not null'],
  ['a.f(x)', 'b.f(x)'],
]

for (const [left, right] of DIFFERENT) {
  test(`sameExpression: ${left} is not ${right}`, async () => {
    await loadParser()

    assert.equal(sameExpression(left, right), false)
  })
}
