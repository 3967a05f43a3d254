import type { Database } from '@imhotep/postgres'
import type { Catalog } from '../../catalog/model.ts'
import { withSameSnapshot } from '../../catalog/same-snapshot.ts'
import { makeContext, nameOf, type VerifyContext } from '../context.ts'
import { defaultPolicy, type VerifyPolicy } from '../policy.ts'
import { AttackNotPossibleError } from './errors.ts'
import { attemptsOnTables, attemptsOnViews, makePlots, otherAttempts } from './plan-attempts.ts'
import { chooseTenants, fillPartitions, fillTables } from './prepare-rows.ts'
import { quoteName, quoteQualified } from './quote.ts'
import { AttemptRunner, installRunner, watchTables, type Judged, type Querier } from './runner.ts'
import type { Scene } from './scene.ts'
import { completeTargets, completeViews, readTargets, readTargetsAgain, type Target } from './targets.ts'

export interface AttackOptions {
  readonly policy?: VerifyPolicy
  /** `quick` makes the essential attempts, as the application and not as owners; `full` all of them. Default full. */
  readonly mode?: 'full' | 'quick' | undefined
  /** Whether functions are called, too. Default true. */
  readonly functions?: boolean
  /** Attack as these roles, as an application would. Default: the policy's application role, and each table's owner. */
  readonly roles?: readonly string[] | undefined
  /** Attack these objects only (`schema.name`), with the tables that they need. */
  readonly only?: readonly string[]
  readonly onProgress?: (text: string) => void
}

export interface AttackReport {
  /** Statements that were tried, each rolled back. */
  readonly attempts: number
  readonly through: AttackSuccess[]
  /** What could not be tried, and why. Never part of what was refused. */
  readonly untested: { readonly object: string; readonly attempt: string; readonly reason: string }[]
  readonly ms: number
}

export interface AttackSuccess {
  readonly object: string
  readonly attempt: string
  /** Counts, ids and SQLSTATEs, never values. */
  readonly evidence: string
}

/** Thrown to take the disposable transaction back. */
class Undo extends Error {}

/**
 * Tries to break the isolation of tenants and the append-only tables, as the application role and as each owner, in one
 * transaction that is rolled back; a quick attack without functions in two at once. Sequences move on, nothing else is
 * left. Needs a superuser connection.
 * @throws AttackNotPossibleError without superuser, without the application role, or without two tenants
 */
