import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { connect } from '@imhotep/postgres'
import { NotEqualError, run, Split, verifyService } from '@imhotep/split'
import { runOn, startLogicalServer } from '../../support/logical-server.ts'
import { corruptions, sampleRows, valuePatterns, type Corruption } from './one-value.ts'

/** Copies the samples, spoils one value after the other in the copy, and has each of them found. */
export async function findCorruptions(context: TestContext, sourceUrl: string, schema: string): Promise<void> {
  const started = await startLogicalServer()
  const { server } = started
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-corruption-'))
  const mapFile = join(directory, 'owners.yaml')
  writeFileSync(mapFile, 'services: { lab: { database: corrupted_lab } }\ntables: { samples: lab }\n')
  const split = await Split.open({
    sourceUrl,
    targetUrl: server.url(),
    schemaDirectory: join(directory, 'schemas'),
    envDirectory: join(directory, 'env'),
    options: { chunkRows: 50 },
    signal: new AbortController().signal,
    say: () => {},
  })
  try {
    await split.makePlan(mapFile)
    const { verification } = await run(await split.moveOf('lab'), 'verified')
    assert.deepEqual([verification?.equal, verification?.rows], [true, sampleRows])
    const copy = connect(server.url('corrupted_lab'))
    const kept = await copy.query('select * from samples order by id')

    for (const corruption of corruptions) {
      await context.test(`verify finds ${corruption.what}`, async () => {
        await spoil(server.url('corrupted_lab'), corruption.sql)

        const error = await verifyService(split, 'lab').then(
          () => assert.fail('nothing was found'),
          (thrown: unknown) => thrown,
        )

        checkFinding(error, corruption, `${schema}.samples`)
        await restore(server.url('corrupted_lab'))
      })
    }
    assert.deepEqual(await copy.query('select * from samples order by id'), kept)
    assert.equal((await verifyService(split, 'lab')).equal, true)
    await copy.close()
  } finally {
    await split.close()
    await started.remove()
    rmSync(directory, { recursive: true })
  }
}

function checkFinding(error: unknown, { finds }: Corruption, table: string): void {
  assert.ok(error instanceof NotEqualError, String(error))
  const found = error.verification.tables.flatMap(({ mismatches }) => mismatches)
  assert.deepEqual(
    found,
    finds.map((find) => ({ table, ...find })),
  )
  const [first] = finds
  for (const name of [table, `(${first?.key.join(', ')})`, ...(first?.columns ?? [])]) {
    assert.ok(error.message.includes(name), `${error.message} does not name ${name}`)
  }
  const told = [error.message, error.hint, JSON.stringify(error), JSON.stringify(error.verification)].join('\n')
  for (const pattern of valuePatterns) assert.doesNotMatch(told, pattern)
}

/** As a fault of a disk or a program would: the fence does not see it. */
async function spoil(url: string, sql: string): Promise<void> {
  await runOn(url, `set session_replication_role = replica; create table kept as select * from samples; ${sql}`)
}

async function restore(url: string): Promise<void> {
  await runOn(
    url,
    `set session_replication_role = replica; delete from samples; insert into samples select * from kept; drop table kept`,
  )
}
