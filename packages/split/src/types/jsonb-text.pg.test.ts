import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { jsonbText } from './jsonb-text.ts'

void test('jsonbText: prints what PostgreSQL prints', async () => {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  const wellFormed = (text: string) => !/\\u0000|\\ud[89a-f]|\p{Surrogate}/iu.test(text)
  const numbers = [
    '-0',
    '0.0',
    '-0.00',
    '1e5',
    '1E-5',
    '12.50e1',
    '1.0',
    '-1.5e+3',
    '0e10',
    '123456789012345678901234567890.1',
    '1e-20',
    '9e30',
  ]
  const texts = [
    ...fc.sample(fc.json({ stringUnit: 'binary' }).filter(wellFormed), { numRuns: 500, seed: 7 }),
    ...numbers,
    ...numbers.map((number) => `{"k": [${number}, ${number}]}`),
    '{"b":1,"aa":2,"a":3,"é":4,"b":5}',
    ' { "x" : [ ] , "y" : { } } ',
    String.raw`"\b\f\n\r\t\"\\\/\u001f\u007f\u00e9\ud83d\ude00"`,
  ]

  const rows = await database.query<{ text: string }>(
    'select t::jsonb::text as text from unnest($1::text[]) with ordinality as u (t, n) order by n',
    [texts],
  )
  await database.close()

  assert.deepEqual(
    texts.map((text) => jsonbText(text)),
    rows.map(({ text }) => text),
  )
})