export async function attackDatabase(
  db: Database,
  catalog: Catalog,
  options: AttackOptions = {},
): Promise<AttackReport> {
  let report: AttackReport | undefined
  try {
    await db.transaction(
      async (tx) => {
        report = await (mayShare(options)
          ? withSameSnapshot(db, tx, (second) => attackInside(tx, catalog, options, second))
          : attackInside(tx, catalog, options))
        throw new Undo()
      },
      // One snapshot: rows that others write meanwhile are not taken for traces of the attack.
      { isolation: 'repeatable read', retries: 0 },
    )
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  if (!report) throw new Error('the attack ended without a report')
  return report
}

/**
 * Whether two connections may attack at once: their attempts must not meet in a row or a lock. Those of a quick attack
 * stay in their own table; a function may go anywhere. A role that is made for the attack is seen by one connection only.
 */
function mayShare({ policy = defaultPolicy, mode, functions, roles, only }: AttackOptions): boolean {
  return mode === 'quick' && functions === false && only === undefined && (roles ?? policy.attackRole) !== null
}

/**
 * The attack inside an open transaction, which is left as it was found. `second` is another connection with the same
 * snapshot: it attacks the tables in which nothing has to be made up first.
 */
export async function attackInside(
  db: Querier,
  catalog: Catalog,
  options: AttackOptions = {},
  second?: Querier,
): Promise<AttackReport> {
  const { policy = defaultPolicy, onProgress = () => {} } = options
  const started = performance.now()
  const context = makeContext(catalog, policy)
  await refuseUnlessPossible(db, context, options.roles ?? (policy.attackRole === null ? [] : [policy.attackRole]))
  if (context.tenantTables.length === 0) {
    throw new AttackNotPossibleError(
      'no table keeps rows of tenants apart',
      `give tables a column ${policy.tenantColumn}, or name yours in the policy of imhotep.config (tenantColumn, tables)`,
    )
  }
  await db.query('savepoint imhotep_attack')
  try {
    const judged = await attack(db, context, options, onProgress, second)
    return toReport(judged, performance.now() - started)
  } finally {
    await db.query('rollback to savepoint imhotep_attack')
  }
}

async function attack(
  db: Querier,
  context: VerifyContext,
  options: AttackOptions,
  onProgress: (text: string) => void,
  second?: Querier,
): Promise<Judged[]> {
  const { policy } = context
  await prepareConnection(db, policy)
  const roles = options.roles ?? [policy.attackRole ?? (await makeRole(db, context))]

  onProgress('looking for rows to attack')
  await db.query(`set local session_replication_role = 'replica'`)
  const tenants = await chooseTenants(db, context)
  const [attacker, victim] = tenants
  if (!attacker || !victim) {
    throw new AttackNotPossibleError(
      'there are no two tenants',
      'run imhotep seed demo on a development database first',
    )
  }
  await refuseUnlessBelieved(db, context, attacker)
  const plots = makePlots([attacker, victim], roles, options.mode === 'quick')
  const sceneOf = (found: readonly Target[]): Scene => ({
    context,
    targets: new Map(found.map((target) => [target.name, target])),
  })
  const runner = new AttemptRunner(policy.contextSetting, onProgress)

  let targets = await readTargets(db, context, tenants)
  const shared = second ? completeTargets(targets, tenants, context) : []
  const sharedViews = second ? completeViews(targets, shared, context) : []
  const onShared = runner.plan(attemptsOnTables(shared, plots, sceneOf(shared), options))
  const onSharedViews = runner.plan(attemptsOnViews(sharedViews, plots, sceneOf(shared), options))
  const runBeside = async (connection: Querier) => {
    await prepareConnection(connection, policy)
    await runner.run(connection, onShared)
    await runner.run(connection, onSharedViews)
  }
  const meanwhile = second ? runBeside(second) : Promise.resolve()
  meanwhile.catch(() => undefined) // told below, unless the attack fails before

  for (const fill of [fillTables, fillPartitions]) {
    const filled = await fill(db, context, targets, tenants)
    targets = await readTargetsAgain(db, context, tenants, targets, filled)
  }
  await db.query(`set local session_replication_role = 'origin'`)
  await watchTables(
    db,
    targets.map(({ oid, sqlName, tenantColumn }) => ({ oid, name: sqlName, tenantColumn })),
  )

  // COPY is tried into nowhere; the right to name a file goes when the transaction is rolled back.
  if (options.mode !== 'quick') {
    for (const role of roles) await db.query(`grant pg_write_server_files to ${quoteName(role)}`)
  }
  const scene = sceneOf(targets)
  const taken = new Set(shared.map(({ name }) => name))
  const own = targets.filter(({ name }) => !taken.has(name))
  const ownViews = [...context.catalog.views.values()].filter((view) => !sharedViews.includes(view))
  await runner.run(
    db,
    runner.plan([
      ...attemptsOnTables(own, plots, scene, options),
      ...attemptsOnViews(ownViews, plots, scene, options),
      ...otherAttempts(scene, plots, await analysedTables(db, scene), options),
    ]),
  )
  await runner.run(db, onSharedViews) // views are only read: whoever is free takes the next ones
  await meanwhile
  return runner.judged()
}

async function prepareConnection(db: Querier, policy: VerifyPolicy): Promise<void> {
  await db.query(
    `select set_config('lc_messages', 'C', true), set_config('lock_timeout', '2s', true), set_config('jit', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true)`,
  )
  await installRunner(db, policy.attackContext)
}

/** The application that a schema without roles will have: it may read and write every table, and owns none. */
async function makeRole(db: Querier, { catalog, tables }: VerifyContext): Promise<string> {
  const role = 'imhotep_attack_application'
  await db.query(`create role ${role}`)
  const views = [...catalog.views.values()].filter((view) => !view.materialized)
  const relations = [...tables.filter((table) => table.partitionOf === null), ...views]
  for (const schema of new Set(relations.map((relation) => relation.schema))) {
    await db.query(`grant usage on schema ${quoteName(schema)} to ${role}`)
    await db.query(`grant usage on all sequences in schema ${quoteName(schema)} to ${role}`)
  }
  if (relations.length > 0) {
    const names = relations.map(quoteQualified).join(', ')
    await db.query(`grant select, insert, update, delete on ${names} to ${role}`)
  }
  return role
}

async function refuseUnlessPossible(db: Querier, { catalog }: VerifyContext, roles: readonly string[]): Promise<void> {
  const [me] = await db.query<{ name: string; superuser: boolean }>(
    'select rolname as name, rolsuper as superuser from pg_roles where rolname = session_user',
  )
  if (!me?.superuser) {
    throw new AttackNotPossibleError(
      `role "${me?.name}" is no superuser`,
      'pass the URL of a superuser: --url postgresql://postgres@host/database',
    )
  }
  for (const role of roles) {
    if (catalog.roles.has(role)) continue
    throw new AttackNotPossibleError(
      `there is no role "${role}"`,
      'run imhotep migrate first, or name the role that applications log in as: --role',
    )
  }
}

/** Where a request has to be signed nobody can pose as a tenant, the attack neither. */
async function refuseUnlessBelieved(db: Querier, { policy, catalog }: VerifyContext, tenant: string): Promise<void> {
  const { contextFunction, contextSetting } = policy
  if (![...catalog.functions.values()].some((routine) => nameOf(routine) === contextFunction)) return
  await db.query('savepoint imhotep_attack_context')
  try {
    await db.query('select set_config($1, $2, true)', [contextSetting, tenant])
    await db.query(`select ${contextFunction}()`)
  } catch (error) {
    throw new AttackNotPossibleError(
      `${contextFunction} does not believe ${contextSetting}: ${error instanceof Error ? error.message : String(error)}`,
      'attack a copy of the database on which unsigned contexts are accepted: select core.accept_unsigned_context()',
    )
  } finally {
    await db.query('rollback to savepoint imhotep_attack_context')
  }
}

/** Tables that the statistics views could say something about. */
async function analysedTables(db: Querier, scene: Scene): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `select distinct n.nspname || '.' || c.relname as name
     from pg_statistic s join pg_class c on c.oid = s.starelid join pg_namespace n on n.oid = c.relnamespace
     order by name`,
  )
  return rows.map((row) => row.name).filter((name) => scene.targets.has(name))
}

function toReport(judged: readonly Judged[], ms: number): AttackReport {
  const through: AttackSuccess[] = []
  const untested: AttackReport['untested'] = []
  let attempts = 0
  for (const { attempt, verdict, steps } of judged) {
    attempts += steps
    const about = { object: attempt.object, attempt: attempt.attempt }
    if (verdict.kind === 'through') through.push({ ...about, evidence: verdict.evidence })
    if (verdict.kind === 'untested') untested.push({ ...about, reason: verdict.reason })
  }
  return { attempts, through, untested, ms: Math.round(ms) }
}
