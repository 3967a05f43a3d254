import { test } from 'node:test'
import { logicalDatabase, runOn } from '../support/logical-server.ts'
import { findCorruptions } from './corruption/find-corruptions.ts'
import { insertSamples, postgresTableSql } from './corruption/one-value.ts'

void test('verify: each of ten corruptions of one value is found (PostgreSQL)', async (context) => {
  await using shared = await logicalDatabase('samples')
  await runOn(shared.url, `${postgresTableSql}; ${insertSamples((hex) => String.raw`'\x${hex}'`)}`)

  await findCorruptions(context, shared.url, 'public')
})
