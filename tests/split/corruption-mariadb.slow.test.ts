import { test } from 'node:test'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { findCorruptions } from './corruption/find-corruptions.ts'
import { insertSamples, tableSql } from './corruption/one-value.ts'

void test(
  'verify: each of ten corruptions of one value is found (MariaDB)',
  { skip: needsMariadb },
  async (context) => {
    await using shared = await mariadbDatabase(
      tableSql,
      insertSamples((hex) => `x'${hex}'`),
    )

    await findCorruptions(context, shared.url, shared.name)
  },
)
