import type { Database, Transaction } from '@imhotep/postgres'
import {
  attackInside,
  defaultPolicy,
  makeContext,
  readCatalog,
  readCatalogInside,
  readFacts,
  runRules,
  verifyRules,
  type AttackReport,
  type Catalog,
  type VerifyContext,
} from '../../packages/engine/src/index.ts'
import type { Sabotage, Saboteur } from './saboteurs.ts'

export interface SabotageResult {
  readonly saboteur: string
  readonly tried: number
  readonly foundByRule: number
  /** Null when the damage does not show in behaviour, or no attack was made. */
  readonly foundByAttack: number | null
  /** Objects that nothing noticed. */
  readonly missed: string[]
  /** Objects that only the rule noticed although the attack could reach them. */
  readonly missedByAttack: string[]
}

class Undo extends Error {}

/** The state of the sound database: saboteurs choose their targets from it. */
export async function readContext(db: Database): Promise<VerifyContext> {
  const catalog = await readCatalog(db)
  return makeContext(catalog, defaultPolicy, await readFacts(db, catalog, defaultPolicy))
}

/**
 * Lets one saboteur loose on every object it knows, in one transaction, and looks which ones verify names. Everything
 * is rolled back.
 */
export async function runSaboteur(db: Database, saboteur: Saboteur, context: VerifyContext): Promise<SabotageResult> {
  const sabotages = [...saboteur.targets(context)]
  let result: SabotageResult | undefined
  try {
    await db.transaction(
      async (tx) => {
        for (const { sql } of sabotages) await runScript(tx, sql)
        result = await look(tx, saboteur, sabotages, false)
        throw new Undo()
      },
      { isolation: 'repeatable read', retries: 0 },
    )
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  if (!result) throw new Error('the saboteur ended without a result')
  return result
}

/**
 * The same with an attack, in a database that nobody needs any more: in the transaction that has altered hundreds of tables
 * an attempt takes half as long again.
 */
export async function attackBehind(db: Database, saboteur: Saboteur, context: VerifyContext): Promise<SabotageResult> {
  const sabotages = [...saboteur.targets(context)]
  await db.transaction(async (tx) => {
    for (const { sql } of sabotages) await runScript(tx, sql)
  })
  return db.transaction((tx) => look(tx, saboteur, sabotages, true), { isolation: 'repeatable read', retries: 0 })
}

async function look(
  tx: Transaction,
  saboteur: Saboteur,
  sabotages: Sabotage[],
  attack: boolean,
): Promise<SabotageResult> {
  const catalog = await readCatalogInside(tx)
  const context = makeContext(catalog, defaultPolicy, await readFacts(tx, catalog, defaultPolicy))
  const { findings } = runRules(verifyRules, context)
  const named = new Set(findings.filter(({ rule }) => rule === saboteur.rule).map(({ object }) => object))
  const objects = [...new Set(sabotages.map(({ object }) => object))]
  const report = attack ? await attackObjects(tx, catalog, objects) : null
  const broken = new Set(report?.through.map(({ object }) => object))
  return {
    saboteur: saboteur.name,
    tried: objects.length,
    foundByRule: objects.filter((object) => named.has(object)).length,
    foundByAttack: report && objects.filter((object) => broken.has(object)).length,
    missed: objects.filter((object) => !named.has(object) && !broken.has(object)),
    missedByAttack: report ? objects.filter((object) => !broken.has(object) && isReachable(object, report)) : [],
  }
}

/** A full attack makes all attempts of a quick one: it is needed only where that one found nothing. */
async function attackObjects(
  tx: Transaction,
  catalog: Catalog,
  objects: readonly string[],
): Promise<Pick<AttackReport, 'through' | 'untested'>> {
  const quick = await attackInside(tx, catalog, { functions: false, mode: 'quick' })
  const broken = new Set(quick.through.map(({ object }) => object))
  const only = objects.filter((object) => !broken.has(object))
  if (only.length === 0) return quick
  const full = await attackInside(tx, catalog, { functions: false, only })
  return { through: [...quick.through, ...full.through], untested: full.untested }
}

/** An object without rows cannot be attacked: the report says so. */
function isReachable(object: string, report: Pick<AttackReport, 'untested'>): boolean {
  return !report.untested.some((gap) => gap.object === object)
}

async function runScript(tx: Transaction, sql: string): Promise<void> {
  for (const statement of sql.split(';')) if (statement.trim() !== '') await tx.query(statement)
}
