import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { connect, type Connection } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from './support/database.ts'

let database: TestDatabase

before(async () => {
  database = await demoDatabase()
})
after(() => database.drop())

for (const guide of ['a-day-in-the-hospital', 'money']) {
  test(`docs/guides/${guide}.md: every statement runs on the demo, and every query finds something`, async () => {
    const text = readFileSync(new URL(`../docs/guides/${guide}.md`, import.meta.url), 'utf8')

    const ran = await run(statementsOf(text, 'sql'), database.appUrl)
    await run(statementsOf(text, 'sql superuser'), database.url)

    assert.ok(ran > 10)
  })
}

/** Statements of the blocks of a language; each ends a line with `;` or with psql's `\gset`. */
function statementsOf(text: string, language: string): string[] {
  const blocks = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].filter(([, name]) => name === language)
  return blocks
    .flatMap(([, , block = '']) => block.split(/(?<=;|\\gset)$/m))
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/** Runs them in one session as psql does, and returns how many there were. */
async function run(statements: readonly string[], url: string): Promise<number> {
  const db = connect(url)
  const session = await db.dedicated()
  const variables = new Map<string, string>()
  try {
    for (const statement of statements) await runStatement(session, statement, variables)
  } finally {
    await session.release()
    await db.close()
  }
  return statements.length
}

async function runStatement(session: Connection, statement: string, variables: Map<string, string>): Promise<void> {
  const sets = statement.endsWith('\\gset')
  const sql = statement
    .replace(/;$|\\gset$/, '')
    .replaceAll(/:'(\w+)'/g, (_, name: string) => `'${variables.get(name) ?? assert.fail(`no variable ${name}`)}'`)
  const rows = await session.query<Record<string, unknown>>(sql)
  if (/^select/i.test(sql)) assert.ok(rows.length > 0, `no rows: ${sql}`)
  if (sets) for (const [name, value] of Object.entries(rows[0] ?? {})) variables.set(name, String(value))
}
