import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ruleFamilies, type ComplianceOptions } from '@imhotep/compliance'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { openInspection, trial, type Inspection } from '../../packages/compliance/src/inspection.ts'
import { checkRules } from '../../packages/compliance/src/run-compliance.ts'
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

/** Runs `work` in a transaction that is rolled back, with what the checks look at read once. */
async function inspecting(work: (inspection: Inspection) => Promise<void>): Promise<void> {
  const begin = { isolation: 'repeatable read', retries: 0 } as const
  const ended = db.transaction(async (tx) => {
    await work(await openInspection(tx))
    throw new Undo()
  }, begin)
  await ended.catch((error: unknown) => {
    if (!(error instanceof Undo)) throw error
  })
}

/** The chosen rules that fail after the statements; what they did is taken back. */
async function failuresAfter(inspection: Inspection, sql: string, options: ComplianceOptions): Promise<Set<string>> {
  const { tx } = inspection
  return trial(inspection, async () => {
    await runScript(tx, sql).catch((error: unknown) => {
      throw new Error(`the statements could not run: ${sql}`, { cause: error })
    })
    const results = await checkRules(changesRowsAlone(sql) ? inspection : await openInspection(tx), options)
    return new Set(results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id))
  })
}

/** True when an inspection still tells what is there: definitions, tenants and state machines are as they were. */
function changesRowsAlone(sql: string): boolean {
  const areRows = statementsOf(sql).every((own) =>
    /^\s*(insert|update|delete|set local|select set_config)\b/i.test(own),
  )
  return areRows && !/\bpg_|core\.(tenants|transition_rules)\b/.test(sql)
}

async function runScript(tx: Transaction, sql: string): Promise<void> {
  for (const statement of statementsOf(sql)) await tx.query(statement)
}

function statementsOf(sql: string): string[] {
  return sql.split(/;\s*$/m).filter((statement) => statement.trim() !== '')
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
    const missed: string[] = []
    const falseAlarms: string[] = []
    await inspecting(async (inspection) => {
      const before = await failuresAfter(inspection, '', { families: [name] })
      const newFailures = async (sql: string, ids: readonly string[]) =>
        [...(await failuresAfter(inspection, sql, { families: [name], rules: ids }))].filter((id) => !before.has(id))

      for (const { name: what, rule, sql } of defects)
        if ((await newFailures(sql, [rule])).length === 0) missed.push(`${rule}: ${what}`)

      const ids = rules.map(({ id }) => id)
      falseAlarms.push(...(await alarmsAmong(harmless, (sql) => newFailures(sql, ids))))
    })

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
