import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import fc from 'fast-check'
import knex from 'knex'
import { emptyDatabase } from '../../../../../tests/support/database.ts'
import { literal } from './bindings.ts'

const text = fc.string({ unit: 'binary' }).map((value) => value.replaceAll('\0', ''))
const values = fc.oneof(
  text.map((value) => ({ type: 'text', value: value as unknown })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ type: 'int8', value: value as unknown })),
  fc.double({ noNaN: true }).map((value) => ({ type: 'float8', value: value as unknown })),
  fc.boolean().map((value) => ({ type: 'bool', value: value as unknown })),
  fc.uint8Array().map((value) => ({ type: 'bytea', value: Buffer.from(value) as unknown })),
  fc
    .date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true })
    .chain((value) => fc.constantFrom({ type: 'timestamptz', value }, { type: 'timestamp', value })),
  fc.array(fc.option(text)).map((value) => ({ type: 'text[]', value: value as unknown })),
  fc.dictionary(text, fc.option(text)).map((value) => ({ type: 'jsonb', value: value as unknown })),
  fc.constant({ type: 'text', value: null }),
)

test('literal: means the same to the server as the binding that Knex sends with the driver pg', async () => {
  await using empty = await emptyDatabase()
  const db = connect(empty.url, { max: 1 })
  const project = knex({ client: 'pg', connection: empty.url, pool: { min: 1, max: 1 } })
  try {
    await fc.assert(
      fc.asyncProperty(values, async ({ type, value }) => {
        const { rows } = await project.raw(`select (?::${type})::text as sent`, [value as string])

        const inlined = await db.query<{ sent: string }>(`select (${literal(value)}::${type})::text as sent`)

        assert.deepEqual(inlined, rows)
      }),
      { numRuns: 300 },
    )
  } finally {
    await project.destroy()
    await db.close()
  }
})
