import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { applyMigrations, readCatalog } from '@imhotep/engine'
import { connect } from '@imhotep/postgres'
import { createDatabase, dropDatabase, migrations } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'

const peers = fileURLToPath(new URL('../node_modules', import.meta.url))

/** The catalog of the whole schema, read from a live database. */
export async function catalog({ server }: BenchOptions): Promise<BenchResult> {
  const url = await createDatabase(server)
  await applyMigrations(url, { directory: migrations })
  const db = connect(url)
  const { tables } = await readCatalog(db)
  const cases: Case[] = [{ name: 'imhotep: readCatalog', run: async () => void (await readCatalog(db)) }]
  const skipped: string[] = []
  for (const peer of [extractPgSchema, kyselyCodegen]) {
    const found = await peer(url)
    if (typeof found === 'string') skipped.push(found)
    else cases.push(found)
  }

  const measured = await measure(cases, 3)
  await db.close()
  await dropDatabase(server, url)
  const [ours, ...others] = measured
  return {
    bench: 'catalog',
    measured,
    figures: [
      { name: 'readCatalog', value: ours?.wallMs ?? Number.NaN, unit: 'ms', goal: '<= 300' },
      ...others.map(({ name, wallMs }) => ({
        name: `${name} / imhotep`,
        value: wallMs / (ours?.wallMs ?? Number.NaN),
        unit: 'x' as const,
        goal: '>= 10',
      })),
    ],
    skipped,
    setting: { tables: tables.size },
  }
}

async function extractPgSchema(url: string): Promise<Case | string> {
  const entry = join(peers, 'extract-pg-schema/build/index.js')
  if (!existsSync(entry)) return 'extract-pg-schema: npm i --prefix bench'
  const { extractSchemas } = (await import(pathToFileURL(entry).href)) as {
    extractSchemas: (connection: object) => Promise<object>
  }
  return { name: 'extract-pg-schema', run: async () => void (await extractSchemas({ connectionString: url })) }
}

async function kyselyCodegen(url: string): Promise<Case | string> {
  const bin = join(peers, '.bin/kysely-codegen')
  if (!existsSync(bin)) return 'kysely-codegen: npm i --prefix bench'
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const args = ['--dialect', 'postgres', '--url', url, '--print']
  return {
    name: 'kysely-codegen (whole process)',
    run: async () => void (await promisify(execFile)(bin, args, { maxBuffer: 1 << 28 })),
  }
}
