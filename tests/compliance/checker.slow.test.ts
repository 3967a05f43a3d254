import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ruleFamilies, runComplianceInside, type ComplianceOptions } from '@imhotep/compliance'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../support/database.ts'
import type { Defect, Harmless } from './defects/defect.ts'
import { defectsOf, harmlessOf } from './defects/index.ts'

// How good is the checker? Defects are injected one by one into the demo database: the rule that promises the opposite
// must report each (recall). Harmless changes must be reported by none (precision).

let database: TestDatabase
let db: Database

before(async () => {
  database = await demoDatabase()
  db = connect(database.url)
})
after(async () => {
  await db.close()
  await database.drop()
})

class Undo extends Error {}

/** The chosen rules that fail after the statements; everything is taken back. */
async function failuresAfter(sql: string, options: ComplianceOptions): Promise<Set<string>> {
  let failures = new Set<string>()
  try {
    await db.transaction(
      async (tx) => {
        await runScript(tx, sql)
        const { results } = await runComplianceInside(tx, options)
        failures = new Set(results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id))
        throw new Undo()
      },
      { isolation: 'repeatable read', retries: 0 },
    )
  } catch (error) {
    if (!(error instanceof Undo)) throw new Error(`the statements could not run: ${sql}`, { cause: error })
  }
  return failures
}

async function runScript(tx: Transaction, sql: string): Promise<void> {
  for (const statement of sql.split(/;\s*$/m)) if (statement.trim() !== '') await tx.query(statement)
}

/**
 * Which of the changes are reported, and by which rule. They are made all together, and in halves where something is
 * reported, or where they do not go together.
 */
async function alarmsAmong(
  changes: readonly Harmless[],
  newFailures: (sql: string) => Promise<string[]>,
): Promise<string[]> {
  const blaming = await newFailures(changes.map(({ sql }) => sql).join('\n')).catch((error: unknown) => {
    if (changes.length === 1) throw error
    return ['they do not go together']
  })
  if (blaming.length === 0) return []
  if (changes.length === 1) return [`${blaming.join()}: ${changes[0]?.name}`]
  const half = Math.ceil(changes.length / 2)
  const [left, right] = [changes.slice(0, half), changes.slice(half)]
  return [...(await alarmsAmong(left, newFailures)), ...(await alarmsAmong(right, newFailures))]
}

let injected = 0
let found = 0
let changed = 0
let blamed = 0

for (const { name, rules } of ruleFamilies) {
  test(`the checker: ${name}: reports every defect and no harmless change`, async () => {
    const defects: readonly Defect[] = defectsOf(name)
    const harmless: readonly Harmless[] = harmlessOf(name)
    const before = await failuresAfter('select 1;', { families: [name] })
    const newFailures = async (sql: string, ids: readonly string[]) =>
      [...(await failuresAfter(sql, { families: [name], rules: ids }))].filter((id) => !before.has(id))

    const missed: string[] = []
    for (const { name: what, rule, sql } of defects)
      if ((await newFailures(sql, [rule])).length === 0) missed.push(`${rule}: ${what}`)

    const ids = rules.map(({ id }) => id)
    const falseAlarms = await alarmsAmong(harmless, (sql) => newFailures(sql, ids))

    const hits = defects.length - missed.length
    const recall = hits / defects.length
    const precision = hits / (hits + falseAlarms.length)
    injected += defects.length
    found += hits
    changed += harmless.length
    blamed += falseAlarms.length
    console.log(
      `${name}: ${hits} of ${defects.length} defects found, ${falseAlarms.length} of ${harmless.length} harmless changes reported, ` +
        `recall ${(100 * recall).toFixed(1)} %, precision ${(100 * precision).toFixed(1)} %`,
    )
    assert.ok(recall > 0.95, `missed: ${missed.join('; ')}`)
    assert.ok(precision > 0.95, `false alarms: ${falseAlarms.join('; ')}`)
  })
}

test('the checker: was tried with at least 200 defects and 200 harmless changes', () => {
  console.log(`checker: ${found} of ${injected} defects found, ${blamed} of ${changed} harmless changes reported`)

  assert.ok(injected >= 200, `${injected} defects`)
  assert.ok(changed >= 200, `${changed} harmless changes`)
})
